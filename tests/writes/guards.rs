//! Stores that are written only while a lock is held: what begins without it is not sent, and what is under way is not repeated.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use harness::{Fault, Kind};
use zstore::{Guard, Store, StoreError};

use super::{Bucket, LARGE, PATIENCE, bytes};

/// A lock that holds for so many looks at it, and then once more after each check until it is lost.
struct Lock {
    looks: AtomicUsize,
    checks: AtomicUsize,
    /// The check that finds it lost.
    lost_at: usize,
}

impl Lock {
    fn new(looks: usize, lost_at: usize) -> Arc<Lock> {
        Arc::new(Lock { looks: looks.into(), checks: 0.into(), lost_at })
    }
}

impl Guard for Lock {
    fn check(&self) -> Result<(), StoreError> {
        if self.checks.fetch_add(1, SeqCst) + 1 >= self.lost_at {
            return Err(StoreError::LockLost { place: "out.zarr".into() });
        }
        if self.checks.load(SeqCst) > 1 {
            self.looks.store(usize::MAX, SeqCst);
        }
        Ok(())
    }

    fn holds(&self) -> bool {
        self.looks.fetch_update(SeqCst, SeqCst, |left| Some(left.saturating_sub(1))).is_ok_and(|left| left > 0)
    }
}

type Way = fn(&Store) -> Result<(), StoreError>;

/// Every way to write.
const WAYS: [Way; 5] = [
    |store| store.put("key", b"x").map(drop),
    |store| store.put("key", &bytes(LARGE)).map(drop),
    |store| store.put_new("key", b"x").map(drop),
    |store| store.delete("key"),
    |store| {
        let mut upload = store.upload("key", 2)?;
        upload.write(b"x")?;
        upload.finish(b"ab").map(drop)
    },
];

#[test]
fn without_the_lock_nothing_is_sent() {
    let bucket = Bucket::with(vec![]);
    for url in bucket.clouds() {
        for (number, way) in WAYS.iter().enumerate() {
            let error = way(&bucket.create(&url).into_guarded(Lock::new(0, 1))).unwrap_err();
            assert!(matches!(error, StoreError::LockLost { .. }), "{url} {number}: {error:?}");
        }
        let read = bucket.create(&url).put("old", b"x").unwrap();
        let over = bucket.create(&url).into_guarded(Lock::new(0, 1)).put_over("old", b"y", read);
        assert!(matches!(over, Err(StoreError::LockLost { .. })), "{url}: {over:?}");
    }
    assert_eq!(bucket.server.served().len(), 3, "{:?}", bucket.server.served());
}

/// A process that was stopped in the middle of a request goes on where it was.
#[test]
fn what_is_under_way_is_not_repeated_without_the_lock() {
    for url in 0..3 {
        let bucket = Bucket::with(vec![Fault::Status { key_contains: "key".into(), status: 503 }]);
        let store = bucket.create(&bucket.clouds()[url]).into_guarded(Lock::new(4, 2));
        let began = Instant::now();
        let error = store.put("key", b"x").unwrap_err();
        assert!(matches!(error, StoreError::LockLost { .. }), "{error:?}");
        assert!(began.elapsed() < PATIENCE / 2, "no more tries");
        // What had been sent when the lock was lost arrives.
        std::thread::sleep(Duration::from_millis(100));
        let sent = bucket.server.count(Kind::Put);
        std::thread::sleep(Duration::from_millis(600));
        assert_eq!(bucket.server.count(Kind::Put), sent);
    }
}

#[test]
fn a_request_goes_on_once_the_lock_is_renewed() {
    for url in 0..3 {
        let bucket = Bucket::with(vec![Fault::Slow { milliseconds: 200 }]);
        let lock = Lock::new(1, usize::MAX);
        let store = bucket.create(&bucket.clouds()[url]).into_guarded(lock.clone());
        store.put("key", b"x").unwrap();
        assert!(lock.checks.load(SeqCst) > 1, "it was checked in between");
        assert_eq!((bucket.server.count(Kind::Put), bucket.keys().len()), (1, 1));
    }
}
