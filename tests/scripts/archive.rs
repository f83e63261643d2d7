//! Batches of an archive, as small as they can be: maps along `file_id`, whose values follow from it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

/// The `file_id`s of 22 batches: 95 values, of which 69 are unique.
pub fn seed_batches() -> Vec<Vec<i64>> {
    let mut batches = vec![vec![0, 1, 2, 3], vec![0, 1, 2, 3], vec![4, 5, 6]];
    let mut next = 7;
    for number in 0..19 {
        let (new, old) = (if number < 5 { 4 } else { 3 }, if number < 3 { 2 } else { 1 });
        batches.push((next - old..next + new).collect());
        next += new;
    }
    assert_eq!((batches.iter().map(Vec::len).sum::<usize>(), next), (95, 69));
    batches
}

/// Writes a batch with the variables `names` on a grid of 8 × 10 cells, in four chunks a map.
pub fn write_batch(store: &Path, ids: &[i64], names: &[&str]) {
    write_array(store, "file_id", "<i8", &[ids.len()], &[ids.len()], &["file_id"]);
    fs::write(store.join("file_id/0"), ids.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    for (name, units, first, count) in [("latitude", "degrees_north", 60.0, 8), ("longitude", "degrees_east", -5.0, 10)]
    {
        write_array(store, name, "<f8", &[count], &[count], &[name]);
        let attributes = json!({"_ARRAY_DIMENSIONS": [name], "units": units});
        fs::write(store.join(name).join(".zattrs"), attributes.to_string()).unwrap();
        let step = if name == "latitude" { -1.0 } else { 1.0 };
        let values = (0..count).flat_map(|index| (first + step * index as f64).to_le_bytes());
        fs::write(store.join(name).join("0"), values.collect::<Vec<u8>>()).unwrap();
    }
    for (number, name) in names.iter().enumerate() {
        write_array(store, name, "<f4", &[ids.len(), 8, 10], &[1, 4, 5], &["file_id", "latitude", "longitude"]);
        for (index, id) in ids.iter().enumerate() {
            for chunk in 0..4 {
                let value = |cell: i64| (id * 1000 + chunk * 100 + cell + number as i64) as f32;
                let bytes: Vec<u8> = (0..20).flat_map(|cell| value(cell).to_le_bytes()).collect();
                fs::write(store.join(name).join(format!("{index}.{}.{}", chunk / 2, chunk % 2)), bytes).unwrap();
            }
        }
    }
    fs::write(store.join(".zgroup"), r#"{"zarr_format": 2}"#).unwrap();
}

/// Batches `batch_00.zarr` and so on in a directory.
pub fn write_batches(directory: &Path, batches: &[Vec<i64>], names: &[&str]) -> Vec<PathBuf> {
    let path = |number| directory.join(format!("batch_{number:02}.zarr"));
    for (number, ids) in batches.iter().enumerate() {
        write_batch(&path(number), ids, names);
    }
    (0..batches.len()).map(path).collect()
}

/// Writes the metadata of an array without a compressor.
pub fn write_array(store: &Path, name: &str, dtype: &str, shape: &[usize], chunks: &[usize], dimensions: &[&str]) {
    fs::create_dir_all(store.join(name)).unwrap();
    let metadata = json!({
        "zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": dtype, "fill_value": null, "order": "C",
        "filters": null, "compressor": null,
    });
    fs::write(store.join(name).join(".zarray"), metadata.to_string()).unwrap();
    let attributes = json!({"_ARRAY_DIMENSIONS": dimensions});
    fs::write(store.join(name).join(".zattrs"), attributes.to_string()).unwrap();
}
