//! A running server, and the command lines that reach it.

use std::any::Any;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use harness::{Tool, wait_for};

/// A server as the tools see it. Dropping it stops it.
pub struct Server {
    pub name: &'static str,
    /// The URL of a store without its name.
    base: String,
    flags: Vec<String>,
    environment: Vec<(&'static str, String)>,
    /// Whether it can list.
    pub lists: bool,
    /// What keeps it running.
    _running: Box<dyn Any>,
}

impl Server {
    /// A server that keeps running with `running`.
    pub fn new(name: &'static str, base: impl Into<String>, running: impl Any) -> Server {
        let (flags, environment) = Default::default();
        Server { name, base: base.into(), flags, environment, lists: true, _running: Box::new(running) }
    }

    pub fn flags(mut self, flags: &[&str]) -> Server {
        self.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    /// Sets an environment variable of the tools.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.environment.push((name, value.to_owned()));
    }

    pub fn url(&self, store: &str) -> String {
        format!("{}/{store}", self.base)
    }

    /// A tool with what it needs to reach the server.
    pub fn tool(&self, name: &str) -> Tool {
        let mut tool = Tool::hermetic(name).args(&self.flags);
        tool.0.envs(self.environment.iter().map(|(name, value)| (name, value)));
        tool
    }
}

/// A server in a process of its own, which ends when this is dropped.
pub struct Process(Child);

impl Process {
    /// Starts it, and waits until it accepts connections at `port`. Its messages go to `log`.
    #[track_caller]
    pub fn start(mut command: Command, port: u16, log: &Path) -> Process {
        let out = fs::File::create(log).unwrap();
        command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out);
        let mut process = Process(command.spawn().unwrap());
        wait_for("the server listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        let ended = process.0.try_wait().unwrap();
        assert!(ended.is_none(), "{command:?}: {ended:?}: {}", fs::read_to_string(log).unwrap());
        process
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
