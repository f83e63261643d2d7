//! What is sent to servers that are well: few requests, and none to those that cannot be written.

use std::ffi::OsStr;
use std::time::Duration;

use harness::{Fault, Kind};
use zstore::{Store, StoreError, StoreOptions};
use zwire::Exit;

use super::{Bucket, LARGE, bytes};

#[test]
fn small_objects_are_one_request() {
    let bucket = Bucket::with(vec![]);
    for (number, url) in bucket.clouds().iter().enumerate() {
        let store = bucket.create(url);
        store.put("a", &bytes(4 << 20)).unwrap();
        let mut upload = store.upload("b", 2).unwrap();
        upload.write(b"xyz").unwrap();
        upload.finish(b"ab").unwrap();
        assert_eq!(bucket.server.served().len(), 2 * (number + 1), "{url}");
    }
    assert_eq!(bucket.server.count(Kind::Put), 6);
}

#[test]
fn an_upload_that_is_given_up_is_aborted() {
    let bucket = Bucket::with(vec![]);
    for url in &bucket.clouds()[..2] {
        let store = bucket.create(url);
        let mut upload = store.upload("shard", 4).unwrap();
        upload.write(&bytes(LARGE)).unwrap();
        drop(upload);
    }
    assert_eq!((bucket.server.count(Kind::Begin), bucket.server.count(Kind::Abort)), (2, 2));
    assert_eq!(bucket.server.unfinished_uploads(), 0);
    assert!(bucket.keys().is_empty());
}

#[test]
fn plain_http_is_refused_before_anything_is_sent() {
    let bucket = Bucket::with(vec![]);
    let url = bucket.server.http_url("out.zarr");
    let error = Store::create(OsStr::new(&url), &bucket.options()).err().unwrap();
    assert!(matches!(error, StoreError::NotWritable { .. }), "{error:?}");
    assert_eq!((error.exit(), error.place()), (Exit::Output, url.as_str()));
    let store = Store::open(OsStr::new(&url), &bucket.options()).unwrap();
    for error in [store.put("a", b"1").err(), store.upload("a", 0).err(), store.delete("a").err()] {
        assert!(matches!(error, Some(StoreError::NotWritable { .. })), "{error:?}");
    }
    assert!(store.put_new("a", b"1").is_err());
    assert!(bucket.server.served().is_empty());
}

#[test]
fn an_upload_holds_few_parts_at_a_time() {
    let bucket = Bucket::with(vec![Fault::Slow { milliseconds: 30 }]);
    // A part that is sent again because the machine is busy would be one more at a time.
    let options = StoreOptions { timeout: Duration::from_secs(60), ..bucket.options() };
    let store = Store::create(OsStr::new(&bucket.server.s3_url("s3.zarr")), &options).unwrap();
    store.put("large", &bytes(4 * LARGE)).unwrap();
    assert_eq!(bucket.server.most_at_once(), 2);
    assert_eq!(bucket.server.count(Kind::Part), 4 * LARGE / (8 << 20) + 1);
}
