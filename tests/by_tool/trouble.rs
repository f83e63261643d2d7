//! What goes wrong in the world has its own sentence and a hint; credentials are found where others look for them, and an outage
//! of seconds passes.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;

use harness::{Fault, ObjectServer, Outcome, Tool, copy_tree, fixture, fixtures, tree};

const WEATHER: &str = "weather-v2.zarr";

/// Nothing can listen on this port but what the system's administrator started there.
const CLOSED: &str = "127.0.0.1:1";

fn says(status: u16, body: &str) -> Vec<Fault> {
    vec![Fault::Says { key_contains: String::new(), status, body: body.into() }]
}

fn xml(code: &str, message: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
         <Region>eu-west-1</Region><RequestId>1</RequestId></Error>"
    )
}

/// A run with credentials.
fn signed(tool: &str, server: &ObjectServer) -> Tool {
    let mut tool = Tool::hermetic(tool).args(["--endpoint", &server.endpoint()]);
    tool.0.env("AWS_ACCESS_KEY_ID", "me").env("AWS_SECRET_ACCESS_KEY", "k");
    tool
}

#[track_caller]
fn assert_plain(outcome: &Outcome, code: i32, what: &str, hint: &str) {
    assert_eq!(outcome.code, code, "{}", outcome.stderr);
    assert!(outcome.stderr.contains(what) && outcome.stderr.contains(hint), "{what}: {}", outcome.stderr);
    let text = format!("{}{}", outcome.stderr, outcome.stdout);
    assert!(!text.contains(['<', '>']) && !text.contains("Zarr") && !text.contains("Generic S3"), "{text}");
    assert!(outcome.stderr.lines().count() <= 3, "{}", outcome.stderr);
}

#[test]
fn each_refusal_of_a_server_has_its_sentence() {
    for (status, body, code, what, hint) in [
        (404, xml("NoSuchBucket", "The specified bucket does not exist"), 4, "no such bucket", "check the name"),
        (301, xml("PermanentRedirect", "use the endpoint"), 6, "in another region", "--region"),
        (400, xml("AuthorizationHeaderMalformed", "no"), 6, "region eu-west-1", "--region eu-west-1"),
        (400, xml("ExpiredToken", "The provided token has expired."), 6, "credentials have expired", "renew"),
        (403, xml("InvalidAccessKeyId", "no"), 6, "access key is not known", "check the access key"),
        (403, xml("SignatureDoesNotMatch", "no"), 6, "signature is wrong", "secret key"),
        (403, xml("RequestTimeTooSkewed", "no"), 6, "clock", "set the clock"),
        (403, xml("AccessDenied", "Access Denied"), 6, "refuses access: Access Denied", "credentials that may"),
        (503, xml("SlowDown", "Please reduce"), 6, "overloaded", "--requests"),
        (500, "<html><body>oops</body></html>".into(), 6, "status 500", ""),
    ] {
        let server = ObjectServer::start(&fixtures(), says(status, &body));
        let (url, out) = (server.s3_url(WEATHER), tempfile::tempdir().unwrap());
        let quick = ["--retries", "1"];
        assert_plain(&signed("zinspect", &server).arg(&url).args(quick).run(), code, what, hint);
        let copy = signed("zrecompress", &server).arg(&url).arg(out.path().join("out.zarr")).args(quick).run();
        assert_plain(&copy, code, what, hint);
    }
}

/// Nor does a name of a store, whatever words it has, say what is wrong.
#[test]
fn a_name_is_no_cause() {
    for (name, status, body, code, what) in [
        ("TLS_2020.zarr", 500, "<html>oops</html>".to_owned(), 6, "failed with status 500"),
        ("certificate.zarr", 500, "oops".into(), 6, "failed with status 500"),
        ("NoSuchBucket.zarr", 403, xml("AccessDenied", "Access Denied"), 6, "refuses access"),
        ("AccessDenied.zarr", 500, xml("InternalError", "again"), 6, "failed with status 500: again"),
        ("SlowDown.zarr", 403, xml("InvalidAccessKeyId", "no"), 6, "access key is not known"),
    ] {
        let server = ObjectServer::start(&fixtures(), says(status, &body));
        let outcome = signed("zinspect", &server).arg(server.s3_url(name)).args(["--retries", "1"]).run().expect(code);
        assert!(outcome.stderr.contains(what), "{name}: {}", outcome.stderr);
    }
    for name in ["TLS_2020.zarr", "NoSuchBucket.zarr", "certificate.zarr"] {
        let url = format!("http://{CLOSED}/{name}");
        let outcome = Tool::hermetic("zinspect").arg(url).args(["--retries", "1", "--timeout", "3s"]).run().expect(6);
        assert!(outcome.stderr.contains("cannot connect to the host"), "{name}: {}", outcome.stderr);
        let server = ObjectServer::start(&fixtures(), vec![]);
        let absent = Tool::hermetic("zinspect").arg(server.http_url(name)).run().expect(4);
        assert!(absent.stderr.contains("not a Zarr store"), "{name}: {}", absent.stderr);
    }
}

#[test]
fn want_of_credentials_is_said() {
    let server = ObjectServer::start(&fixtures(), says(403, &xml("AccessDenied", "Access Denied")));
    for url in [server.s3_url(WEATHER), server.gs_url(WEATHER), server.az_url(WEATHER)] {
        let run = |flag: Option<&str>| {
            Tool::hermetic("zinspect").args(["--endpoint", &server.endpoint(), &url]).args(flag).run()
        };
        assert_plain(&run(None), 6, "no credentials were found", "--anonymous");
        assert_plain(&run(Some("--anonymous")), 6, "it is not public", "leave out --anonymous");
    }
    let web = Tool::hermetic("zinspect").arg(server.http_url(WEATHER)).run();
    assert_plain(&web, 6, "asks for a login", "netrc");
    let signed = Tool::hermetic("zinspect").arg(format!("{}?sig=x", server.http_url(WEATHER))).run();
    assert_plain(&signed, 6, "refuses access", "");
}

#[test]
fn a_network_that_fails_is_named() {
    let server = ObjectServer::start(&fixtures(), vec![]);
    let quick = ["--retries", "1", "--timeout", "3s"];
    let closed = Tool::hermetic("zinspect").arg(format!("http://{CLOSED}/x.zarr")).args(quick).run();
    assert_plain(&closed, 6, "cannot connect to the host", "proxy");
    let tls = Tool::hermetic("zinspect").arg(server.http_url(WEATHER).replace("http:", "https:")).args(quick).run();
    assert_plain(&tls, 6, "TLS failed", "http://");
}

#[test]
fn a_profile_of_aws_is_used() {
    let server = ObjectServer::start(&fixtures(), vec![Fault::Needs { secret: "Credential=WORKKEY/".into() }]);
    let directory = tempfile::tempdir().unwrap();
    let (credentials, config) = (directory.path().join("credentials"), directory.path().join("config"));
    fs::write(
        &credentials,
        "[default]\naws_access_key_id=NO\naws_secret_access_key=x\n[work]\naws_access_key_id = WORKKEY\n\
        aws_secret_access_key = 5ecretw0rd\n",
    )
    .unwrap();
    fs::write(&config, "[profile work]\nregion = eu-north-7\n[profile sso]\nsso_start_url = x\n").unwrap();
    let run = |profile: Option<&str>, more: &[&str]| {
        let mut tool = Tool::hermetic("zinspect").args(["--endpoint", &server.endpoint(), &server.s3_url(WEATHER)]);
        tool.0.env("AWS_SHARED_CREDENTIALS_FILE", &credentials).env("AWS_CONFIG_FILE", &config);
        tool.0.envs(profile.map(|profile| ("AWS_PROFILE", profile)));
        tool.args(more).run()
    };
    run(Some("work"), &[]).expect(0);
    assert!(server.served().iter().all(|served| served.authorization.as_ref().unwrap().contains("/eu-north-7/s3/")));
    run(Some("work"), &["--region", "elsewhere-1"]).expect(0);
    assert!(server.served().last().unwrap().authorization.as_ref().unwrap().contains("/elsewhere-1/s3/"));
    run(None, &[]).expect(6);
    run(Some("work"), &["--anonymous"]).expect(6);
    for (profile, says) in [("nobody", "no profile \"nobody\""), ("sso", "sso_start_url")] {
        let outcome = run(Some(profile), &[]).expect(2);
        assert!(outcome.stderr.contains(says) && !outcome.stderr.contains("5ecret"), "{}", outcome.stderr);
    }
}

#[test]
fn a_token_comes_from_the_environment_or_a_file() {
    let faults = vec![Fault::Needs { secret: "Bearer 5ecretw0rd".into() }, Fault::Quotes];
    let server = ObjectServer::start(&fixtures(), faults);
    let headers = tempfile::NamedTempFile::new().unwrap();
    let run = |token: Option<&str>, file: Option<&str>, more: Option<&str>| {
        let mut tool = Tool::hermetic("zinspect").arg(server.http_url(WEATHER)).args(more);
        tool.0.envs(token.map(|token| ("ZTOOLS_HTTP_TOKEN", token)));
        if let Some(text) = file {
            fs::write(headers.path(), text).unwrap();
            tool.0.env("ZTOOLS_HTTP_HEADERS", headers.path());
        }
        let outcome = tool.run();
        let text = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(!text.contains("5ecretw0r"), "{text}");
        outcome
    };
    run(Some("5ecretw0rd"), None, None).expect(0);
    run(None, Some("# mine\nAuthorization: Bearer 5ecretw0rd\n"), None).expect(0);
    run(Some("5ecretw0rx"), None, None).expect(6);
    run(Some("5ecretw0rd"), None, Some("--anonymous")).expect(6);
    run(None, Some("5ecretw0rd"), None).expect(2);
}

/// They are for the server that is named, and not for one to which it redirects.
#[test]
fn a_redirect_to_another_server_loses_the_headers() {
    let target = ObjectServer::start(&fixtures(), vec![]);
    let server = ObjectServer::start(&fixtures(), vec![Fault::Redirects { to: target.endpoint() }]);
    let headers = tempfile::NamedTempFile::new().unwrap();
    fs::write(headers.path(), "X-Api-Key: 5ecretw0rd\nAuthorization: Bearer 5ecretw0rd\n").unwrap();
    let run = |url: String, variable: &str, value: &std::ffi::OsStr| {
        let mut tool = Tool::hermetic("zpoint").arg(url).args(["--lat=10", "--lon=20", "-f", "csv"]);
        tool.0.env(variable, value);
        tool.run().expect(0).stdout
    };
    let has_secret = |served: &harness::Served| served.headers.values().any(|value| value.contains("5ecretw0rd"));
    let with_user = server.http_url(WEATHER).replace("http://", "http://user:5ecretw0rd@");
    for (url, variable, value) in [
        (server.http_url(WEATHER), "ZTOOLS_HTTP_HEADERS", headers.path().as_os_str()),
        (server.http_url(WEATHER), "ZTOOLS_HTTP_TOKEN", "5ecretw0rd".as_ref()),
        (with_user, "LANG", "C".as_ref()),
    ] {
        let asked = server.served().len();
        let redirected = run(url, variable, value);
        assert_eq!(redirected, run(target.http_url(WEATHER), "LANG", "C".as_ref()));
        let sent = &server.served()[asked..];
        assert!(!sent.is_empty() && sent.iter().all(|served| served.headers.contains_key("authorization")), "{sent:?}");
        assert!(target.served().iter().any(|served| served.range.is_some()), "ranges are kept");
        assert!(!target.served().iter().any(has_secret), "{variable}");
    }
    assert!(server.served().iter().any(has_secret));
}

/// As fsspec spells them.
#[test]
fn other_spellings_of_urls_are_read() {
    let server = ObjectServer::start(&fixtures(), vec![]);
    let run = |url: &str| Tool::hermetic("zinspect").args(["--endpoint", &server.endpoint(), "--anonymous", url]).run();
    for url in ["gcs://bucket/", "gs://bucket/", "az://bucket/", "abfs://bucket/", "abfss://bucket/", "s3a://bucket/"] {
        run(&format!("{url}{WEATHER}")).expect(0);
    }
    for cache in ["simplecache", "filecache", "blockcache"] {
        let outcome = run(&format!("{cache}::s3://bucket/{WEATHER}")).expect(0);
        assert!(outcome.stderr.contains(&format!("{cache}:: is ignored")), "{}", outcome.stderr);
        assert!(outcome.records().iter().any(|record| record["store"] == server.s3_url(WEATHER)), "{}", outcome.stdout);
    }
}

#[test]
fn an_outage_of_seconds_passes() {
    let directory = tempfile::tempdir().unwrap();
    copy_tree(&fixture(WEATHER), &directory.path().join(WEATHER));
    let server = ObjectServer::start_writable(directory.path(), vec![Fault::Outage { after: 30, milliseconds: 4000 }]);
    let tool = Tool::hermetic("zrecompress").args(["--anonymous", "--endpoint", &server.endpoint(), "--cname", "lz4"]);
    tool.args([server.s3_url(WEATHER), server.s3_url("out.zarr")]).run().expect(0);
    assert!(server.served().iter().any(|served| served.status == 503), "there was an outage");
    let local = directory.path().join("local.zarr");
    Tool::new("zrecompress").arg(fixture(WEATHER)).arg(&local).args(["--cname", "lz4"]).run().expect(0);
    assert!(tree(&local) == tree(&directory.path().join("out.zarr")));
}

/// A name that is mistyped is no outage: it is said soon.
#[test]
fn a_server_that_never_answered_is_not_waited_for() {
    let began = std::time::Instant::now();
    Tool::hermetic("zinspect").arg(format!("http://{CLOSED}/x.zarr")).run().expect(6);
    assert!(began.elapsed().as_secs() < 12, "{:?}", began.elapsed());
}

/// Each of its objects would be waited for in full: a few in a row are enough.
#[test]
fn a_server_that_dies_ends_the_run_soon() {
    for (tool, to) in [("zrecompress", None), ("zfetch", Some("--to"))] {
        let directory = tempfile::tempdir().unwrap();
        let run = |server: &ObjectServer, name: &str| {
            let short = ["--anonymous", "--timeout", "1s", "--requests", "1", "-j1", &server.s3_url(WEATHER)];
            let command = Tool::hermetic(tool).args(["--endpoint", &server.endpoint()]).args(short).args(to);
            command.arg(directory.path().join(name)).run()
        };
        let healthy = ObjectServer::start(&fixtures(), vec![]);
        run(&healthy, "healthy.zarr").expect(0);
        // zfetch lists nothing, and a dozen objects are left; zrecompress ends with the next page of its list.
        let first = if tool == "zfetch" { "u10/11.0.0" } else { "u10/13.0.0" };
        let is_read =
            |served: &harness::Served| served.method == "GET" && served.range.is_none() && served.key.ends_with(first);
        let after = healthy.served().iter().rposition(is_read).unwrap();
        let server = ObjectServer::start(&fixtures(), vec![Fault::Dies { after }]);
        let outcome = run(&server, "out.zarr").expect(if tool == "zfetch" { 3 } else { 6 });
        let words = "not requested: the server did not answer the 5 requests before it";
        assert!(outcome.stdout.contains(words), "{tool}: {}", outcome.stdout);
        let errors = outcome.of_type("error").len();
        assert!(errors > 10 || tool != "zfetch", "{tool}: every object is named: {}", outcome.stdout);
        let asked = server.served().into_iter().skip(after).map(|served| served.target);
        let asked: std::collections::BTreeSet<String> = asked.collect();
        assert!(asked.len() <= 6, "{tool}: {asked:?}");
    }
}

#[test]
fn arguments_that_are_not_meant_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| Tool::hermetic("zrecompress").current_dir(directory.path()).args(arguments).run();
    copy_tree(&fixture(WEATHER), &directory.path().join("a.zarr"));
    fs::create_dir_all(directory.path().join("thesis/chapter")).unwrap();
    for name in ["lz4", "lz4hc", "zlib", "blosclz"] {
        let outcome = run(&["--codec", name, "a.zarr", "b.zarr"]).expect(2);
        assert!(outcome.stderr.contains(&format!("hint: use --cname {name}")), "{}", outcome.stderr);
    }
    let outcome = run(&["b.zarr", "a.zarr"]).expect(4);
    assert!(outcome.stderr.contains("b.zarr: no such store") && outcome.stderr.contains("source comes first"));
    let outcome = run(&["--overwrite", "a.zarr", "thesis"]).expect(7);
    assert!(outcome.stderr.contains("thesis: is not a Zarr store, and is not replaced"), "{}", outcome.stderr);
    assert!(directory.path().join("thesis/chapter").exists());
}

#[test]
fn requests_are_paid_for_by_who_asks() {
    let server = ObjectServer::start(&fixtures(), vec![]);
    let all_have = |name: &str, value: &str| {
        let served = server.served();
        assert!(!served.is_empty());
        served.iter().all(|served| served.headers.get(name).is_some_and(|found| found == value))
    };
    let s3 = server.s3_url(WEATHER);
    signed("zinspect", &server).args([&s3, "--requester-pays", "--sizes"]).run().expect(0);
    assert!(all_have("x-amz-request-payer", "requester"));
    let server = ObjectServer::start(&fixtures(), vec![]);
    let google = || signed("zinspect", &server).args([&server.gs_url(WEATHER), "--anonymous", "--sizes"]);
    google().arg("--requester-pays=my-project").run().expect(0);
    let served = server.served();
    assert!(served.iter().all(|served| served.headers["x-goog-user-project"] == "my-project"), "{served:?}");
    let outcome = google().arg("--requester-pays").run().expect(2);
    assert!(outcome.stderr.contains("--requester-pays=PROJECT"), "{}", outcome.stderr);
}

/// Metadata servers are beyond the proxy, which counts.
#[test]
fn nobody_asks_for_the_role_of_a_machine_unless_told() {
    let (server, proxy) = (ObjectServer::start(&fixtures(), vec![]), ObjectServer::start(&fixtures(), vec![]));
    let run = |url: String, flags: &[&str]| {
        let mut tool = Tool::hermetic("zinspect").args(["--endpoint", &server.endpoint(), &url]).args(flags);
        tool.0.env("HTTP_PROXY", proxy.endpoint()).env("NO_PROXY", "127.0.0.1");
        tool.run()
    };
    for url in [server.s3_url(WEATHER), server.gs_url(WEATHER), server.az_url(WEATHER)] {
        let began = std::time::Instant::now();
        run(url, &[]).expect(0);
        assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    }
    assert!(proxy.served().is_empty(), "{:?}", proxy.served());
    run(server.s3_url(WEATHER), &["--store-option=skip_signature=false", "--timeout=2s"]).expect(6);
    assert!(proxy.served().iter().any(|served| served.target.contains("169.254.169.254")), "{:?}", proxy.served());
}

/// S3 gives checksums to those who ask for them, with a signed header, and not in lists.
#[test]
fn checksums_are_asked_for_where_they_are_signed() {
    let server = ObjectServer::start(&fixtures(), vec![]);
    signed("zinspect", &server).args([&server.s3_url(WEATHER), "--sizes"]).run().expect(0);
    for served in server.served() {
        let asks = served.headers.contains_key("x-amz-checksum-mode");
        assert_eq!(asks, served.kind != harness::Kind::List, "{served:?}");
        assert_eq!(served.authorization.unwrap().contains("x-amz-checksum-mode"), asks);
    }
    // Where that is forbidden, and reading is not.
    let forbids = Fault::Forbids { header: "x-amz-checksum-mode".into() };
    let server = ObjectServer::start(&fixtures(), vec![forbids]);
    signed("zinspect", &server).args([&server.s3_url(WEATHER), "--sizes"]).run().expect(0);
}

#[test]
fn a_deadline_ends_every_tool() {
    let server = ObjectServer::start(&fixtures(), vec![Fault::Silence { key_contains: "t2m/0".into() }]);
    let (url, directory) = (server.s3_url(WEATHER), tempfile::tempdir().unwrap());
    let out = directory.path().join("out.zarr");
    let out = out.to_str().unwrap();
    for arguments in [
        &["zinspect", &url][..],
        &["zpoint", "--lat=50", "--lon=0", "-f", "csv", &url],
        &["zrecompress", "--cname=lz4", &url, out],
        &["zfetch", &url, "--to", out, "--overwrite"],
    ] {
        let began = std::time::Instant::now();
        let tool = Tool::hermetic(arguments[0]).args(["--anonymous", "--endpoint", &server.endpoint()]);
        let outcome = tool.args(&arguments[1..]).args(["--deadline", "2s"]).run();
        assert_eq!(outcome.code, 6, "{arguments:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("--deadline"), "{arguments:?}: {}", outcome.stderr);
        assert!((2..12).contains(&began.elapsed().as_secs()), "{arguments:?}: {:?}", began.elapsed());
        assert!(!std::path::Path::new(out).exists());
    }
    // What ends before is not touched by it.
    let healthy = ObjectServer::start(&fixtures(), vec![]);
    let tool = Tool::hermetic("zinspect").args(["--anonymous", "--endpoint", &healthy.endpoint(), "--deadline", "1h"]);
    tool.arg(healthy.s3_url(WEATHER)).run().expect(0);
}
