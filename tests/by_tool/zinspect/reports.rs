//! What is printed of many stores and arrays.

use super::*;

#[test]
fn stores_and_arrays_that_are_alike_have_one_row() {
    let directory = tempfile::tempdir().unwrap();
    let make = MakeArray { chunk: 1 << 10, chunks: 1, ..MakeArray::default() };
    for (store, arrays) in [("b1", 30), ("b2", 30), ("b3", 30), ("other", 2)] {
        let path = directory.path().join(store);
        fs::create_dir(&path).unwrap();
        fs::write(path.join(".zgroup"), GROUP).unwrap();
        (0..arrays).for_each(|number| make.write(&path.join(format!("v{number:02}"))));
    }
    let run = |arguments: &[&str]| {
        let stores = ["b1", "b2", "other", "b3"];
        let tool = Tool::new("zinspect").current_dir(directory.path()).args(stores).args(["--format", "table"]);
        tool.args(arguments).run().expect(0).stdout
    };
    let table = run(&["--sizes"]);
    let starts: Vec<&str> = table.lines().map(|line| line.split("  ").next().unwrap()).collect();
    let expected = [
        "PATH",
        "3 stores alike, b1 to b3, with the sizes of all together:",
        "/",
        "/v00 and 29 others alike",
        "other:",
        "/",
        "/v00",
        "/v01",
    ];
    assert_eq!(starts[..8], expected, "{table}");
    assert!(table.lines().nth(3).unwrap().contains(" 90 "), "the objects of all are summed: {table}");
    let all = run(&["-v"]);
    assert_eq!(all.lines().filter(|line| line.starts_with("/v")).count(), 92, "{all}");
    assert_eq!(all.lines().filter(|line| ["b1:", "b2:", "b3:", "other:"].contains(line)).count(), 4, "{all}");
    assert!(!run(&["-v", "--sizes"]).contains("alike"), "no heading without rows");
}

#[test]
fn arrays_are_sorted_as_asked() {
    let store = written(&[(".zgroup", GROUP)]);
    for (name, chunks, noise_bits) in [("a", 2, 32), ("b", 9, 0), ("c", 3, 32), ("d", 1, 16)] {
        MakeArray { chunk: 1 << 14, chunks, noise_bits, ..MakeArray::default() }.write(&store.path().join(name));
    }
    for (by, field, sign) in [("stored", "stored_bytes", -1.0), ("ratio", "ratio", 1.0), ("chunks", "chunks", -1.0)] {
        let outcome = inspect(store.path(), &["--sort", by]).expect(0);
        let arrays = outcome.of_type("array");
        let values: Vec<f64> = arrays.iter().map(|array| array[field].as_f64().unwrap() * sign).collect();
        assert!(values.is_sorted() && values[0] < values[3], "{by}: {values:?}");
        let paths: Vec<&str> = arrays.iter().map(|array| array["path"].as_str().unwrap()).collect();
        let table = inspect(store.path(), &["--sort", by, "--format", "table"]).expect(0).stdout;
        let rows: Vec<&str> =
            table.lines().filter_map(|line| paths.iter().find(|path| line.starts_with(**path))).copied().collect();
        assert_eq!(rows, paths, "{by}: {table}");
    }
    let by_chunks = inspect(store.path(), &["--sort", "chunks"]).expect(0).of_type("array");
    assert_eq!(by_chunks[0]["path"], "/b");
}

#[test]
fn what_recompressing_could_gain_is_the_end() {
    let store = written(&[(".zgroup", GROUP)]);
    for (name, blocksize) in [("one_block", 4 << 20), ("fine", 0)] {
        MakeArray { codec: blosc(Cname::Zstd, 3, blocksize), ..MakeArray::default() }.write(&store.path().join(name));
    }
    let outcome = inspect(store.path(), &["--sizes"]).expect(0);
    let (array, summary) = (outcome.record("array", "/one_block"), outcome.records().pop().unwrap());
    assert_eq!((&array["recompressed_speedup"], &summary["recompress_speedup"]), (&json!(8.0), &json!(8.0)));
    assert_eq!((&summary["recompress_arrays"], &summary["recompress_bytes"]), (&json!(1), &json!(8 << 20)));
    assert_eq!(summary["recompress_stored_bytes"], array["stored_bytes"]);
    let table = inspect(store.path(), &["--format", "table"]).expect(0).stdout;
    let last = "1 array would benefit from recompressing (8.00 MiB decoded): decoding at most 8.0× faster with several \
                threads per chunk; zrecompress --trial measures size and speed";
    assert_eq!(table.lines().last(), Some(last));
    let outcome = inspect(store.path(), &["--var", "fine"]).expect(0);
    assert!(outcome.records().pop().unwrap().get("recompress_arrays").is_none(), "no gain is invented");
}
