//! A redis-server with the module, for one test: its own directory, its own port, and never left behind.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread;

use tempfile::TempDir;

use super::builder::Builder;
use super::process::{Variable, start_redis_server};
use super::{DEADLINE, Raw, wait_until};

/// What the server's log holds after a fault of the module, the last one even if a guard caught the panic.
const FAULTS: [&str; 3] = ["BUG REPORT START", "ASSERTION FAILED", "panicked at"];

/// A running server. Dropping it ends the process, and fails the test if the server crashed.
pub(crate) struct Server {
    port: u16,
    directory: TempDir,
    environment: Vec<Variable>,
    /// None between `kill9` and `restart`.
    process: Option<Child>,
}

impl Server {
    /// A server with the module and nothing special.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::builder().start()
    }

    pub(crate) fn builder() -> Builder {
        Builder::default()
    }

    /// A server that is not running yet, in a directory that holds its `redis.conf`.
    pub(super) fn stopped(port: u16, directory: TempDir, environment: Vec<Variable>) -> Self {
        Self { port, directory, environment, process: None }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where the server keeps its files: `redis.conf`, `log`, the snapshot, the append-only files.
    pub(crate) fn dir(&self) -> &Path {
        self.directory.path()
    }

    /// The process's id, while it runs.
    pub(crate) fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// All that the server and the module wrote, since the first start.
    pub(crate) fn log(&self) -> String {
        let log = fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// A connection of the client crate. It sends nothing but what the test sends.
    #[track_caller]
    pub(crate) fn connect(&self) -> redis::Connection {
        let address =
            redis::IntoConnectionInfo::into_connection_info(("127.0.0.1", self.port)).expect("an address");
        let silent = redis::RedisConnectionInfo::default().set_skip_set_lib_name();
        let client = redis::Client::open(address.set_redis_settings(silent)).expect("a valid address");
        let connection =
            client.get_connection_with_timeout(DEADLINE).expect("the server accepts connections");
        connection.set_read_timeout(Some(DEADLINE)).expect("a timeout above zero");
        connection
    }

    /// A raw connection that speaks RESP2.
    #[track_caller]
    pub(crate) fn resp2(&self) -> Raw {
        Raw::connect(self.port).expect("the server accepts connections")
    }

    /// A raw connection that speaks RESP3.
    #[track_caller]
    pub(crate) fn resp3(&self) -> Raw {
        let mut raw = self.resp2();
        let hello = raw.text(&["HELLO", "3"]);
        assert!(hello.starts_with('%'), "HELLO 3 answers with a map, not {hello:?}");
        raw
    }

    /// A field of `INFO section`, if it is there.
    #[track_caller]
    pub(crate) fn info(&self, section: &str, field: &str) -> Option<String> {
        let info = self.resp2().text(&["INFO", section]);
        info.lines().find_map(|line| Some(line.strip_prefix(field)?.strip_prefix(':')?.to_owned()))
    }

    /// `used_memory` in bytes: what the allocator was asked for, data and everything else.
    #[track_caller]
    pub(crate) fn used_memory(&self) -> u64 {
        let bytes = self.info("memory", "used_memory").expect("the server tells its memory");
        bytes.parse().expect("a number of bytes")
    }

    /// Makes this server a replica of `primary`, and waits until it has the primary's data.
    #[track_caller]
    pub(crate) fn replica_of(&self, primary: &Self) {
        let port = primary.port.to_string();
        assert_eq!(self.resp2().text(&["REPLICAOF", "127.0.0.1", &port]), "+OK\r\n");
        self.wait_for_sync_with(primary);
    }

    /// Waits until this server, a replica of `primary`, has the primary's data.
    #[track_caller]
    pub(crate) fn wait_for_sync_with(&self, primary: &Self) {
        wait_until(DEADLINE, "the replica is in sync", || {
            self.info_is("replication", "master_link_status", "up")
        });
        self.catch_up_with(primary);
    }

    /// Waits until this replica has processed everything that `primary` had sent when this was called.
    #[track_caller]
    pub(crate) fn catch_up_with(&self, primary: &Self) {
        let offset = |server: &Self, field: &str| -> Result<u64, Option<String>> {
            let value = server.info("replication", field);
            value.as_deref().and_then(|digits| digits.parse().ok()).ok_or(value)
        };
        let sent = offset(primary, "master_repl_offset").expect("a primary tells its offset");
        wait_until(DEADLINE, &format!("the replica's offset is {sent}"), || {
            match offset(self, "slave_repl_offset")? {
                processed if processed >= sent => Ok(()),
                processed => Err(Some(processed.to_string())),
            }
        });
    }

    /// Kills the server as a power failure would: it can neither save nor say goodbye.
    pub(crate) fn kill9(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself, which is what was wanted.
            drop(process.kill());
            process.wait().expect("a child can be waited for");
        }
    }

    /// Sends a signal to the process: `STOP` makes it hang, `CONT` makes it go on.
    pub(crate) fn signal(&self, name: &str) {
        let process = self.process_id().expect("it runs").to_string();
        let status = Command::new("kill").args(["-s", name, &process]).status();
        assert!(status.expect("kill can be run").success());
    }

    /// Starts the server again, with the same directory, port and configuration. One that still runs is told to
    /// shut down first, so that it saves what its configuration says.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        if let Some(mut process) = self.process.take() {
            let mut connection = self.resp2();
            connection.send(&["SHUTDOWN"]);
            let refusal = connection.try_read_bytes().unwrap_or_default();
            assert!(refusal.is_empty(), "SHUTDOWN answered {:?}", String::from_utf8_lossy(&refusal));
            wait_until(DEADLINE, "the server has shut down", || match process.try_wait() {
                Ok(Some(status)) => Ok(status),
                running => Err(running),
            });
        }
        self.try_restart().unwrap_or_else(|log| panic!("the server did not start again; its log:\n{log}"));
    }

    /// As `restart`, of a server that does not run; if it refuses to start, gives its log.
    #[track_caller]
    pub(crate) fn try_restart(&mut self) -> Result<(), String> {
        self.launch()
    }

    /// The file that the server reads when it starts.
    pub(crate) fn config_path(&self) -> PathBuf {
        self.dir().join("redis.conf")
    }

    /// Starts the process and waits until it answers. If it ends instead, gives the log.
    #[track_caller]
    pub(super) fn launch(&mut self) -> Result<(), String> {
        let log = File::options().create(true).append(true).open(self.log_path()).expect("a writable log");
        let process = start_redis_server(&self.config_path(), &self.environment, &log);
        let id = process.id();
        // From here on the process is ended by `drop`, should anything below panic.
        let process = self.process.insert(process);
        let port = self.port;
        let ended: Option<ExitStatus> = wait_until(DEADLINE, "the server answers", || {
            match process.try_wait().expect("a child can be waited for") {
                Some(status) => Ok(Some(status)),
                None => answers_as(id, port).map(|()| None),
            }
        });
        if ended.is_some() {
            self.process = None;
            return Err(self.log());
        }
        Ok(())
    }

    #[track_caller]
    pub(crate) fn info_is(&self, section: &str, field: &str, expected: &str) -> Result<(), Option<String>> {
        let value = self.info(section, field);
        if value.as_deref() == Some(expected) { Ok(()) } else { Err(value) }
    }

    fn log_path(&self) -> PathBuf {
        self.dir().join("log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Looked at before the kill: a server that ended by itself and was not asked to has crashed.
        let ended = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten());
        self.kill9();
        let log = self.log();
        if thread::panicking() && !log.is_empty() {
            eprintln!("the log of the server on port {}:\n{log}", self.port);
        }
        if thread::panicking() {
            return;
        }
        if let Some(fault) = FAULTS.into_iter().find(|fault| log.contains(fault)) {
            panic!("the log of the server on port {} says {fault:?}:\n{log}", self.port);
        }
        if let Some(status) = ended.filter(|status| !status.success()) {
            panic!("the server on port {} ended by itself, {status}:\n{log}", self.port);
        }
    }
}

/// Whether the server that answers on this port is the process we started, and has loaded its data.
fn answers_as(process_id: u32, port: u16) -> Result<(), String> {
    let ask = |command: &[&str]| -> std::io::Result<String> {
        let mut connection = Raw::connect(port)?;
        connection.send(command);
        Ok(String::from_utf8_lossy(&connection.try_read_bytes()?).into_owned())
    };
    let pong = ask(&["PING"]).map_err(|error| error.to_string())?;
    let info = ask(&["INFO", "server"]).map_err(|error| error.to_string())?;
    let ours = format!("process_id:{process_id}\r\n");
    if pong == "+PONG\r\n" && info.contains(&ours) { Ok(()) } else { Err(pong) }
}
