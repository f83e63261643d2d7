//! A comparison with a store that has only the chunks of a selection: what was not compared is not equal.

use std::path::PathBuf;

use harness::{Outcome, Tool};

use crate::made::{Data, FORMATS, Format, Made, Scene, arrays};

/// The first twelve of fifty hours of a store.
fn mirror(source: &Scene) -> PathBuf {
    let mirror = source.directory.path().join("mirror.zarr");
    let fetch = Tool::new("zfetch").arg(source.store()).arg("--to").arg(&mirror).args(["--layout", "mirror"]);
    fetch.args(["--isel", "time=0:12"]).run().expect(0);
    mirror
}

fn against(ours: &PathBuf, theirs: &PathBuf, flags: &[&str]) -> Outcome {
    Tool::new("zvalidate").arg(ours).arg("--against").arg(theirs).args(["--var", "t2m"]).args(flags).run()
}

#[test]
fn a_mirror_is_not_equal_to_its_source() {
    for format in FORMATS {
        let source = Scene::sound(format);
        let (ours, mirror) = (source.store(), mirror(&source));
        // Chunks of six hours by two; shards of four chunks along the time, which have all of the latitudes.
        let (compared, objects, skipped) = if format == Format::Sharded { (8, 1, 10) } else { (4, 4, 14) };
        let outcome = against(&ours, &mirror, &["--json"]).expect(3);
        let record = outcome.record("compare", "/t2m");
        assert_eq!((&record["result"], &record["chunks_skipped"]), (&"partly_compared".into(), &skipped.into()));
        assert_eq!(record["chunks_identical"], compared, "{record}");
        assert_eq!(outcome.summary()["chunks_skipped"], skipped);
        let errors = outcome.of_type("error");
        let says = format!("{skipped} of 18 chunks not compared");
        assert!(errors.len() == 1 && errors[0]["error"].as_str().unwrap().starts_with(&says), "{errors:?}");
        let combined = against(&ours, &mirror, &["--json", "--combined", "-"]).expect(3).stdout;
        let signs = |sign: &str| combined.lines().filter(|line| line.starts_with(sign)).count();
        assert_eq!(signs("= "), objects, "{combined}");
        assert_eq!(signs("! "), combined.lines().count() - objects, "{combined}");
        let table = against(&ours, &mirror, &["--format", "table"]).expect(3).stdout;
        assert!(table.contains(&format!("partly compared, {skipped} chunks not fetched")), "{table}");
        assert!(!table.contains("equal\n") && !table.contains("are equal"), "{table}");
        // Of the mirror, all that it has was compared.
        let back = against(&mirror, &ours, &["--json"]).expect(0);
        assert_eq!(back.record("compare", "/t2m")["result"], "partly_compared");
        let table = against(&mirror, &ours, &["--format", "table"]).expect(0).stdout;
        let says = format!("no differences in what was compared; {skipped} chunks not fetched");
        assert!(table.contains(&says) && !table.contains("are equal"), "{table}");
    }
}

/// Other chunks: what reaches into a chunk that was not fetched is unknown.
#[test]
fn other_chunks_are_compared_where_both_are_there() {
    let source = Scene::sound(Format::V2);
    let mirror = mirror(&source);
    let other = |array: Made| if array.dims.len() == 3 { Made { chunk: vec![5, 11, 4], ..array } } else { array };
    let ours = Scene::of(Format::V3, arrays().into_iter().map(other).collect());
    let outcome = against(&ours.store(), &mirror, &["--json"]).expect(3);
    let record = outcome.record("compare", "/t2m");
    assert!(["partly_compared", "not_compared"].iter().any(|result| record["result"] == *result), "{record}");
    assert!(record["chunks_skipped"].as_u64().unwrap() >= 16, "{record}");
    // A difference in what was compared is one.
    source.set("t2m", |index, value| *value += if index == [3, 3, 3] { 1.0 } else { 0.0 });
    let outcome = against(&source.store(), &mirror, &["--json"]).expect(1);
    assert_eq!(outcome.record("compare", "/t2m")["result"], "different");
    assert_eq!(outcome.of_type("error").len(), 1, "{}", outcome.stdout);
}

#[test]
fn one_value_differs() {
    let one = |hour| {
        let data = Data::I64(vec![hour]);
        Scene::of(Format::V3, vec![Made { shape: vec![1], chunk: vec![1], data, ..arrays().remove(0) }])
    };
    let (ours, theirs) = (one(0), one(1));
    let outcome = Tool::new("zvalidate").arg("--json").arg(ours.store()).arg("--against").arg(theirs.store()).run();
    let found = outcome.expect(1).of_type("finding");
    assert!(found[0]["found"].as_str().unwrap().starts_with("1 of 1 value differs, in 1 chunk"), "{found:?}");
}
