//! Azurite, Microsoft's emulator of Azure Blob Storage.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;

use base64::prelude::{BASE64_STANDARD, Engine};
use ring::hmac;

use harness::{free_port, is_installed};

use crate::server::{Process, Server};

/// The account that every Azurite has.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A server with an empty container; `None` if Azurite is not installed.
pub fn start(directory: &Path) -> Option<Server> {
    if !is_installed("azurite-blob") {
        return None;
    }
    let port = free_port();
    let mut command = Command::new("azurite-blob");
    command.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string(), "--location"]).arg(directory);
    command.args(["--skipApiVersionCheck", "--disableTelemetry", "--silent"]);
    let process = Process::start(command, port, &directory.join("log"));
    make_container(port);
    let endpoint = format!("http://127.0.0.1:{port}/{ACCOUNT}");
    let mut server = Server::new("Azurite", "az://bucket", process).flags(&["--endpoint", &endpoint]);
    server.set("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT);
    server.set("AZURE_STORAGE_ACCOUNT_KEY", KEY);
    Some(server)
}

/// Makes the container `bucket`, with a request that is signed as Azure's "Shared Key" is.
fn make_container(port: u16) {
    let (date, version) = ("Thu, 01 Jan 2026 00:00:00 GMT", "2021-12-02");
    let resource = format!("/{ACCOUNT}/{ACCOUNT}/bucket\nrestype:container");
    let text = format!("PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{version}\n{resource}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &BASE64_STANDARD.decode(KEY).unwrap());
    let signature = BASE64_STANDARD.encode(hmac::sign(&key, text.as_bytes()));
    let request = format!(
        "PUT /{ACCOUNT}/bucket?restype=container HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Length: 0\r\nx-ms-date: {date}\r\nx-ms-version: {version}\r\n\
         Authorization: SharedKey {ACCOUNT}:{signature}\r\n\r\n"
    );
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}
