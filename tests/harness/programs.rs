//! Programs of other projects that tests run, and what they need.

use std::env;
use std::net::{Ipv4Addr, TcpListener};

/// A free port on the loopback interface.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Whether a program is on the `PATH` or in `/usr/sbin`. Says so if it is not, and fails where all servers are wanted.
#[track_caller]
pub fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut directories = env::split_paths(&path).chain(["/usr/sbin".into()]);
    let found = directories.any(|directory| directory.join(program).is_file());
    let all = env::var_os("ZTOOLS_SERVERS").is_some_and(|servers| servers == "all");
    assert!(found || !all, "{program} is not installed, and ZTOOLS_SERVERS=all");
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}
