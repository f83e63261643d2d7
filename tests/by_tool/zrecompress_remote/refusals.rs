//! What is refused before anything is written.

use harness::{Fault, Kind, fixture, spawn};

use super::{Cloud, OUT, WEATHER, assert_equal, expected, objects, run};

#[test]
fn plain_http_is_not_written() {
    let cloud = Cloud::new(vec![]);
    let url = cloud.server.http_url(OUT);
    for flags in [&[][..], &["--overwrite"], &["--prepare", "--parts", "2"]] {
        let outcome = run(cloud.zrecompress([fixture(WEATHER).to_str().unwrap(), &url]).args(flags)).expect(7);
        assert!(outcome.stderr.contains(&url) && outcome.stderr.contains("hint: "), "{}", outcome.stderr);
    }
    assert!(cloud.server.served().iter().all(|served| served.method == "GET"));
}

#[test]
fn an_output_that_exists_is_left_alone() {
    for number in 0..3 {
        let cloud = Cloud::new(vec![]).with_store("deep.zarr");
        let url = &cloud.urls("deep.zarr")[number];
        for flag in [None, Some("--overwrite")] {
            let tool = cloud.zrecompress([fixture(WEATHER).to_str().unwrap(), url]).args(flag);
            let outcome = run(tool).expect(7);
            assert!(outcome.stderr.contains(url) && outcome.stderr.contains("already exists"), "{}", outcome.stderr);
            let hint = outcome.stderr.lines().find(|line| line.starts_with("hint: ")).unwrap();
            assert!(!hint.contains("--overwrite"), "does not help on an object store: {hint}");
        }
        assert_equal(&cloud.objects(""), &objects_below("deep.zarr"));
        assert!(
            cloud.server.served().iter().all(|served| !served.key.starts_with("deep.zarr/") || is_read(served.kind))
        );
    }
}

/// The objects of a committed store in its bucket.
fn objects_below(store: &str) -> super::Objects {
    objects(&fixture(store)).into_iter().map(|(key, content)| (format!("{store}/{key}"), content)).collect()
}

fn is_read(kind: Kind) -> bool {
    matches!(kind, Kind::Get | Kind::Head)
}

/// Any object, for nobody knows what it is.
#[test]
fn what_is_no_store_is_left_alone_too() {
    let cloud = Cloud::new(vec![]);
    std::fs::create_dir_all(cloud.path("out.zarr/deep")).unwrap();
    std::fs::write(cloud.path("out.zarr/deep/precious"), "x").unwrap();
    for flag in [None, Some("--overwrite")] {
        run(cloud.upload().args(flag)).expect(7);
    }
    assert_eq!(cloud.objects("").into_keys().collect::<Vec<_>>(), ["out.zarr/deep/precious"]);
}

#[test]
fn a_name_that_only_begins_alike_is_another_one() {
    let cloud = Cloud::new(vec![]);
    std::fs::create_dir_all(cloud.path("out.zarr2")).unwrap();
    std::fs::write(cloud.path("out.zarr2/.zgroup"), "{\"zarr_format\": 2}").unwrap();
    run(cloud.upload()).expect(0);
    cloud.assert_whole(&expected());
}

#[test]
fn source_and_output_keep_apart() {
    let cloud = Cloud::new(vec![]).with_store(WEATHER);
    let before = cloud.objects("");
    let source = cloud.s3(WEATHER);
    for target in [source.clone(), format!("{source}/"), format!("{source}/new.zarr"), format!("{source}/u10/new")] {
        for flag in [None, Some("--overwrite")] {
            let outcome = run(cloud.zrecompress([&source, &target]).args(flag));
            assert!([2, 7].contains(&outcome.code), "{target}: {} {}", outcome.code, outcome.stderr);
            assert_equal(&cloud.objects(""), &before);
        }
    }
}

#[test]
fn a_whole_bucket_has_no_place_beside_it() {
    let cloud = Cloud::new(vec![]);
    for url in ["s3://bucket", "gs://bucket/", "az://bucket"] {
        run(cloud.zrecompress([fixture(WEATHER).to_str().unwrap(), url])).expect(2);
    }
    assert!(cloud.server.served().is_empty());
}

/// One run writes while the other one comes; the first goes on undisturbed.
#[test]
fn of_two_runs_the_second_is_refused() {
    let stalled = "out.zarr/u10/9.0.0";
    let cloud = Cloud::new(vec![Fault::IgnoreBody { key_contains: stalled.into() }]);
    let first = cloud.run_until_asked(cloud.upload(), stalled);
    let before = cloud.objects("");
    let outcome = run(cloud.upload()).expect(7);
    assert!(
        outcome.stderr.contains("another run is writing to it") && outcome.stderr.contains("hint: "),
        "{}",
        outcome.stderr
    );
    assert_equal(&cloud.objects(""), &before);
    first.kill();
}

/// Of those that begin at the same instant, one does.
#[test]
fn of_many_runs_at_once_one_writes() {
    let cloud = Cloud::new(vec![]);
    let children: Vec<_> = (0..4).map(|_| spawn(cloud.upload())).collect();
    let codes: Vec<i32> = children.into_iter().map(|child| child.end().code).collect();
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert!(codes.iter().all(|code| [0, 7].contains(code)), "{codes:?}");
    cloud.assert_whole(&expected());
}
