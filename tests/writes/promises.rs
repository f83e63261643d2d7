//! The same promises for a directory and for every cloud.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use harness::Fault;
use zstore::{Object, Store, StoreOptions};

use super::{Bucket, LARGE, bytes, create, get};

/// Runs a check on a directory and on a bucket of every cloud.
fn everywhere(check: impl Fn(&Store)) {
    let directory = tempfile::tempdir().unwrap();
    check(&create(directory.path().join("local.zarr").to_str().unwrap(), &StoreOptions::default()));
    let bucket = Bucket::with(vec![]);
    for url in bucket.clouds() {
        check(&bucket.create(&url));
    }
    assert_eq!(bucket.server.lists(), 0, "nothing is ever listed");
    assert_eq!(bucket.server.unfinished_uploads(), 0);
}

#[test]
fn what_is_written_is_read() {
    everywhere(|store| {
        for content in [&b""[..], b"x", &bytes(100_000)] {
            let stat = store.put("t2m/c/0/0", content).unwrap();
            assert_eq!(get(store, "t2m/c/0/0"), Some((content.to_vec(), stat)), "{}", store.location());
            assert_eq!(store.stat("t2m/c/0/0").unwrap(), Some(stat));
            assert_eq!(stat.size, content.len() as u64);
        }
        assert_eq!(store.stat("t2m/c/0/1").unwrap(), None);
        store.sync().unwrap();
    });
}

#[test]
fn an_object_of_many_parts_is_one_object() {
    let content = bytes(LARGE);
    everywhere(|store| {
        let stat = store.put("large", &content).unwrap();
        assert!(get(store, "large") == Some((content.clone(), stat)), "{}", store.location());
        assert_eq!(store.stat("large").unwrap(), Some(stat));
    });
}

#[test]
fn keys_may_have_spaces_and_signs() {
    everywhere(|store| {
        let key = "2 m temperature/c+d/0=0";
        store.put(key, b"x").unwrap();
        assert_eq!(get(store, key).unwrap().0, b"x", "{}", store.location());
        store.delete(key).unwrap();
        assert_eq!(get(store, key), None);
    });
}

#[test]
fn no_key_leads_out_of_the_store() {
    everywhere(|store| {
        for key in ["", ".", "..", "../out", "a/../../out", "/out", "a//b", "./a", "a/"] {
            assert!(store.put(key, b"x").is_err(), "{} {key:?}", store.location());
            assert!(store.put_new(key, b"x").is_err(), "{} {key:?}", store.location());
            assert!(store.upload(key, 0).is_err(), "{} {key:?}", store.location());
            assert!(store.delete(key).is_err(), "{} {key:?}", store.location());
        }
    });
}

#[test]
fn uploads_fill_their_front_at_the_end() {
    let content = bytes(LARGE);
    everywhere(|store| {
        for (len, piece) in [(0, 1), (10, 3), (8 << 20, 1 << 20), ((8 << 20) - 4, 65_536), (LARGE, 3_000_001)] {
            for reserved in [0, 4] {
                let mut upload = store.upload("shard", reserved).unwrap();
                content[..len].chunks(piece).for_each(|piece| upload.write(piece).unwrap());
                assert_eq!(upload.len(), (reserved + len) as u64);
                let stat = upload.finish(&b"HEAD"[..reserved]).unwrap();
                let expected = [&b"HEAD"[..reserved], &content[..len]].concat();
                let found = get(store, "shard").unwrap();
                assert!(found == (expected, stat), "{} {len} {reserved}", store.location());
            }
        }
    });
}

#[test]
fn room_of_more_than_a_part_can_be_reserved() {
    let (front, rest) = (bytes(9 << 20), bytes(1 << 20));
    everywhere(|store| {
        let mut upload = store.upload("shard", front.len()).unwrap();
        upload.write(&rest).unwrap();
        upload.finish(&front).unwrap();
        assert!(get(store, "shard").unwrap().0 == [&front[..], &rest].concat(), "{}", store.location());
    });
}

#[test]
fn nobody_sees_an_upload_without_its_end() {
    everywhere(|store| {
        let mut upload = store.upload("shard", 0).unwrap();
        upload.write(&bytes(LARGE)).unwrap();
        assert_eq!(store.stat("shard").unwrap(), None);
        drop(upload);
        assert_eq!(store.stat("shard").unwrap(), None);
        let upload = store.upload("shard", 3).unwrap();
        assert!(upload.finish(b"HEAD").is_err(), "more than was reserved");
        assert_eq!(store.stat("shard").unwrap(), None);
    });
}

#[test]
fn of_many_new_objects_one_is_written() {
    everywhere(|store| {
        for round in 0..5 {
            let (key, written) = (format!("locks/{round}"), AtomicUsize::new(0));
            thread::scope(|scope| {
                for number in 0..8_u8 {
                    let (key, written) = (&key, &written);
                    scope.spawn(move || {
                        let new = store.put_new(key, &[number]).unwrap();
                        written.fetch_add(usize::from(new), SeqCst);
                        assert!(!new || get(store, key).unwrap().0 == [number]);
                    });
                }
            });
            assert_eq!(written.into_inner(), 1, "{}", store.location());
        }
    });
}

#[test]
fn what_is_deleted_is_gone() {
    everywhere(|store| {
        store.put("a/b", b"1").unwrap();
        store.put("a/c", b"2").unwrap();
        for _ in 0..2 {
            store.delete("a/b").unwrap();
            assert_eq!(store.stat("a/b").unwrap(), None, "{}", store.location());
        }
        assert_eq!(get(store, "a/c").unwrap().0, b"2");
        assert!(store.put_new("a/b", b"3").unwrap(), "the name is free again");
    });
}

#[test]
fn a_list_says_what_put_said() {
    let bucket = Bucket::with(vec![]);
    for url in bucket.clouds() {
        let store = bucket.create(&url);
        let stats = [store.put("a", b"1").unwrap(), store.put("b/c", &bytes(LARGE)).unwrap()];
        let mut listed: Vec<Object> = store.list("").unwrap().map(Result::unwrap).collect();
        listed.sort();
        assert_eq!(listed.iter().map(|object| object.stat).collect::<Vec<_>>(), stats, "{url}");
    }
}

#[test]
fn a_sibling_is_a_store_of_its_own() {
    let bucket = Bucket::with(vec![]);
    let local = bucket.directory.path().join("local.zarr/");
    let names = bucket.clouds().into_iter().chain([local.to_str().unwrap().to_owned()]);
    for name in names {
        let store = bucket.create(&name);
        let plan = store.location().with_suffix(".plan").unwrap();
        Store::create_at(&plan, &bucket.options()).unwrap().put("done/1", b"x").unwrap();
        let plan = Store::open_at(&plan, &bucket.options()).unwrap();
        assert_eq!(get(&plan, "done/1").unwrap().0, b"x");
        assert_eq!(get(&store, "done/1"), None);
    }
    let expected = ["az", "gs", "local", "s3"].map(|name| format!("{name}.zarr.plan/done/1"));
    assert_eq!(bucket.keys(), expected);
}

#[test]
fn a_file_url_is_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("file://{}/out.zarr", directory.path().display());
    create(&url, &StoreOptions::default()).put("a", b"1").unwrap();
    assert_eq!(fs::read(directory.path().join("out.zarr/a")).unwrap(), b"1");
}

#[test]
fn two_writers_of_one_object_both_finish() {
    let content = bytes(LARGE);
    everywhere(|store| {
        let mut uploads = [0, 1].map(|_| store.upload("shard", 0).unwrap());
        uploads.iter_mut().for_each(|upload| upload.write(&content).unwrap());
        for upload in uploads {
            upload.finish(b"").unwrap();
            assert!(get(store, "shard").unwrap().0 == content, "{}", store.location());
        }
    });
}

/// Between the look at an object and its replacement another may write it: no update is lost.
#[test]
fn of_many_who_replace_what_they_read_one_does() {
    let bucket = Bucket::with(vec![]);
    for url in bucket.clouds() {
        bucket.create(&url).put("count", b"0").unwrap();
        // A count and its writer, so that no two write the same object.
        let count = |store: &Store| {
            let (text, read) = get(store, "count").unwrap();
            (String::from_utf8(text).unwrap().split(' ').next().unwrap().parse::<u64>().unwrap(), read)
        };
        thread::scope(|scope| {
            for writer in 0..4 {
                let (store, count) = (bucket.create(&url), &count);
                scope.spawn(move || {
                    for _ in 0..10 {
                        loop {
                            let (number, read) = count(&store);
                            let text = format!("{} {writer}", number + 1);
                            if store.put_over("count", text.as_bytes(), read).unwrap().is_some() {
                                break;
                            }
                        }
                    }
                });
            }
        });
        assert_eq!(count(&bucket.create(&url)).0, 40, "{url}");
    }
}

/// The answer to a replacement is lost: it is not done twice, and not taken for another's.
#[test]
fn a_replacement_whose_answer_is_lost_is_known() {
    let bucket = Bucket::with(vec![Fault::LoseAnswer { key_contains: "object".into() }]);
    for url in bucket.clouds() {
        let store = bucket.create(&url);
        let read = store.put("object", b"1").unwrap();
        let written = store.put_over("object", b"2", read).unwrap();
        assert_eq!(written, store.stat("object").unwrap(), "{url}");
    }
}
