//! Zip archives as stores: they read as the directory that was packed, and what is wrong with one is said by name.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

use harness::{Fault, Kind, ObjectServer, Outcome, Tool, Zip, copy_tree, fixture, patch, tree};
use tempfile::TempDir;
use zstore::{ByteRange, Location, Store, StoreError, StoreOptions};

const WEATHER: &str = "weather-v2.zarr";

fn options() -> StoreOptions {
    StoreOptions { anonymous: true, memory: 64 << 20, ..StoreOptions::default() }
}

/// A directory with an archive in it.
fn archive(bytes: &[u8]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.zarr.zip");
    fs::write(&path, bytes).unwrap();
    (directory, path)
}

fn open(bytes: &[u8]) -> Result<Store, StoreError> {
    let (_directory, path) = archive(bytes);
    // The file is open, and its name is no longer needed.
    Store::open(path.as_path(), &options())
}

fn get(store: &Store, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let mut buffer = Vec::new();
    Ok(store.get(key, &mut buffer)?.map(|_| buffer))
}

fn noise(len: usize) -> Vec<u8> {
    let step = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some((*state >> 24) as u8)
    };
    std::iter::repeat_n((), len).scan(7_u32, |state, ()| step(state)).collect()
}

// ---- Sound archives

/// Every key and every kind of read gives what the directory gives.
#[track_caller]
fn assert_same(zip: &Store, directory: &Path) {
    let expected = Store::open(directory, &options()).unwrap();
    let keys = |store: &Store| {
        let mut keys: Vec<_> =
            store.list("").unwrap().map(|object| object.unwrap()).map(|o| (o.key, o.stat.size)).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(zip), keys(&expected));
    for (key, size) in keys(&expected) {
        let whole = get(&expected, &key).unwrap().unwrap();
        let (third, mut buffer) = (size / 3, Vec::new());
        let last = zip.get_range(&key, ByteRange::Last { len: third }, &mut buffer).unwrap().unwrap();
        assert_eq!(buffer, whole[(size - third) as usize..], "{key}");
        assert_eq!(zip.stat(&key).unwrap(), Some(last));
        zip.get_ranges(&key, &[third..third + 5, size - third..size + 9], &mut buffer).unwrap();
        let end = (third + 5).min(size) as usize;
        assert!(buffer == [&whole[third as usize..end], &whole[(size - third) as usize..]].concat(), "{key}");
        assert!(get(zip, &key).unwrap().unwrap() == whole, "{key}");
    }
    for prefix in ["", "t2m", "nothing"] {
        let names = |store: &Store| {
            store.entries(prefix).map(|entries| (entries.directories, entries.files)).unwrap_or_default()
        };
        assert_eq!(names(zip), names(&expected), "{prefix}");
    }
    assert_eq!(get(zip, "nothing/0").unwrap(), None);
}

#[test]
fn an_archive_reads_as_the_directory() {
    let root = fixture(WEATHER);
    for (top, deflate, zip64, extra) in
        [("", false, false, 0), ("", true, false, 28), ("top.zarr/", false, true, 0), ("top.zarr/", true, true, 300)]
    {
        let mut zip = Zip::with_headers(zip64, Vec::new());
        for (number, (name, content)) in tree(&root).into_iter().filter(|(name, _)| !name.ends_with('/')).enumerate() {
            zip.extra = vec![0; if number % 3 == 0 { extra } else { 0 }];
            zip.add(&format!("{top}{name}"), &content, deflate);
        }
        let bytes = zip.finish();
        assert_same(&open(&bytes).unwrap(), &root);
        // Something before an archive is no part of it.
        assert_same(&open(&[b"#!/bin/sh\n".as_slice(), &bytes].concat()).unwrap(), &root);
    }
}

#[test]
fn the_root_is_found_or_named() {
    let root = fixture(WEATHER);
    let two = tree(&root).into_iter().filter(|(name, _)| !name.ends_with('/'));
    let zip = two.fold(Zip::of(&root, "a/b.zarr/", false), |zip, (name, content)| {
        zip.with(&format!("c.zarr/{name}"), &content, true)
    });
    let (directory, path) = archive(&zip.with("README", b"two", false).finish());
    let name = |inner: &str| format!("{}|zip:{inner}", path.display());
    assert_same(&Store::open(path.as_path(), &options()).unwrap(), &root);
    assert_same(&Store::open(name("a/b.zarr"), &options()).unwrap(), &root);
    assert_same(&Store::open(name("/c.zarr/|zarr2:"), &options()).unwrap(), &root);
    let absent = Store::open(name("b.zarr"), &options()).err().unwrap();
    assert!(matches!(absent, StoreError::Absent { .. }), "{absent}");
    // What an archive is called does not matter where it is one; a directory may be called like one.
    fs::rename(&path, directory.path().join("x.zarr")).unwrap();
    assert_same(&Store::open(directory.path().join("x.zarr"), &options()).unwrap(), &root);
    copy_tree(&root, &directory.path().join("d.zip"));
    assert_same(&Store::open(directory.path().join("d.zip"), &options()).unwrap(), &root);
}

#[test]
fn of_entries_with_one_name_the_last_counts() {
    let zip = Zip::default().with(".zgroup", b"old", false).with("a/b", b"x", false).with(".zgroup", b"newer", true);
    let store = open(&zip.finish()).unwrap();
    assert_eq!(get(&store, ".zgroup").unwrap().unwrap(), b"newer");
    assert_eq!(store.list("").unwrap().count(), 2);
}

#[test]
fn archives_are_not_written() {
    let store = open(&Zip::default().with(".zgroup", b"{}", false).finish()).unwrap();
    assert!(matches!(store.put("a", b""), Err(StoreError::NotWritable { .. })));
    assert!(store.put_new("a", b"").is_err() && store.delete(".zgroup").is_err() && store.upload("a", 0).is_err());
    for name in ["out.zip", "s3://bucket/out.OZX", "x|zip:"] {
        assert!(matches!(Store::create(name, &options()), Err(StoreError::NotWritable { .. })), "{name}");
        assert!(matches!(Location::output(name), Err(StoreError::NotWritable { .. })), "{name}");
    }
}

// ---- Archives with something wrong

fn two() -> Vec<u8> {
    Zip::default().with("t2m/0.0", &noise(1000), false).with("t2m/0.1", &[7; 1000], true).finish()
}

#[test]
fn damage_is_refused_by_name() {
    let end = |offset, bytes: &[u8]| patch(two(), Zip::END, 0, offset, bytes);
    let central = |number, offset, bytes: &[u8]| patch(two(), Zip::CENTRAL, number, offset, bytes);
    let named = |name: &str| Zip::default().with(name, b"x", false).finish();
    for (archive, what) in [
        (b"".to_vec(), "no end record"),
        (vec![b'P'; 21], "no end record"),
        (vec![0; 200_000], "no end record"),
        (two()[..two().len() - 1].to_vec(), "no end record"),
        ([two(), vec![0]].concat(), "no end record"),
        (end(4, &[1]), "several disks"),
        (end(8, &[1]), "several disks"),
        (end(8, &[1, 0, 1, 0]), "2 of 1 entries"),
        (end(8, &[9, 9, 9, 9]), "too few for"),
        (end(12, &[255, 255]), "longer than the archive"),
        (end(16, &[255, 255]), "not where it should be"),
        (central(0, 0, b"XX"), "does not start where it should"),
        (central(1, 34, &[1]), "several disks"),
        (central(1, 24, &[255; 4]), "t2m/0.1\": its zip64 field"),
        (central(1, 42, &[0; 4]), "it overlaps another"),
        (central(1, 42, &[255, 255]), "t2m/0.1\": it reaches into"),
        (central(0, 24, &[1]), "t2m/0.0\": 769 bytes cannot come from 1000"),
        (central(1, 24, &[255, 255, 255, 127]), "t2m/0.1\": 2147483647 bytes cannot come from"),
        (named("/etc/passwd"), "absolute path"),
        (named("../x"), "leads out"),
        (named("a/../../x"), "leads out"),
        (named("a\\..\\x"), "backslash"),
        (named("a\0b"), "zero byte"),
        (named("a//b"), "empty parts"),
        (named("./a"), "empty parts or dots"),
    ] {
        let error = open(&archive).err().unwrap_or_else(|| panic!("{what}"));
        assert!(matches!(error, StoreError::Archive { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(what) && text.contains("x.zarr.zip"), "{what}: {text}");
        assert_eq!(error.exit(), zwire::Exit::Unreadable);
    }
}

/// What the end record says of the central directory leads out of the archive.
#[test]
fn a_directory_beyond_the_end_is_refused() {
    const END64: &[u8; 4] = b"PK\x06\x06";
    let wide = || Zip::with_headers(true, Vec::new()).with(".zgroup", b"{}", false).finish();
    let mut archives = Vec::new();
    for number in [1_u32 << 20, u32::MAX - 1] {
        for offset in [12, 16] {
            archives.push(patch(two(), Zip::END, 0, offset, &number.to_le_bytes()));
        }
    }
    for number in [1_u64 << 20, u64::MAX / 2, u64::MAX] {
        for offset in [40, 48] {
            archives.push(patch(wide(), END64, 0, offset, &number.to_le_bytes()));
        }
        // Where the zip64 end record is, it is found all the same: right before its locator.
        open(&patch(wide(), b"PK\x06\x07", 0, 8, &number.to_le_bytes())).map(drop).unwrap();
    }
    for archive in archives {
        let error = open(&archive).map(drop).unwrap_err();
        assert!(matches!(error, StoreError::Archive { .. }), "{error:?}");
        assert!(error.to_string().contains("the central directory"), "{error}");
    }
}

/// Parts of a compressed entry are read many times, and it is inflated once; the memory for that is bounded.
#[test]
fn an_inflated_entry_is_kept_while_there_is_room() {
    let bytes = noise(1 << 20);
    let archive = Zip::default().with(".zgroup", b"{}", false).with("big", &bytes, true).with("pad", &bytes, false);
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("x.zarr.zip"), archive.finish()).unwrap();
    let server = ObjectServer::start(directory.path(), vec![]);
    let part = |store: &Store, start: u64| {
        let mut buffer = Vec::new();
        store.get_range("big", ByteRange::At { start, len: 1000 }, &mut buffer).unwrap();
        assert!(buffer == bytes[start as usize..start as usize + 1000]);
    };
    for (memory, reads) in [(64 << 20, 1), (3 << 20, 10)] {
        let options = StoreOptions { memory, ..options() };
        let store = Store::open(server.http_url("x.zarr.zip"), &options).unwrap();
        part(&store, 0);
        let before = server.count(Kind::Get);
        (1..10).for_each(|number| part(&store, number * 100_000));
        assert_eq!(server.count(Kind::Get) - before, reads - 1, "{memory}");
    }
}

/// Every read would fetch the whole archive: it is fetched once, or refused with its size.
#[test]
fn a_server_without_ranges_is_asked_once_or_refused() {
    let padding = noise(1 << 20);
    let (directory, path) = archive(&Zip::of(&fixture(WEATHER), "in/", false).with("pad", &padding, false).finish());
    let size = fs::metadata(&path).unwrap().len();
    let server = ObjectServer::start(directory.path(), vec![Fault::NoRanges]);
    let url = server.http_url("x.zarr.zip");
    let store = Store::open(url.as_str(), &options()).unwrap();
    assert_same(&store, &fixture(WEATHER));
    assert!(server.bytes_sent() <= 4 * size, "{} of {size}", server.bytes_sent());
    let before = server.bytes_sent();
    let error = Store::open(url.as_str(), &StoreOptions { memory: size, ..options() }).map(drop).unwrap_err();
    assert!(matches!(error, StoreError::NoRanges { .. }), "{error:?}");
    assert!(server.bytes_sent() - before <= 2 * size, "{}", server.bytes_sent() - before);
    let out = directory.path().join("out.zarr").display().to_string();
    let refused = Tool::hermetic("zrecompress").args(["--max-memory", "1M", &url, &out]).run().expect(6);
    assert!(refused.stderr.contains("does not support range requests"), "{}", refused.stderr);
    assert!(refused.stderr.contains("download it"), "{}", refused.stderr);
}

#[test]
fn a_damaged_entry_does_not_stop_the_others() {
    for (archive, key, what) in [
        (patch(patch(two(), Zip::CENTRAL, 0, 8, &[1]), Zip::LOCAL, 0, 6, &[1]), "t2m/0.0", "encrypted"),
        (
            patch(patch(two(), Zip::CENTRAL, 0, 10, &[12]), Zip::LOCAL, 0, 8, &[12]),
            "t2m/0.0",
            "method that is not supported",
        ),
        (patch(two(), Zip::LOCAL, 0, 0, b"XX"), "t2m/0.0", "local header differs"),
        (patch(two(), Zip::LOCAL, 0, 30, b"u"), "t2m/0.0", "local header differs"),
        (patch(two(), Zip::LOCAL, 0, 18, &[1]), "t2m/0.0", "local header differs"),
        (patch(two(), Zip::LOCAL, 0, 40, b"?"), "t2m/0.0", "checksum"),
        (patch(patch(two(), Zip::CENTRAL, 1, 16, &[1]), Zip::LOCAL, 1, 14, &[1]), "t2m/0.1", "checksum"),
        (patch(patch(two(), Zip::CENTRAL, 1, 24, &[1]), Zip::LOCAL, 1, 22, &[1]), "t2m/0.1", "damaged"),
        (patch(two(), Zip::LOCAL, 1, 37, &[255; 4]), "t2m/0.1", "compressed bytes are damaged"),
    ] {
        let store = open(&archive).unwrap();
        let other = if key == "t2m/0.0" { "t2m/0.1" } else { "t2m/0.0" };
        assert_eq!(get(&store, other).unwrap().unwrap().len(), 1000, "{what}");
        let error = get(&store, key).expect_err(what);
        let text = error.to_string();
        assert!(text.contains(what) && text.contains(key), "{what}: {text}");
        assert_eq!(error.exit(), zwire::Exit::Unreadable);
    }
}

#[test]
fn inflating_is_bounded_by_the_memory_limit() {
    let bytes = Zip::default().with("a", &vec![0; 3 << 20], true).with("b", b"small", true).finish();
    let (_directory, path) = archive(&bytes);
    let store = Store::open(path.as_path(), &StoreOptions { memory: 2 << 20, ..options() }).unwrap();
    for read in [store.get("a", &mut Vec::new()), store.get_range("a", ByteRange::Last { len: 1 }, &mut Vec::new())] {
        let text = read.unwrap_err().to_string();
        assert!(text.contains("limited to 2.00 MiB"), "{text}");
    }
    assert_eq!(get(&store, "b").unwrap().unwrap(), b"small");
}

/// Whatever bytes an archive has, reading it ends with values or with an error.
#[test]
fn no_change_of_any_byte_is_a_panic() {
    let sound = Zip::with_headers(true, vec![1, 2, 0, 0]);
    let sound = sound.with("g/.zgroup", b"{}", true).with("g/t2m/0.0", &noise(50), false).finish();
    let read = |bytes: &[u8]| {
        let Ok(store) = open(bytes) else { return };
        for object in store.list("").unwrap().map(Result::unwrap) {
            let _ = get(&store, &object.key);
            let _ = store.get_range(&object.key, ByteRange::Last { len: 3 }, &mut Vec::new());
        }
    };
    for at in 0..sound.len() {
        read(&sound[..at]);
        for value in [0, 1, 0x7f, 0xff, sound[at].wrapping_add(1)] {
            let mut changed = sound.clone();
            changed[at] = value;
            read(&changed);
        }
    }
}

// ---- The tools

fn run(tool: &str, arguments: &[&str]) -> Outcome {
    let mut tool = Tool::new(tool).args(arguments);
    // Azure's containers belong to accounts, and nothing else says to which.
    tool.0.env("AZURE_STORAGE_ACCOUNT_NAME", "account");
    tool.run()
}

/// Records of two stores, but for their names.
fn records(outcome: &Outcome, name: &str) -> String {
    outcome.stdout.replace(name, "STORE")
}

/// An archive beside the directory that is in it, under names of one length.
fn both(deflate: bool) -> (TempDir, String, String) {
    let directory = tempfile::tempdir().unwrap();
    let (plain, zip) = (directory.path().join("x.zarr.dir"), directory.path().join("x.zarr.zip"));
    copy_tree(&fixture(WEATHER), &plain);
    fs::write(&zip, Zip::of(&plain, "weather.zarr/", deflate).finish()).unwrap();
    (directory, plain.to_str().unwrap().into(), zip.to_str().unwrap().into())
}

#[test]
fn the_tools_answer_as_for_the_directory() {
    for deflate in [false, true] {
        let (directory, plain, zip) = both(deflate);
        for arguments in [
            &["zinspect", "--sizes", "--sample", "3", "--attributes"][..],
            &["zinspect", "--no-consolidated"],
            &["zpoint", "--lat", "50.2", "--lon", "0.3", "-f", "csv"],
        ] {
            let [expected, found] =
                [&plain, &zip].map(|store| run(arguments[0], &[&arguments[1..], &[store.as_str()]].concat()));
            assert_eq!(records(&found, &zip), records(&expected, &plain), "{arguments:?} {}", found.stderr);
            assert_eq!((found.code, expected.code), (0, 0), "{}", found.stderr);
        }
        let outputs = [(&plain, "one"), (&zip, "two")].map(|(store, name)| {
            let output = directory.path().join(name);
            run("zrecompress", &["--cname", "zstd", store, output.to_str().unwrap()]).expect(0);
            tree(&output)
        });
        assert!(outputs[0] == outputs[1]);
    }
}

#[test]
fn no_tool_writes_an_archive() {
    let (directory, plain, zip) = both(false);
    let before = tree(directory.path());
    let output = directory.path().join("out.zip");
    let output = output.to_str().unwrap();
    let point = ["--lat", "50", "--lon", "0", "-f", "zarr", "-o", output, plain.as_str()];
    for (tool, arguments) in [
        ("zrecompress", &[plain.as_str(), output][..]),
        ("zrecompress", &["--in-place", "--cname", "zstd", zip.as_str()]),
        ("zrecompress", &["--prepare", "--parts", "2", plain.as_str(), output]),
        ("zpoint", &point),
    ] {
        let outcome = run(tool, arguments).expect(7);
        assert!(outcome.stderr.contains("zip archives are read-only"), "{tool}: {}", outcome.stderr);
    }
    assert!(tree(directory.path()) == before);
}

#[test]
fn a_point_of_a_remote_archive_costs_few_requests() {
    let directory = tempfile::tempdir().unwrap();
    let plain = fixture(WEATHER);
    let padding = noise(300_000);
    // More than the last piece of the archive is needed, and the central directory is not in it.
    let zip = (0..3_000).fold(Zip::of(&plain, "", false).with("zz/pad", &padding, false), |mut zip, number| {
        zip.add(&format!("zz/{number:050}"), b"", false);
        zip
    });
    fs::write(directory.path().join("x.zarr.zip"), zip.finish()).unwrap();
    let server = ObjectServer::start(directory.path(), vec![]);
    let endpoint = server.endpoint();
    let point = ["--lat", "50.2", "--lon", "0.3", "--var", "t2m", "-f", "csv", "--anonymous", "--endpoint", &endpoint];
    let expected = run("zpoint", &[&point[..], &[plain.to_str().unwrap()]].concat()).expect(0);
    let count = |url: &str| {
        let before = server.served().len();
        run("zpoint", &[&point[..], &[url]].concat()).expect(0);
        server.served().len() - before
    };
    copy_tree(&plain, &directory.path().join("plain"));
    let of_directory = count(&server.s3_url("plain"));
    println!("the directory: {of_directory} requests");
    let mut before = server.served().len();
    for url in [
        server.s3_url("x.zarr.zip"),
        server.gs_url("x.zarr.zip|zip:"),
        server.az_url("x.zarr.zip"),
        server.http_url("x.zarr.zip"),
    ] {
        let outcome = run("zpoint", &[&point[..], &[&url]].concat()).expect(0);
        assert_eq!(outcome.stdout.replace(&url, plain.to_str().unwrap()), expected.stdout);
        let served = server.served();
        let requests = &served[before..];
        before = served.len();
        println!("{url}: {} requests, {} bytes", requests.len(), requests.iter().map(|one| one.bytes).sum::<u64>());
        // The end of the archive and its central directory; documents that are not there cost nothing.
        assert!(requests.len() <= of_directory + 2, "{requests:?}");
        assert_eq!(server.count(Kind::List), 0);
        assert!(requests.iter().all(|request| request.range.is_some() || request.method == "HEAD"), "{requests:?}");
    }
}

#[test]
fn an_archive_that_changes_is_not_mixed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.zip");
    let bytes = Zip::default().with("a", &noise(200_000), false).with("b", &noise(200_000), false).finish();
    fs::write(&path, &bytes).unwrap();
    let server = ObjectServer::start(directory.path(), vec![]);
    for name in [path.to_str().unwrap().to_owned(), server.http_url("x.zip")] {
        fs::write(&path, &bytes).unwrap();
        let store = Store::open(name.as_str(), &options()).unwrap();
        assert!(get(&store, "a").unwrap().is_some());
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(&path, [b"12345".as_slice(), &bytes].concat()).unwrap();
        let text = get(&store, "b").map(|_| ()).unwrap_err();
        let text = format!("{text}: {:?}", std::error::Error::source(&text).map(ToString::to_string));
        assert!(text.contains("changed while it was being read"), "{text}");
    }
}
