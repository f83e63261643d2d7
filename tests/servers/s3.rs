//! s3s-fs in this process: S3 with signatures, and Google Cloud Storage, whose XML interface has the same requests.

use std::path::Path;

use hyper::Request;
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::server::conn::http1::Builder;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::server::Server;

const KEY: &str = "key";
const SECRET: &str = "secret";

/// A server that checks signatures.
pub fn signed(root: &Path) -> Server {
    let (port, running) = serve(root, Some(SimpleAuth::from_single(KEY, SECRET)));
    let mut server = Server::new("S3", "s3://bucket", running).flags(&["--endpoint", &endpoint(port)]);
    server.set("AWS_ACCESS_KEY_ID", KEY);
    server.set("AWS_SECRET_ACCESS_KEY", SECRET);
    server
}

/// A server without signatures, for the client of Google Cloud Storage.
pub fn google(root: &Path) -> Server {
    let (port, running) = serve(root, None);
    Server::new("GCS", "gs://bucket", running).flags(&["--anonymous", "--endpoint", &endpoint(port)])
}

fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn serve(root: &Path, keys: Option<SimpleAuth>) -> (u16, Runtime) {
    let (mut builder, signed) = (S3ServiceBuilder::new(FileSystem::new(root).unwrap()), keys.is_some());
    if let Some(keys) = keys {
        builder.set_auth(keys);
    }
    let service = builder.build();
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
    let port = listener.local_addr().unwrap().port();
    let service = service_fn(move |mut request: Request<Incoming>| {
        if !signed {
            // The token of Google's client, which S3 does not know.
            request.headers_mut().remove(AUTHORIZATION);
        }
        Service::call(&service, request)
    });
    runtime.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let connection = Builder::new().serve_connection(TokioIo::new(socket), service.clone());
            tokio::spawn(async move {
                let _ = connection.await;
            });
        }
    });
    (port, runtime)
}
