//! The same answers as from a local store.

use super::*;

#[test]
fn every_cloud_answers_as_the_local_store_does() {
    let server = serve(vec![]);
    let flags = ["--sizes", "--sample", "3", "--attributes", "--zarrs"];
    for store in [WEATHER, "v2-layout.zarr", "v2-layout-plain.zarr", "v3-sharded.zarr", "v3-dtypes.zarr", "deep.zarr"] {
        let expected = local_answer(&fixture(store), &flags);
        assert_eq!(expected.0, 0, "{store}");
        for url in clouds(&server, store) {
            assert_answers(&server, &url, &flags, &expected);
        }
    }
    assert!(server.lists() > 100, "lists of several pages");
}

#[test]
fn walks_without_sizes_give_the_same() {
    let server = serve(vec![]);
    for flags in [&[][..], &["--no-consolidated"], &["--check-consolidated"], &["--var", "u10", "--sample", "9"]] {
        let expected = local_answer(&fixture(WEATHER), flags);
        for url in clouds(&server, WEATHER) {
            assert_answers(&server, &url, flags, &expected);
        }
    }
}

/// What `zinspect` says of the chunks of a damaged store, from everywhere that can list it.
fn same_damage(name: &str) {
    let server = serve(vec![]);
    let (store, flags) = (format!("broken/{name}"), ["--sizes", "--sample", "9"]);
    let expected = local_answer(&fixture(&store), &flags);
    for url in clouds(&server, &store) {
        assert_answers(&server, &url, &flags, &expected);
    }
}

/// No part can be asked of an object without bytes: clouds answer 416.
const EMPTY_OBJECT: &str = "zero-chunk.zarr";

#[test]
fn damage_is_the_same_damage() {
    let names = fs::read_dir(fixtures().join("broken")).unwrap().map(|entry| entry.unwrap().file_name());
    for name in names.filter(|name| name != EMPTY_OBJECT) {
        same_damage(name.to_str().unwrap());
    }
}

#[test]
fn an_empty_object_is_one_that_is_there() {
    same_damage(EMPTY_OBJECT);
}

#[test]
fn plain_http_needs_no_list_where_metadata_is_consolidated() {
    let server = serve(vec![]);
    for flags in [&["--attributes"][..], &["--sample", "5"], &["--check-consolidated"]] {
        assert_answers(&server, &server.http_url(WEATHER), flags, &local_answer(&fixture(WEATHER), flags));
    }
    assert_eq!(server.lists(), 0);
    assert!(server.served().iter().all(|served| served.method == "GET"), "nothing but reads");
}

#[test]
fn a_single_array_has_an_address() {
    let server = serve(vec![]);
    for array in ["weather-v2.zarr/u10", "v2-layout-plain.zarr/gaps"] {
        let array = array.to_owned();
        let path = fixtures().join(&array);
        assert!(path.exists(), "{array}");
        for url in everywhere(&server, &array) {
            assert_answers(&server, &url, &[], &local_answer(&path, &[]));
            // A slash at the end, as shells complete directories, changes nothing.
            let slash = run(zinspect(&server, &format!("{url}/")));
            assert_eq!(answer(&slash, &url), local_answer(&path, &[]));
        }
    }
}

#[test]
fn a_whole_bucket_or_site_may_be_a_store() {
    // Only the name that is proposed for an output comes from elsewhere.
    let without_commands = |(code, mut records): (i32, Vec<Value>)| {
        records.iter_mut().filter_map(Value::as_object_mut).for_each(|record| drop(record.remove("command")));
        (code, records)
    };
    let server = ObjectServer::start(&fixture(WEATHER), vec![]);
    let site = format!("{}/files", server.endpoint());
    let sizes = &["--sizes"][..];
    for (url, flags) in [("s3://bucket", sizes), ("gs://bucket", sizes), ("az://bucket", sizes), (&site, &[])] {
        let found = answer(&run(zinspect(&server, url).args(flags)), url);
        assert_eq!(without_commands(found), without_commands(local_answer(&fixture(WEATHER), flags)), "{url}");
    }
}

#[test]
fn keys_are_spelled_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let group = directory.path().join("with space & ö.zarr");
    for name in ["plain", "two words", "50%25", "a+b", "höhe", "x#y?z=1&t", "<'\">"] {
        MakeArray { chunk: 8, chunks: 9, ..MakeArray::default() }.write(&group.join(name));
    }
    fs::write(group.join(".zgroup"), "{\"zarr_format\": 2}").unwrap();
    let server = ObjectServer::start(directory.path(), vec![]);
    let expected = local_answer(&group, &["--sizes"]);
    assert_eq!(expected.0, 0);
    for url in clouds(&server, "with%20space%20&%20%C3%B6.zarr") {
        assert_answers(&server, &url, &["--sizes"], &expected);
    }
    let array = "with%20space%20&%20%C3%B6.zarr/x%23y%3Fz=1&t";
    for url in everywhere(&server, array) {
        assert_answers(&server, &url, &[], &local_answer(&group.join("x#y?z=1&t"), &[]));
    }
}
