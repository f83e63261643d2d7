//! nginx: static files, and the same by WebDAV.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use harness::{free_port, is_installed};

use crate::server::{Process, Server};

/// Static files; `None` if nginx is not installed.
pub fn start(root: &Path) -> Option<Server> {
    serve("nginx", root, "")
}

/// Files by WebDAV, which could be written.
pub fn start_webdav(root: &Path) -> Option<Server> {
    serve("nginx, WebDAV", root, "dav_methods PUT DELETE MKCOL COPY MOVE; create_full_put_path on;")
}

fn serve(name: &'static str, root: &Path, settings: &str) -> Option<Server> {
    if !is_installed("nginx") {
        return None;
    }
    let (port, directory) = (free_port(), harness::directory());
    fs::write(directory.path().join("nginx.conf"), configuration(port, root, settings)).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-p").arg(directory.path()).args(["-c", "nginx.conf", "-e", "error.log"]);
    let process = Process::start(command, port, &directory.path().join("log"));
    let running: (Process, TempDir) = (process, directory);
    let mut server = Server::new(name, format!("http://127.0.0.1:{port}/bucket"), running);
    server.lists = false;
    Some(server)
}

fn configuration(port: u16, root: &Path, settings: &str) -> String {
    let root = root.display();
    // In the foreground, as one process, with every file below its own directory.
    format!(
        "daemon off; master_process off; pid nginx.pid;
        events {{ }}
        http {{
            access_log off;
            client_body_temp_path client; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
            scgi_temp_path scgi;
            server {{ listen 127.0.0.1:{port}; location / {{ root {root}; {settings} }} }}
        }}"
    )
}
