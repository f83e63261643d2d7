//! What is transferred.

use super::*;

/// A group with one array of two chunks of 4 MiB that do not compress.
fn large_chunks(directory: &Path) -> PathBuf {
    let store = directory.join("large.zarr");
    MakeArray { noise_bits: 32, ..MakeArray::default() }.write(&store.join("t2m"));
    fs::write(store.join(".zgroup"), "{\"zarr_format\": 2}").unwrap();
    store
}

#[test]
fn inspecting_reads_headers_and_no_chunks() {
    let directory = tempfile::tempdir().unwrap();
    let store = large_chunks(directory.path());
    for cloud in 0..4 {
        let server = ObjectServer::start(directory.path(), vec![]);
        // A group of a plain server cannot be walked, so there it is the array.
        let name = if cloud == 3 { "large.zarr/t2m" } else { "large.zarr" };
        let outcome = run(zinspect(&server, &everywhere(&server, name)[cloud]).args(["--sample", "2"])).expect(0);
        assert_eq!(outcome.of_type("chunk").len(), 2);
        let chunk_bytes = fs::metadata(store.join("t2m/0")).unwrap().len();
        assert!(chunk_bytes > 4_000_000);
        assert!(server.bytes_sent() < 10_000, "{}: {} bytes", outcome.stdout, server.bytes_sent());
        let heads: Vec<_> = server.served().into_iter().filter(|served| served.status == 206).collect();
        assert!(heads.iter().all(|served| served.bytes == 16), "{heads:?}");
    }
}

#[test]
fn inspecting_reads_indexes_of_shards_and_not_shards() {
    for cloud in 0..3 {
        let server = serve(vec![]);
        run(zinspect(&server, &clouds(&server, "v3-sharded.zarr")[cloud]).args(["--sample", "2"])).expect(0);
        let shards = server.served().into_iter().filter(|served| served.key.contains("/c/") && served.status < 300);
        let whole: Vec<_> = shards.filter(|served| served.range.is_none() && served.bytes > 0).collect();
        assert!(whole.is_empty(), "whole shards were read: {whole:?}");
    }
}

#[test]
fn requests_bound_what_is_under_way() {
    let slow = || serve(vec![Fault::Slow { milliseconds: 20 }]);
    let most_of_zinspect = |requests: &str| {
        let server = slow();
        run(zinspect(&server, &server.s3_url("v2-codecs.zarr")).args(["--requests", requests])).expect(0);
        server.most_at_once()
    };
    assert_eq!(most_of_zinspect("2"), 2);
    assert!(most_of_zinspect("32") > 8);
}

#[test]
fn recompressing_reads_ahead_of_its_workers() {
    let server = serve(vec![Fault::Slow { milliseconds: 20 }]);
    let (_directory, target) = output();
    run(zrecompress(&server, &server.s3_url(WEATHER), &target).args(["-j", "1", "--requests", "8"])).expect(0);
    // Five requests open a hierarchy at once; chunks follow.
    let chunks = server.served().iter().filter(|served| served.key.contains("/u10/")).count();
    assert!(chunks > 20 && server.most_at_once() > 5, "{} at once", server.most_at_once());
}

#[test]
fn credentials_are_sent_when_there_are_any_and_wanted() {
    let secrets =
        [("AWS_ACCESS_KEY_ID", "me"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0")];
    for anonymous in [true, false] {
        let server = serve(vec![]);
        for url in [server.s3_url(WEATHER), server.az_url(WEATHER)] {
            let mut tool = Tool::hermetic("zinspect").args(["--endpoint", &server.endpoint(), &url]);
            tool.0.envs(secrets);
            let tool = if anonymous { tool.arg("--anonymous") } else { tool };
            let outcome = run(tool).expect(0);
            assert!(!outcome.stdout.contains("secret") && !outcome.stderr.contains("secret"));
        }
        assert!(server.served().iter().all(|served| served.signed != anonymous), "anonymous: {anonymous}");
    }
}
