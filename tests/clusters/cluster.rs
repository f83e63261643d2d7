//! A Slurm cluster of four nodes on the loopback interface, which ends when it is dropped.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::{Outcome, Tool, binary, free_port, is_installed, repository, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const NODES: usize = 4;

pub struct Cluster {
    directory: TempDir,
    /// munged, slurmctld, and the slurmd of each node.
    daemons: Vec<Child>,
}

impl Cluster {
    /// Starts one; `None`, said on stderr, where it cannot run.
    pub fn start() -> Option<Cluster> {
        for program in ["slurmctld", "slurmd", "sbatch", "munged", "jq"] {
            if !is_installed(program) {
                return None;
            }
        }
        if !Path::new("/sys/fs/cgroup").read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
            eprintln!("skipped: slurmd does not start without control groups");
            return None;
        }
        let directory = tempfile::Builder::new().prefix("slurm").tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut cluster = Cluster { directory, daemons: vec![] };
        cluster.configure();
        let munge = |name: &str| format!("{}/munge/{name}", cluster.directory.path().display());
        let flags = [
            ("key-file", "key"),
            ("socket", "socket"),
            ("pid-file", "pid"),
            ("log-file", "log"),
            ("seed-file", "seed"),
        ];
        let flags: Vec<String> = flags.iter().map(|(flag, name)| format!("--{flag}={}", munge(name))).collect();
        cluster.daemon("munged", &["-F", "--force"].map(str::to_owned).into_iter().chain(flags).collect::<Vec<_>>());
        wait_for("munged listens", || cluster.path("munge/socket").exists());
        cluster.daemon("slurmctld", &["-D".to_owned()]);
        for node in 0..NODES {
            cluster.daemon("slurmd", &["-D".to_owned(), "-N".to_owned(), format!("n{node}")]);
        }
        let begin = Instant::now();
        while cluster.ask("sinfo", &["-h", "-t", "idle", "-o", "%D"]).trim() != NODES.to_string() {
            let logs = || fs::read_to_string(cluster.path("log/slurmctld")).unwrap_or_default();
            assert!(begin.elapsed() < Duration::from_secs(60), "the cluster does not start: {}", logs());
            sleep(Duration::from_millis(50));
        }
        Some(cluster)
    }

    fn configure(&self) {
        for name in ["munge", "state", "spool", "log"] {
            fs::create_dir(self.path(name)).unwrap();
        }
        let key: Vec<u8> = (0..1024_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        fs::write(self.path("munge/key"), key).unwrap();
        fs::set_permissions(self.path("munge/key"), fs::Permissions::from_mode(0o400)).unwrap();
        let (at, user) = (self.directory.path().display(), rustix::process::getuid().as_raw());
        let nodes: String = (0..NODES)
            .map(|node| {
                let address = format!("NodeHostname=localhost NodeAddr=127.0.0.1 Port={}", free_port());
                format!("NodeName=n{node} {address} CPUs=1 RealMemory=2000 State=UNKNOWN\n")
            })
            .collect();
        // Short times, so that a test does not wait; more CPUs than there may be; only the loopback interface.
        let text = format!(
            "ClusterName=test\nSlurmctldHost=localhost(127.0.0.1)\nSlurmctldPort={}\n\
             AuthType=auth/munge\nAuthInfo=socket={at}/munge/socket\nCredType=cred/munge\nSlurmUser={user}\nSlurmdUser={user}\n\
             StateSaveLocation={at}/state\nSlurmdSpoolDir={at}/spool/%n\nSlurmctldPidFile={at}/slurmctld.pid\n\
             SlurmdPidFile={at}/slurmd.%n.pid\nSlurmctldLogFile={at}/log/slurmctld\nSlurmdLogFile={at}/log/%n\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nMpiDefault=none\nSwitchType=switch/none\n\
             JobAcctGatherType=jobacct_gather/none\nAccountingStorageType=accounting_storage/none\n\
             SelectType=select/cons_tres\nSelectTypeParameters=CR_CPU_Memory\nReturnToService=2\nKillWait=2\n\
             CommunicationParameters=NoInAddrAny,NoCtldInAddrAny\nSlurmdParameters=config_overrides\n\
             SchedulerParameters=sched_interval=1,sched_min_interval=100000,bf_interval=1\n{nodes}\
             PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n",
            free_port()
        );
        fs::write(self.path("slurm.conf"), text).unwrap();
        fs::write(self.path("cgroup.conf"), "IgnoreSystemd=yes\n").unwrap();
        let plugin = "/usr/lib/x86_64-linux-gnu/slurm-wlm/spank_pbs.so";
        if Path::new(plugin).exists() {
            fs::write(self.path("plugstack.conf"), format!("required {plugin}\n")).unwrap();
        }
    }

    fn daemon(&mut self, program: &str, arguments: &[String]) {
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap());
        let mut command = Command::new(program);
        command.args(arguments).env("PATH", path).env("SLURM_CONF", self.path("slurm.conf"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.daemons.push(command.spawn().unwrap());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A program with what it needs to reach the cluster, and jobs to find the tools.
    pub fn tool(&self, program: impl AsRef<Path>) -> Tool {
        let tools = binary("zinspect").parent().unwrap().to_owned();
        let mut command = Command::new(program.as_ref());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let variables = std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("SLURM"));
        command.env_clear().envs(variables).env("SLURM_CONF", self.path("slurm.conf"));
        command.env("PATH", format!("{}:{}", tools.display(), std::env::var("PATH").unwrap()));
        Tool(command)
    }

    /// Runs a script of `scripts/` in a directory.
    pub fn script(&self, name: &str, directory: &Path) -> Tool {
        self.tool(repository().join("scripts").join(name)).current_dir(directory)
    }

    /// The output of one of Slurm's own commands.
    pub fn ask(&self, program: &str, arguments: &[&str]) -> String {
        self.tool(program).args(arguments).run().stdout
    }

    /// Waits until all jobs have ended.
    pub fn wait_for_jobs(&self) {
        let begin = Instant::now();
        loop {
            let jobs = self.ask("squeue", &["-h", "-o", "%A %j %T %r"]);
            if jobs.is_empty() {
                return;
            }
            assert!(begin.elapsed() < Duration::from_secs(150), "jobs do not end: {jobs}");
            sleep(Duration::from_millis(100));
        }
    }

    /// Kills a node with all that runs there, as a power cut would, and tells Slurm so, which would notice much later.
    pub fn kill_node(&mut self, node: usize) {
        let name = format!("SLURMD_NODENAME=n{node}");
        let of_jobs: Vec<i32> = processes_with(&self.path("slurm.conf"), &name);
        let keepers: Vec<i32> = of_jobs.iter().filter_map(|id| parent(*id)).filter(|id| is_keeper(*id)).collect();
        let slurmd = &mut self.daemons[2 + node];
        slurmd.kill().unwrap();
        slurmd.wait().unwrap();
        for id in keepers.into_iter().chain(of_jobs) {
            let _ = kill_process(Pid::from_raw(id).unwrap(), Signal::KILL);
        }
        let node = format!("nodename=n{node}");
        let down: Outcome = self.tool("scontrol").args(["update", &node, "state=down", "reason=killed"]).run();
        down.expect(0);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.tool("scancel").args(["--me", "--signal=KILL"]).0.status();
        for daemon in self.daemons.iter_mut().rev() {
            let _ = kill_process(Pid::from_child(daemon), Signal::TERM);
            let begin = Instant::now();
            while daemon.try_wait().unwrap().is_none() && begin.elapsed() < Duration::from_secs(5) {
                sleep(Duration::from_millis(20));
            }
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        for id in processes_with(&self.path("slurm.conf"), "SLURM_JOB_ID=") {
            let _ = kill_process(Pid::from_raw(id).unwrap(), Signal::KILL);
        }
    }
}

/// Processes of jobs of the cluster with this configuration, whose environment has a variable that begins so.
fn processes_with(configuration: &Path, variable: &str) -> Vec<i32> {
    let configuration = format!("SLURM_CONF={}", configuration.display());
    let is_of_job = |id: &i32| {
        let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        let has = |wanted: &str| environment.split(|byte| *byte == 0).any(|entry| entry.starts_with(wanted.as_bytes()));
        has(&configuration) && has("SLURM_JOB_ID=") && has(variable)
    };
    let entries = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    entries.filter(is_of_job).collect()
}

fn parent(id: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// Whether a process is the one that Slurm starts for each job.
fn is_keeper(id: i32) -> bool {
    fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|name| name.starts_with("slurmstepd"))
}
