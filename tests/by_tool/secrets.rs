//! Credentials in URLs are used where they can be, and never shown or stored: not in messages, not in records, not in plans.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use harness::{Fault, ObjectServer, Outcome, Tool, copy_tree, fixture, fixtures, tree};
use tempfile::TempDir;

const WEATHER: &str = "weather-v2.zarr";

/// Nothing can listen on this port but what the system's administrator started there.
const CLOSED: &str = "127.0.0.1:1";

/// Part of every secret here, and of nothing else.
const MARK: &str = "5ecretw0rd";
const PASSWORD: &str = "pa%205ecretw0rd%40";
/// `user:pa 5ecretw0rd@` as the header has it, and the beginning of it.
const BASIC: &str = "dXNlcjpwYSA1ZWNyZXR3MHJkQA==";
/// What must be nowhere.
const TRACES: [&str; 3] = [MARK, "dXNlcjpwYSA1ZWNyZXR3MH", "dXNlcjo1ZWNyZXR3MH"];

struct Scene {
    directory: TempDir,
    server: ObjectServer,
}

impl Scene {
    fn with(faults: Vec<Fault>) -> Scene {
        Scene { directory: tempfile::tempdir().unwrap(), server: ObjectServer::start(&fixtures(), faults) }
    }

    fn host(&self) -> String {
        self.server.endpoint().replace("http://", "")
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    /// URLs of a store with a secret in each, and what a request then carries.
    fn urls(&self, host: &str) -> [(String, String); 4] {
        let signature = format!("sig={MARK}%2Bx");
        [
            (format!("http://user:{PASSWORD}@{host}/files/{WEATHER}"), BASIC.into()),
            (format!("http://{host}/files/{WEATHER}?sv=1&{signature}"), signature.clone()),
            (format!("http://{MARK}@{host}/files/{WEATHER}/"), "NWVjcmV0dzByZDo=".into()),
            (format!("az://bucket/{WEATHER}?sv=1&{signature}&se=2"), signature),
        ]
    }

    /// A run in a world without credentials and proxies, after which no secret is anywhere.
    #[track_caller]
    fn run(&self, tool: &str, arguments: &[&str]) -> Outcome {
        let outcome = Tool::hermetic(tool).args(arguments).args(["--endpoint", &self.server.endpoint()]).run();
        self.assert_clean(&outcome);
        outcome
    }

    #[track_caller]
    fn assert_clean(&self, outcome: &Outcome) {
        let shown = format!("{}{}", outcome.stdout, outcome.stderr);
        for trace in TRACES {
            assert!(!shown.contains(trace), "{shown}");
            for (name, content) in tree(self.directory.path()) {
                let found = content.windows(trace.len()).any(|bytes| bytes == trace.as_bytes());
                assert!(!found && !name.contains(trace), "{name}: {}", String::from_utf8_lossy(&content));
            }
        }
    }
}

const POINT: [&str; 5] = ["--lat=50", "--lon=0", "--var=t2m", "-f", "csv"];

#[test]
fn credentials_are_sent_and_not_shown() {
    let plain = Scene::with(vec![]);
    for number in 0..4 {
        let needed = plain.urls("")[number].1.clone();
        let scene = Scene::with(vec![Fault::Needs { secret: needed }]);
        let (url, _) = &scene.urls(&scene.host())[number];
        let bare = url.split(['?']).next().unwrap().trim_end_matches('/').replace(&format!("user:{PASSWORD}@"), "");
        let bare = bare.replace(&format!("{MARK}@"), "");
        let outcome = scene.run("zinspect", &[url]).expect(0);
        assert!(outcome.records().iter().any(|record| record["store"] == bare.as_str()), "{bare}: {}", outcome.stdout);
        assert!(scene.run("zpoint", &[&POINT[..], &[url]].concat()).expect(0).stdout.lines().count() > 1);
        let (list, out) = (tempfile::NamedTempFile::new().unwrap(), scene.path("out"));
        fs::write(list.path(), format!("{url}\n{{\"store\":\"{url}\",\"path\":\"/t2m\"}}\n")).unwrap();
        let from = ["--stores-from", list.path().to_str().unwrap()];
        scene.run("zinspect", &from).expect(0);
        scene.run("zrecompress", &[&from[..], &["--cname", "zstd", "--out-dir", &out]].concat()).expect(0);
        assert!(Path::new(&out).join(WEATHER).join(".zgroup").exists(), "the output has the store's name");
        // Without them, the server says no.
        assert_eq!(scene.run("zinspect", &[&bare]).code, 6);
    }
}

#[test]
fn plans_hold_no_credentials_and_are_private() {
    let scene = Scene::with(vec![]);
    for (number, (url, _)) in scene.urls(&scene.host()).iter().enumerate() {
        let out = scene.path(&format!("out-{number}"));
        scene.run("zrecompress", &["--prepare", "--parts", "2", "--cname", "zstd", url, &out]).expect(0);
        let plan = fs::metadata(format!("{out}.plan/plan.json")).unwrap();
        assert_eq!(plan.permissions().mode() & 0o777, 0o600);
        scene.run("zrecompress", &["--part", "1/2", &out]).expect(0);
        scene.run("zrecompress", &["--status", &out]).expect(1);
        // The run goes on with another password, with another signature, and with none.
        let other = url.replace(PASSWORD, &format!("other{MARK}")).replace("%2Bx", "%2By");
        scene.run("zrecompress", &["--resume", "--cname", "zstd", &other, &out]).expect(0);
        let local = scene.path("local");
        Tool::new("zrecompress").args(["--cname", "zstd", fixture(WEATHER).to_str().unwrap(), &local]).run().expect(0);
        assert!(tree(Path::new(&out)) == tree(Path::new(&local)));
        fs::remove_dir_all(&local).unwrap();
    }
}

/// The plan holds no signature: that is said when it is made, and the parts are given the URL again.
#[test]
fn parts_of_a_signed_source_are_given_it_again() {
    let signature = format!("sig={MARK}%2Bx");
    let scene = Scene::with(vec![Fault::Needs { secret: signature.clone() }, Fault::Quotes]);
    let url = format!("{}?sv=1&{signature}", scene.server.http_url(WEATHER));
    let out = scene.path("out");
    let prepared = scene.run("zrecompress", &["--prepare", "--parts", "2", "--cname", "zstd", &url, &out]).expect(0);
    assert!(prepared.stderr.contains("--part I/N SRC DST"), "{}", prepared.stderr);
    scene.run("zrecompress", &["--part", "1/2", &out]).expect(6);
    scene.run("zrecompress", &["--part", "1/2", &fixture(WEATHER).display().to_string(), &out]).expect(2);
    for part in ["1/2", "2/2"] {
        scene.run("zrecompress", &["--part", part, &url, &out]).expect(0);
    }
    scene.run("zrecompress", &["--status", &url, &out]).expect(2);
    scene.run("zrecompress", &["--status", &out]).expect(0);
    scene.run("zrecompress", &["--finish", &url, &out]).expect(0);
    let local = scene.path("local");
    Tool::new("zrecompress").args(["--cname", "zstd", fixture(WEATHER).to_str().unwrap(), &local]).run().expect(0);
    assert!(tree(Path::new(&out)) == tree(Path::new(&local)));
}

/// A slash in a password ends the host: the URL is refused, and nothing of the password is shown.
#[test]
fn a_slash_in_a_password_is_refused() {
    let scene = Scene::with(vec![]);
    for url in [format!("http://user:12/{MARK}@{CLOSED}/x.zarr"), format!("http://user/{MARK}@{CLOSED}/x.zarr")] {
        let outcome = scene.run("zinspect", &[&url]).expect(2);
        assert!(outcome.stderr.contains("%2F"), "{}", outcome.stderr);
    }
}

/// A part of a plan, which holds no password, finds it where others look for it.
#[test]
fn a_netrc_file_has_the_password_of_a_host() {
    let scene = Scene::with(vec![Fault::Needs { secret: BASIC.into() }, Fault::Quotes]);
    let netrc = tempfile::NamedTempFile::new().unwrap();
    let (url, out) = (scene.server.http_url(WEATHER), scene.path("out"));
    let run = |tool: &str, password: &str, arguments: &[&str]| {
        fs::write(netrc.path(), format!("machine 127.0.0.1\nlogin user\npassword {password}\n")).unwrap();
        let mut tool = Tool::hermetic(tool).args(arguments);
        tool.0.env("NETRC", netrc.path());
        let outcome = tool.run();
        scene.assert_clean(&outcome);
        outcome
    };
    // With a space in it, the password is none of a netrc file.
    assert_eq!(run("zinspect", &format!("other{MARK}"), &[&url]).code, 6);
    let scene = Scene::with(vec![Fault::Needs { secret: "dXNlcjo1ZWNyZXR3MHJk".into() }, Fault::Quotes]);
    let url = scene.server.http_url(WEATHER);
    run("zinspect", MARK, &[&url]).expect(0);
    assert_eq!(run("zinspect", MARK, &["--anonymous", &url]).code, 6);
    run("zrecompress", MARK, &["--prepare", "--parts", "1", "--cname", "zstd", &url, &out]).expect(0);
    run("zrecompress", MARK, &["--part", "1/1", &out]).expect(0);
    run("zrecompress", MARK, &["--finish", &out]).expect(0);
}

#[test]
fn what_a_server_quotes_is_not_shown() {
    for status in [401, 403, 404, 400, 503] {
        for key_contains in ["", "/t2m/1"] {
            let fault = Fault::Status { key_contains: key_contains.into(), status };
            let scene = Scene::with(vec![fault, Fault::Quotes]);
            let quick = ["--retries", "1", "--timeout", "2s"];
            for (url, _) in scene.urls(&scene.host()) {
                let out = scene.path("out");
                for (tool, arguments) in [
                    ("zinspect", &["--sample=9", "-v"][..]),
                    ("zpoint", &POINT),
                    ("zrecompress", &["--cname=zstd", "-v", &out]),
                ] {
                    let positional = if tool == "zrecompress" { vec![url.as_str(), &out] } else { vec![url.as_str()] };
                    let flags = arguments.iter().filter(|argument| **argument != out);
                    let arguments: Vec<&str> = flags.copied().chain(quick).chain(positional).collect();
                    scene.run(tool, &arguments);
                    let _ = fs::remove_dir_all(&out);
                    let _ = fs::remove_dir_all(format!("{out}.plan"));
                }
            }
        }
    }
}

#[test]
fn what_is_refused_is_not_echoed() {
    let scene = Scene::with(vec![]);
    let mut urls: Vec<String> = scene.urls(CLOSED).map(|(url, _)| url).into();
    urls.extend(
        [
            "s3://b/x.zarr?X-Amz-Signature=SECRET",
            "gs://b/x.zarr?X-Goog-Signature=SECRET",
            "s3://key:SECRET@b/x.zarr",
            "az://key:SECRET@b/x.zarr",
            "abfss://c:SECRET@account.dfs.core.windows.net/x.zarr",
            "ftp://user:SECRET@host/x.zarr",
            "https://user:SECRET/x@host/x.zarr",
            "https://user:SEC RET@host:port/SECRET@x.zarr",
            "https://user:p#SECRET@host/x.zarr",
            "https://host/x.zarr#sig=SECRET",
            "https:/user:SECRET@host/x.zarr",
            "zip::https://user:SECRET@host/x.zip",
            "https://user:SECRET@host/x.gz|gzip:",
            "https://host/x.zip?sig=SECRET|zip:../x",
        ]
        .map(|url| url.replace("SEC RET", "SEC SECRET").replace("SECRET", MARK)),
    );
    for url in &urls {
        let (out, list) = (scene.path("out"), tempfile::NamedTempFile::new().unwrap());
        fs::write(list.path(), format!("{url}\n")).unwrap();
        let list = list.path().to_str().unwrap();
        let weather = scene.path("weather.zarr");
        copy_tree(&fixture(WEATHER), Path::new(&weather));
        let weather = weather.as_str();
        let closed = format!("http://{CLOSED}");
        let quick = ["--retries", "0", "--timeout", "1s", "--endpoint", &closed];
        for arguments in [
            &["zinspect", url.as_str()][..],
            &["zinspect", "--stores-from", list],
            &["zinspect", "--stores-from", url],
            &["zinspect", "-o", url, weather],
            &["zpoint", "--lat", "50", "--lon", "0", url],
            &["zpoint", "--lat", "50", "--lon", "0", "-f", "zarr", "-o", url, weather],
            &["zpoint", "--lat", "50", "--lon", "0", "-f", "csv", "-o", url, weather],
            &["zpoint", "--points", url, weather],
            &["zrecompress", "--cname", "zstd", url, &out],
            &["zrecompress", "--cname", "zstd", "-n", url, &out],
            &["zrecompress", "--cname", "zstd", weather, url],
            &["zrecompress", "--cname", "zstd", "--in-place", url],
            &["zrecompress", "--status", url],
            &["zrecompress", "--stores-from", list, "--cname", "zstd", "--out-dir", &out],
            &["zrecompress", "--cname", "zstd", weather, &out, url],
            &["zrecompress", "--cname", url, weather, &out],
            &["zrecompress", "--backup", url, "--in-place", weather],
        ] {
            let outcome = Tool::hermetic(arguments[0])
                .args(&arguments[1..])
                .args(quick)
                .current_dir(scene.directory.path())
                .run();
            assert_ne!(outcome.code, 0, "{arguments:?}: {}", outcome.stdout);
            assert_ne!(outcome.code, 101, "{arguments:?}: {}", outcome.stderr);
            scene.assert_clean(&outcome);
        }
    }
    for endpoint in
        [format!("http://user:{MARK}@{CLOSED}"), format!("http://{CLOSED}/?{MARK}"), format!("x://{MARK}@{CLOSED}")]
    {
        for url in ["s3://bucket/x.zarr", "gs://bucket/x.zarr", "az://bucket/x.zarr"] {
            let outcome =
                Tool::hermetic("zinspect").args([url, "--retries", "0", "--endpoint", &endpoint]).run().expect(2);
            scene.assert_clean(&outcome);
        }
    }
}

#[test]
fn options_of_a_store_are_used_checked_and_not_shown() {
    let scene = Scene::with(vec![Fault::Needs { secret: format!("Credential={MARK}") }, Fault::Quotes]);
    let keys = |secret: &str| {
        [format!("--store-option=aws_access_key_id={MARK}"), format!("--store-option=aws_secret_access_key={secret}")]
    };
    let s3 = scene.server.s3_url(WEATHER);
    let [id, secret] = &keys(&format!("x{MARK}"));
    scene.run("zinspect", &[&s3, id, secret]).expect(0);
    for (url, option) in [
        (s3.as_str(), format!("aws_endpoint_ulr={MARK}")),
        (&scene.server.gs_url(WEATHER), format!("aws_region={MARK}")),
        (&scene.server.az_url(WEATHER), format!("nothing={MARK}")),
        (&scene.server.http_url(WEATHER), format!("aws_region={MARK}")),
    ] {
        let outcome = scene.run("zinspect", &[url, "--store-option", &option]).expect(2);
        let key = option.split('=').next().unwrap();
        assert!(outcome.stderr.contains(key), "{}", outcome.stderr);
    }
    // What has no key may be the secret alone.
    for option in [MARK.to_owned(), format!("={MARK}")] {
        let outcome = scene.run("zinspect", &[&s3, &format!("--store-option={option}")]).expect(2);
        assert!(outcome.stderr.contains("not KEY=VALUE"), "{}", outcome.stderr);
    }
}

#[test]
fn secrets_of_the_environment_stay_there() {
    let scene = Scene::with(vec![Fault::Status { key_contains: String::new(), status: 403 }, Fault::Quotes]);
    for (url, variable) in [
        ("s3://bucket/x.zarr", "AWS_SESSION_TOKEN"),
        ("az://bucket/x.zarr", "AZURE_STORAGE_SAS_TOKEN"),
        ("s3://bucket/x.zarr", "AWS_SECRET_ACCESS_KEY"),
    ] {
        let value = if variable.contains("SAS") { format!("sv=1&sig={MARK}") } else { MARK.to_owned() };
        let mut tool = Tool::hermetic("zinspect").args([url, "--retries=0", "--endpoint", &scene.server.endpoint()]);
        tool.0.env("AWS_ACCESS_KEY_ID", "me").env("AWS_SECRET_ACCESS_KEY", "k").env(variable, value);
        let outcome = tool.run().expect(6);
        scene.assert_clean(&outcome);
    }
}
