//! A redis-server with the module, for measuring: its own directory and port, and ended when dropped.

use crate::load::call;
use crate::paths;
use anyhow::{Context, Result, bail};
use redis::{Connection, Value};
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A busy machine may be slow to start a server, above all under callgrind, and one that loads millions of rows is.
const DEADLINE: Duration = Duration::from_secs(300);

/// A running server.
pub(crate) struct Server {
    process: Child,
    port: u16,
    directory: PathBuf,
    /// Goes with the server. None if the directory is another's.
    own: Option<TempDir>,
}

impl Server {
    /// A server that is settled: its grace is over, and its lease is a day, so nothing in flight is committed while it
    /// is measured. Its tables may have any number of rows.
    pub(crate) fn start() -> Result<Self> {
        let server = Self::start_with("")?;
        server.settle("alkey")?;
        Ok(server)
    }

    /// A server with these lines in its configuration, in grace yet.
    pub(crate) fn start_with(config: &str) -> Result<Self> {
        let directory = temporary()?;
        Self::launch(directory.path().to_path_buf(), Some(directory), &[], config)
    }

    /// The same under callgrind, with options for it. It is up to the caller what a count says.
    pub(crate) fn start_counted(options: &[&str]) -> Result<Self> {
        let directory = temporary()?;
        let profile = format!("--callgrind-out-file={}", directory.path().join("profile").display());
        let wrapper = [&["valgrind", "--quiet", "--tool=callgrind", profile.as_str()], options].concat();
        let server = Self::launch(directory.path().to_path_buf(), Some(directory), &wrapper, "")?;
        server.settle("alkey")?;
        Ok(server)
    }

    /// Starts a server with another's dump, which must have ended.
    pub(crate) fn start_in(directory: &Path) -> Result<Self> {
        Self::launch(directory.to_path_buf(), None, &[], "")
    }

    fn launch(directory: PathBuf, own: Option<TempDir>, wrapper: &[&str], more: &str) -> Result<Self> {
        let port = free_port()?;
        let config = format!(
            "bind 127.0.0.1\nport {port}\ndir \"{directory}\"\nsave \"\"\nslowlog-log-slower-than -1\n\
             loadmodule \"{module}\" lease-ms 1 max-rows 1000000000\n{more}",
            directory = directory.display(),
            module = paths::module()?.display(),
        );
        fs::write(directory.join("redis.conf"), config)?;
        let log = File::options().create(true).append(true).open(directory.join("log"))?;
        let process = Command::new("setpriv")
            // The server ends with this program, however that ends.
            .args(["--pdeathsig", "KILL", "--"])
            .args(wrapper)
            .arg(paths::redis_server()?)
            .arg(directory.join("redis.conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("can't run setpriv (package util-linux)")?;
        let mut server = Self { process, port, directory, own };
        server.wait_until_it_answers()?;
        Ok(server)
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait()? {
                bail!("the server ended, {status}; its log:\n{}", self.log());
            }
            // While it loads its data, a server answers with an error.
            if self.connect().is_ok_and(|mut connection| call(&mut connection, &["PING"]).is_ok()) {
                return Ok(());
            }
            if start.elapsed() > DEADLINE {
                bail!("the server does not answer for {DEADLINE:?}; its log:\n{}", self.log());
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until a namespace is out of grace; from then on nothing in flight is committed.
    pub(crate) fn settle(&self, namespace: &str) -> Result<()> {
        let mut connection = self.connect()?;
        call(&mut connection, &["CONFIG", "SET", "alkey.lease-ms", "1"])?;
        let row = format!("{namespace}:users#0");
        let start = Instant::now();
        loop {
            let reply = call(&mut connection, &["ALKEY.LOOKUP", &row])?;
            if matches!(&reply, Value::Array(fields) if matches!(fields.get(3), Some(Value::Int(0..)))) {
                break;
            }
            if start.elapsed() > DEADLINE {
                bail!("the server did not settle for {DEADLINE:?}; it answers {reply:?}");
            }
        }
        call(&mut connection, &["CONFIG", "SET", "alkey.lease-ms", "86400000"])?;
        Ok(())
    }

    pub(crate) fn connect(&self) -> Result<Connection> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}/", self.port))?;
        let connection = client.get_connection_with_timeout(DEADLINE)?;
        connection.set_read_timeout(Some(DEADLINE))?;
        Ok(connection)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// The CPU time of all threads of the process, in nanoseconds. It is exact while the server waits for a command.
    pub(crate) fn cpu_ns(&self) -> Result<u64> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.process.id()))?;
        threads.map(|thread| Ok(schedule(&thread?.path())?.0)).sum()
    }

    /// For how long the server's own thread could have run, but had no CPU, in nanoseconds.
    pub(crate) fn waited_ns(&self) -> Result<u64> {
        Ok(schedule(Path::new(&format!("/proc/{}", self.process.id())))?.1)
    }

    /// Shuts the server down without saving, and waits until it has ended.
    pub(crate) fn stop(mut self) -> Result<Option<TempDir>> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(self.own.take())
    }
}

/// A field of INFO.
pub(crate) fn info(connection: &mut Connection, section: &str, field: &str) -> Result<String> {
    let text: String = redis::from_redis_value(call(connection, &["INFO", section])?)?;
    let found = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    Ok(found.with_context(|| format!("INFO {section} has no field {field}"))?.to_owned())
}

/// For how long a thread had a CPU, and for how long it waited for one.
fn schedule(thread: &Path) -> Result<(u64, u64)> {
    let path = thread.join("schedstat");
    let text = fs::read_to_string(&path).with_context(|| {
        format!("can't read {}: a kernel with CONFIG_SCHED_INFO is needed", path.display())
    })?;
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(ran)), Some(Ok(waited))) => Ok((ran, waited)),
        _ => bail!("{} does not begin with two numbers: {text:?}", path.display()),
    }
}

/// The port that the system gives for this moment. Another process may still take it; then the log says so.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn temporary() -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("alkey-bench-").tempdir()?)
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody left to tell.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
