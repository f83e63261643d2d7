//! Servers that fail: what passes is tried again, and what stays ends in bounded time, with nothing left behind.

use std::fs;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use harness::{Fault, Kind};
use zstore::{Store, StoreError, StoreOptions};
use zwire::Exit;

use super::{Bucket, LARGE, PATIENCE, bytes, create};

#[track_caller]
fn within<T>(limit: Duration, action: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = action();
    assert!(started.elapsed() < limit, "took {:?}", started.elapsed());
    result
}

/// Writes a small and a large object, by every way there is.
fn write_all(store: &Store) -> Result<(), StoreError> {
    store.put("small", b"x")?;
    store.put("large", &bytes(LARGE))?;
    assert!(store.put_new("new", b"x")?, "{}", store.location());
    store.delete("small")
}

#[test]
fn errors_that_pass_are_tried_again() {
    for status in [503, 500] {
        let bucket = Bucket::with(vec![Fault::FirstTries { status, times: 1 }]);
        for url in bucket.clouds() {
            write_all(&bucket.create(&url)).unwrap();
        }
        assert_eq!(bucket.keys().len(), 6, "{:?}", bucket.keys());
        assert_eq!(bucket.server.unfinished_uploads(), 0);
    }
}

#[test]
fn connections_that_break_are_tried_again() {
    let healthy = Bucket::with(vec![]);
    healthy.clouds().iter().for_each(|url| write_all(&healthy.create(url)).unwrap());
    let fault_free = healthy.server.served().len();
    let faults = [
        Fault::CutBody { key_contains: String::new(), times: 1 },
        // What was asked for was done, and is asked for again.
        Fault::LoseAnswer { key_contains: "small".into() },
        Fault::LoseAnswer { key_contains: "new".into() },
        Fault::LoseAnswer { key_contains: "large".into() },
    ];
    for fault in faults {
        let bucket = Bucket::with(vec![fault.clone()]);
        for url in bucket.clouds() {
            write_all(&bucket.create(&url)).unwrap_or_else(|error| panic!("{url} {fault:?}: {error:?}"));
        }
        assert_eq!(bucket.keys().len(), 6, "{fault:?}: {:?}", bucket.keys());
        assert!(bucket.server.served().len() > fault_free, "{fault:?}: nothing was sent again");
    }
}

#[test]
fn an_old_object_is_not_taken_for_a_new_one() {
    let bucket = Bucket::with(vec![Fault::Complete { status: 500 }]);
    for url in bucket.clouds() {
        let old = bucket.directory.path().join(url.rsplit('/').next().unwrap()).join("large");
        fs::create_dir(old.parent().unwrap()).unwrap();
        fs::write(&old, bytes(LARGE)).unwrap();
        let error = bucket.create(&url).put("large", &vec![1; LARGE]).unwrap_err();
        assert!(matches!(error, StoreError::Network { .. }), "{url}: {error:?}");
        assert!(fs::read(&old).unwrap() == bytes(LARGE), "{url}");
    }
}

#[test]
fn an_object_of_somebody_else_is_not_ours_after_a_lost_answer() {
    let bucket = Bucket::with(vec![Fault::LoseAnswer { key_contains: "lock".into() }]);
    for url in bucket.clouds() {
        let (ours, theirs) = (bucket.create(&url), bucket.create(&url));
        assert!(ours.put_new("lock", b"1").unwrap(), "{url}");
        assert!(!theirs.put_new("lock", b"1").unwrap(), "{url}");
    }
}

/// The errors of the ways to write, on a bucket of every cloud.
fn failures(faults: &[Fault]) -> Vec<StoreError> {
    let mut errors = Vec::new();
    for way in 0..3 {
        let bucket = Bucket::with(faults.to_vec());
        for url in bucket.clouds() {
            let store = bucket.create(&url);
            let error = within(3 * PATIENCE, || match way {
                0 => store.put("key", b"x").err(),
                1 => store.put("key", &bytes(LARGE)).err(),
                _ => store.put_new("key", b"x").err(),
            });
            errors.push(error.unwrap_or_else(|| panic!("{url}: no error, way {way}")));
        }
        assert!(bucket.keys().is_empty(), "{:?}", bucket.keys());
    }
    errors
}

#[test]
fn a_refusal_is_one() {
    for error in failures(&[Fault::Status { key_contains: "key".into(), status: 403 }]) {
        assert!(matches!(error, StoreError::Denied { .. }), "{error:?}");
        assert_eq!(error.exit(), Exit::Refused);
        assert!(error.place().ends_with("/key"), "{}", error.place());
    }
}

#[test]
fn errors_that_stay_are_reported() {
    let mut errors = failures(&[Fault::Status { key_contains: "key".into(), status: 503 }]);
    errors.extend(failures(&[Fault::CutBody { key_contains: "key".into(), times: 99 }]).into_iter().take(6));
    for error in errors {
        assert!(matches!(error, StoreError::Network { .. } | StoreError::TimedOut { .. }), "{error:?}");
        assert_eq!(error.exit(), Exit::Refused);
    }
}

#[test]
fn silence_ends_within_the_time_limit() {
    let key = || "key".to_owned();
    for fault in [Fault::Silence { key_contains: key() }, Fault::IgnoreBody { key_contains: key() }] {
        let bucket = Bucket::with(vec![fault.clone()]);
        for url in bucket.clouds() {
            let store = bucket.create(&url);
            for content in [vec![1; 1 << 20], bytes(LARGE)] {
                let error = within(3 * PATIENCE, || store.put("key", &content)).unwrap_err();
                assert_eq!(error.exit(), Exit::Refused, "{fault:?} {error:?}");
            }
        }
    }
}

#[test]
fn a_part_that_fails_ends_its_upload() {
    // The second part, by its name in the query of S3 and Google Cloud Storage.
    let bucket = Bucket::with(vec![Fault::Part { number: 2, status: 403 }]);
    for url in &bucket.clouds()[..2] {
        let error = bucket.create(url).put("large", &bytes(LARGE)).unwrap_err();
        assert!(matches!(error, StoreError::Denied { .. }), "{error:?}");
    }
    assert_eq!((bucket.server.unfinished_uploads(), bucket.server.count(Kind::Abort)), (0, 2));
    assert!(bucket.keys().is_empty());
}

#[test]
fn a_process_that_is_asked_to_stop_stops() {
    let bucket = Bucket::with(vec![Fault::Silence { key_contains: "key".into() }]);
    let options = StoreOptions { timeout: Duration::from_secs(60), ..bucket.options() };
    let store = create(&bucket.server.s3_url("s3.zarr"), &options);
    let stop = &options.stop;
    thread::scope(|scope| {
        let writing = scope.spawn(|| within(PATIENCE, || store.put("key", b"x")));
        thread::sleep(Duration::from_millis(300));
        stop.store(15, SeqCst);
        assert!(matches!(writing.join().unwrap(), Err(StoreError::Stopped { .. })));
    });
}

#[test]
fn an_upload_in_progress_is_aborted_when_the_process_is_asked_to_stop() {
    let bucket = Bucket::with(vec![]);
    let options = bucket.options();
    let store = create(&bucket.server.s3_url("s3.zarr"), &options);
    let mut upload = store.upload("key", 4).unwrap();
    upload.write(&bytes(LARGE)).unwrap();
    options.stop.store(15, SeqCst);
    assert!(upload.finish(b"HEAD").is_err());
    assert_eq!(bucket.server.unfinished_uploads(), 0);
    assert!(bucket.keys().is_empty());
}
