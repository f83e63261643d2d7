//! The ordered map: order, bounds, errors, stops and panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// Counts items that are started and not yet delivered.
#[derive(Default)]
struct Live {
    now: AtomicU64,
    most: AtomicU64,
}

impl Live {
    fn begin(&self) {
        self.most.fetch_max(1 + self.now.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
    }

    fn end(&self) {
        self.now.fetch_sub(1, Ordering::SeqCst);
    }

    fn most(&self) -> u64 {
        self.most.load(Ordering::SeqCst)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    #[test]
    fn results_keep_the_order(delays in prop::collection::vec(0u64..300, 0..60), workers in 1usize..5, waits: bool, window in 1usize..9) {
        let pool = if waits { Pool::waiting(workers) } else { Pool::new(workers) };
        let (live, mut seen) = (Live::default(), Vec::new());
        let work = |(number, delay)| {
            live.begin();
            thread::sleep(Duration::from_micros(delay));
            number
        };
        let items = delays.iter().copied().enumerate();
        let done: Result<(), ()> = OrderedMap::new(&pool, window).run(items, work, |number| {
            live.end();
            seen.push(number);
            Ok(())
        });
        prop_assert!(done.is_ok() && live.most() <= window as u64);
        prop_assert_eq!(seen, (0..delays.len()).collect::<Vec<_>>());
    }
}

#[test]
fn a_slow_first_item_does_not_let_the_rest_run_away() {
    let (pool, live) = (Pool::waiting(4), Live::default());
    let work = |number| {
        live.begin();
        if number == 0 {
            thread::sleep(Duration::from_millis(30));
        }
    };
    let done: Result<(), ()> = OrderedMap::new(&pool, 7).run(0..100, work, |()| {
        live.end();
        Ok(())
    });
    assert!(done.is_ok() && live.most() == 7, "{}", live.most());
}

#[test]
fn a_million_items_flow_through() {
    struct Held<'a>(u64, &'a Live);
    impl Drop for Held<'_> {
        fn drop(&mut self) {
            self.1.end();
        }
    }
    let (pool, live, mut next) = (Pool::waiting(4), Live::default(), 0);
    let work = |number| {
        live.begin();
        Held(number, &live)
    };
    let done: Result<(), ()> = OrderedMap::new(&pool, 64).run(0..1_000_000u64, work, |held| {
        assert_eq!(held.0, next);
        next += 1;
        Ok(())
    });
    assert!(done.is_ok() && next == 1_000_000 && live.most() <= 65, "{next} {}", live.most());
}

#[test]
fn memory_is_held_until_a_result_is_delivered() {
    for workers in [1, 3] {
        let (pool, memory, live) = (Pool::new(workers), Semaphore::new(10), Live::default());
        let cost = |number: &u64| if *number == 20 { 100 } else { 4 };
        let map = OrderedMap::new(&pool, 50).memory(&memory, &cost);
        let mut seen = 0;
        let done: Result<(), ()> = map.run(
            0..40,
            |_| live.begin(),
            |()| {
                live.end();
                seen += 1;
                Ok(())
            },
        );
        assert!(done.is_ok() && seen == 40 && live.most() <= 2, "two of 4 fit into 10: {}", live.most());
    }
}

#[test]
fn decoders_are_fewer_than_readers() {
    let (pool, processors, live, mut sum) = (Pool::new(6), Semaphore::new(2), Live::default(), 0);
    let decode = |number: u64| {
        live.begin();
        thread::sleep(Duration::from_millis(1));
        live.end();
        number
    };
    let map = OrderedMap::new(&pool, 12);
    let done: Result<(), ()> = map.run_in_two(
        0..40,
        |number| number,
        &processors,
        decode,
        |number| {
            sum += number;
            Ok(())
        },
    );
    assert!(done.is_ok() && sum == 780 && live.most() <= 2);
}

#[test]
fn it_stops_when_it_is_told_to() {
    for workers in [1, 4] {
        let (pool, stop, begun) = (Pool::new(workers), AtomicBool::new(false), AtomicU64::new(0));
        let stopped = || stop.load(Ordering::SeqCst);
        let work = |number: u64| {
            begun.fetch_add(1, Ordering::SeqCst);
            if number == 10 {
                stop.store(true, Ordering::SeqCst);
            }
        };
        let mut delivered = 0;
        let done: Result<(), ()> = OrderedMap::new(&pool, 5).stop(&stopped).run(0.., work, |()| {
            delivered += 1;
            Ok(())
        });
        assert!(done.is_ok() && delivered <= 16, "{delivered}");
        assert!(begun.load(Ordering::SeqCst) <= 16);
    }
}

#[test]
fn it_ends_with_the_first_error() {
    for workers in [1, 4] {
        let pool = Pool::new(workers);
        let mut delivered = 0;
        let done = OrderedMap::new(&pool, 5).run(
            0u64..,
            |number| number,
            |number| {
                delivered += 1;
                if number == 3 { Err("enough") } else { Ok(()) }
            },
        );
        assert_eq!((done, delivered), (Err("enough"), 4));
    }
}

#[test]
fn a_panic_comes_through() {
    for workers in [1, 4] {
        let pool = Pool::new(workers);
        let mut delivered = 0;
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let work = |number: u64| if number == 2 { resume_unwind(Box::new("broken")) } else { number };
            let _: Result<(), ()> = OrderedMap::new(&pool, 5).run(0.., work, |_| {
                delivered += 1;
                Ok(())
            });
        }));
        assert_eq!(caught.expect_err("a panic").downcast_ref::<&str>(), Some(&"broken"));
        assert_eq!(delivered, 2);
    }
}

#[test]
fn maps_may_be_nested() {
    let pool = Pool::new(2);
    let inner = |base: u64| {
        let mut sum = 0;
        let _: Result<(), ()> = OrderedMap::new(&pool, 2).run(
            0..10,
            |n| n + base,
            |n| {
                sum += n;
                Ok(())
            },
        );
        sum
    };
    let mut sums = Vec::new();
    // In the work, and where the results are delivered.
    let _: Result<(), ()> = OrderedMap::new(&pool, 4).run(0..5, inner, |sum| {
        sums.push((sum, inner(0)));
        Ok(())
    });
    assert_eq!(sums, [(45, 45), (55, 45), (65, 45), (75, 45), (85, 45)]);
}
