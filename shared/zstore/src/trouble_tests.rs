//! Sentences and hints for the answers of servers, and for the want of them.

use super::*;

/// Whatever a store is called, and wherever it is quoted.
#[test]
fn names_of_objects_are_no_causes() {
    for name in [
        "TLS_2020.zarr",
        "certificate.zarr",
        "handshake",
        "NoSuchBucket",
        "AccessDenied/x",
        "SlowDown",
        "InvalidAccessKeyId.zarr",
        "PermanentRedirect",
        "has-expired-ExpiredToken",
        "dns%20error",
        "429",
    ] {
        for (cause, says) in [
            ("Server returned non-2xx status code: 500 Internal Server Error: oops".to_owned(), "status 500"),
            ("Server returned non-2xx status code: 403 Forbidden: ".into(), "refuses access"),
            (
                format!(
                    "Server returned non-2xx status code: 500 Internal Server Error: <Error><Code>InternalError</Code>\
                     <Message>again</Message><Key>{name}</Key><Resource>/b/{name}</Resource></Error>"
                ),
                "status 500: again (InternalError)",
            ),
            (
                "HTTP error: error sending request: client error (Connect): tcp connect error: Connection refused (os \
                 error 111)"
                    .into(),
                "cannot connect to the host: Connection refused",
            ),
        ] {
            for text in [
                format!("Generic HTTP error: Error performing GET http://h/{name} in 3.2ms - {cause}"),
                format!(
                    "Object at location {name} not found: Error performing HEAD http://h/{name} in 3ms, after 2 \
                         retries, max_retries: 2, retry_timeout: 5s  - {cause}"
                ),
                format!(
                    "Generic S3 error: Error performing list request: Error performing GET http://h/b?prefix={name} in \
                         1ms - {cause}"
                ),
            ] {
                let shown = Trouble::of(&text, Sender::Signed).to_string();
                assert!(shown.contains(says) && !shown.contains(name), "{shown}: {text}");
            }
        }
    }
}

#[test]
fn each_trouble_has_its_sentence_and_no_markup() {
    let xml = |code: &str, message: &str| {
        format!(
            "Generic S3 error: Error performing GET http://h/b?list-type=2 in 3ms - Server returned non-2xx status code: \
             403 Forbidden: <?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        )
    };
    let tcp = "Generic S3 error: Error performing GET http://h/x in 1s, after 5 retries, max_retries: 5 - HTTP error: error \
               sending request: client error (Connect): tcp connect error: Connection refused (os error 111)";
    for (text, sender, says, hint) in [
        (xml("NoSuchBucket", "The specified bucket does not exist"), Sender::Signed, "no such bucket", ""),
        (
            xml("AuthorizationHeaderMalformed", "the region 'us-east-1' is wrong; expecting 'eu-west-1'"),
            Sender::Signed,
            "region eu-west-1",
            "--region eu-west-1",
        ),
        ("Received redirect without LOCATION, this".into(), Sender::Signed, "another region", "--region"),
        (xml("ExpiredToken", "The provided token has expired."), Sender::Signed, "credentials have expired", "renew"),
        (xml("AccessDenied", "Request has expired"), Sender::SignedUrl, "signed URL has expired", "new signed URL"),
        (xml("InvalidAccessKeyId", "x"), Sender::Signed, "access key", "access key"),
        (xml("SignatureDoesNotMatch", "x"), Sender::Signed, "signature", "secret key"),
        (xml("RequestTimeTooSkewed", "x"), Sender::Signed, "clock", "clock"),
        (
            xml("AccessDenied", "Access Denied"),
            Sender::Signed,
            "refuses access: Access Denied (AccessDenied)",
            "may access",
        ),
        (xml("AccessDenied", "Access Denied"), Sender::Unknown, "no credentials were found", "--anonymous"),
        (xml("AccessDenied", "Access Denied"), Sender::Anonymous, "not public", "leave out --anonymous"),
        (tcp.into(), Sender::Unknown, "cannot connect to the host: Connection refused", "HTTPS_PROXY"),
        ("dns error: failed to lookup address information".into(), Sender::Unknown, "host was not found", "spelling"),
        ("invalid peer certificate: Expired".into(), Sender::Unknown, "certificate", "SSL_CERT_FILE"),
        (
            "received corrupt message of type InvalidContentType".into(),
            Sender::Unknown,
            "does not speak TLS",
            "http://",
        ),
        (xml("SlowDown", "Please reduce your request rate."), Sender::Signed, "overloaded", "--requests"),
        (
            "status code: 500 Internal Server Error: <html><body>oops</body></html>".into(),
            Sender::Signed,
            "status 500",
            "",
        ),
        (
            "{\"error\": {\"code\": 403, \"message\": \"no\"}} status code: 403 ".into(),
            Sender::Signed,
            "access: no",
            "may",
        ),
    ] {
        let trouble = Trouble::of(&text, sender);
        let shown = trouble.to_string();
        assert!(shown.contains(says) && !shown.contains(['<', '{', '\n']), "{shown}: {text}");
        assert!(trouble.hint().unwrap_or_default().contains(hint), "{:?}: {text}", trouble.hint());
    }
}
