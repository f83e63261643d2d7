//! The same objects, wherever they are read and written.

use std::path::Path;

use harness::{Kind, fixture};

use super::{CHUNKS, Cloud, OUT, WEATHER, assert_equal, is_metadata, local, objects, on_every_cloud, run};

const STORES: [&str; 4] = [WEATHER, "v2-layout.zarr", "v3-dtypes.zarr", "v3-sharded.zarr"];

const FLAGS: [&str; 3] = ["--cname", "lz4", "--copy-unknown"];

#[test]
fn every_cloud_gets_what_a_local_output_has() {
    for store in STORES {
        let expected = local(&fixture(store), &FLAGS);
        on_every_cloud(|number| {
            let cloud = Cloud::new(vec![]);
            let url = &cloud.urls(OUT)[number];
            let outcome = run(cloud.zrecompress([fixture(store).to_str().unwrap(), url]).args(FLAGS)).expect(0);
            assert_eq!(outcome.records().pop().unwrap()["failed"], 0, "{url}");
            cloud.assert_whole(&expected);
            assert_metadata_is_last(&cloud);
        });
    }
}

/// Chunks, then the metadata of the nodes, then that of the root.
#[track_caller]
fn assert_metadata_is_last(cloud: &Cloud) {
    let rank = |key: &String| if is_metadata(key) { 1 + u8::from(!key.contains('/')) } else { 0 };
    let written = cloud.written_to(OUT);
    assert!(written.iter().map(rank).is_sorted(), "{written:?}");
    assert!(written.last().is_some_and(|key| is_metadata(key)));
    let distinct: std::collections::BTreeSet<_> = written.iter().collect();
    assert_eq!(distinct.len(), written.len(), "nothing is written twice");
}

/// What there is to know of an output is known; only whether anything is there must be asked, and the plan's folder is its own.
#[test]
fn the_output_is_not_listed() {
    let cloud = Cloud::new(vec![]);
    run(cloud.upload()).expect(0);
    let of_output = cloud.listed().into_iter().filter(|prefix| !prefix.starts_with("out.zarr.plan/")).count();
    assert_eq!(of_output, 1, "{:?}", cloud.listed());
}

#[test]
fn a_remote_source_is_as_good() {
    let expected = local(&fixture(WEATHER), &FLAGS);
    for number in 0..3 {
        let cloud = Cloud::new(vec![]).with_store(WEATHER);
        let (from, to) = (&cloud.urls(WEATHER)[number], &cloud.urls(OUT)[(number + 1) % 3]);
        run(cloud.zrecompress([from, to]).args(FLAGS)).expect(0);
        cloud.assert_whole(&expected);
        assert_equal(&cloud.objects(WEATHER), &objects(&fixture(WEATHER)));
    }
}

#[test]
fn a_remote_source_has_local_outputs() {
    let cloud = Cloud::new(vec![]).with_store(WEATHER);
    let expected = local(&fixture(WEATHER), &FLAGS);
    for url in [cloud.s3(WEATHER), cloud.server.http_url(WEATHER)] {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join(OUT);
        run(cloud.zrecompress([&url, target.to_str().unwrap()]).args(FLAGS)).expect(0);
        assert_equal(&objects(&target), &expected);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}

/// A server that cannot list, and one that is not read.
#[test]
fn plain_http_to_a_bucket() {
    let cloud = Cloud::new(vec![]).with_store(WEATHER);
    run(cloud.zrecompress([cloud.server.http_url(WEATHER), cloud.s3(OUT)]).args(FLAGS)).expect(0);
    cloud.assert_whole(&local(&fixture(WEATHER), &FLAGS));
    assert!(cloud.listed().iter().all(|prefix| prefix.starts_with("out.zarr")), "{:?}", cloud.listed());
}

#[test]
fn other_codecs_and_the_other_format() {
    for flags in [&["--zarr-format", "3"][..], &["--codec", "zstd"], &["--codec", "none"]] {
        let cloud = Cloud::new(vec![]);
        run(cloud.zrecompress([fixture(WEATHER).to_str().unwrap(), &cloud.s3(OUT)]).args(flags)).expect(0);
        cloud.assert_whole(&local(&fixture(WEATHER), flags));
        assert_metadata_is_last(&cloud);
    }
}

#[test]
fn a_plan_and_a_trial_write_nothing() {
    let cloud = Cloud::new(vec![]).with_store(WEATHER);
    let before = cloud.objects("");
    let outcome = run(cloud.zrecompress([cloud.s3(WEATHER), cloud.s3(OUT)]).arg("--dry-run")).expect(0);
    assert_eq!(outcome.of_type("plan").len(), 7);
    let trial = ["--trial", "--var", "t2m", "--cname", "lz4"];
    let outcome = run(cloud.zrecompress([cloud.s3(WEATHER)]).args(trial)).expect(0);
    assert!(!outcome.of_type("trial").is_empty(), "{}", outcome.stdout);
    assert_equal(&cloud.objects(""), &before);
    assert!(cloud.server.served().iter().all(|served| matches!(served.kind, Kind::Get | Kind::Head | Kind::List)));
}

#[test]
fn remote_stores_by_the_line() {
    let cloud = Cloud::new(vec![]).with_store(WEATHER).with_store("v3-sharded.zarr");
    let directory = tempfile::tempdir().unwrap();
    let (list, outputs) = (directory.path().join("stores"), directory.path().join("fixed"));
    let record = format!("{{\"type\":\"array\",\"store\":\"{}\",\"path\":\"/t2m\"}}", cloud.s3(WEATHER));
    std::fs::write(&list, format!("{record}\n{}\n", cloud.server.gs_url("v3-sharded.zarr"))).unwrap();
    let arguments = ["--stores-from", list.to_str().unwrap(), "--out-dir", outputs.to_str().unwrap()];
    run(cloud.zrecompress(arguments).args(FLAGS)).expect(0);
    let of = |store: &str| objects(&outputs.join(store));
    assert_equal(&of(WEATHER), &local(&fixture(WEATHER), &[&FLAGS[..], &["--var", "/t2m"]].concat()));
    assert_equal(&of("v3-sharded.zarr"), &local(&fixture("v3-sharded.zarr"), &FLAGS));
    assert_eq!(cloud.written(), [""; 0]);
}

/// Each request costs a round trip: writes wait together, as reads do.
#[test]
fn writes_are_under_way_together() {
    let cloud = Cloud::new(vec![harness::Fault::Slow { milliseconds: 20 }]);
    run(cloud.upload().args(["--verify", "none"])).expect(0);
    assert!(cloud.server.most_at_once() > 8, "{} at once, of {CHUNKS} chunks", cloud.server.most_at_once());
}

/// Others can read it: by the tool that looks at stores.
#[test]
fn the_output_can_be_opened() {
    let cloud = Cloud::new(vec![]);
    run(cloud.upload()).expect(0);
    let inspect = harness::Tool::hermetic("zinspect").args(["--anonymous", "--endpoint", &cloud.server.endpoint()]);
    let outcome = run(inspect.args(["--check-consolidated", "--sizes"]).arg(cloud.s3(OUT))).expect(0);
    assert_eq!(outcome.of_type("array").len(), 7);
    assert_eq!(outcome.record("array", "/u10")["codec"], "blosc(lz4,3,shuffle)");
    assert!(Path::new(&cloud.path(OUT)).join(".zmetadata").exists());
}
