//! The server processes, and why none of them outlives the tests.
//!
//! A `Server` ends its process when it is dropped. But a test binary that is killed, or aborts, drops nothing.
//! So each server asks the kernel to be killed when its parent ends, through util-linux' `setpriv`, which sets
//! this and then becomes the server (same process id). "Parent" means the *thread* that started it, so that one
//! thread, which lives as long as the process, starts them all: a test's own thread ends with the test.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;

type Start = (Command, mpsc::Sender<io::Result<Child>>);

/// A variable of a process's environment, and its value.
pub(crate) type Variable = (String, OsString);

/// Starts a redis-server with this configuration file, in this environment beside that of the tests. What it
/// prints is appended to `log`.
pub(crate) fn start_redis_server(config: &Path, environment: &[Variable], log: &File) -> Child {
    start(config, &[], environment, log)
}

/// Starts a sentinel, which is the same program.
pub(crate) fn start_sentinel(config: &Path, log: &File) -> Child {
    start(config, &["--sentinel"], &[], log)
}

fn start(config: &Path, arguments: &[&str], environment: &[Variable], log: &File) -> Child {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(redis_server())
        .arg(config)
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("the log can be opened twice"))
        .stderr(log.try_clone().expect("the log can be opened twice"));

    let (reply, started) = mpsc::channel();
    starter().send((command, reply)).expect("the starting thread never ends");
    let child = started.recv().expect("the starting thread answers");
    child.unwrap_or_else(|error| panic!("can't run setpriv (package util-linux): {error}"))
}

/// The way to the one thread that starts all servers.
fn starter() -> &'static mpsc::Sender<Start> {
    static STARTER: OnceLock<mpsc::Sender<Start>> = OnceLock::new();
    STARTER.get_or_init(|| {
        let (sender, starts) = mpsc::channel::<Start>();
        thread::spawn(move || {
            for (mut command, reply) in starts {
                reply.send(command.spawn()).expect("the test waits for its server");
            }
        });
        sender
    })
}

/// `ALKEY_REDIS_SERVER` if it is set, else the one on PATH, else the one that the scripts made.
fn redis_server() -> PathBuf {
    if let Some(chosen) = env::var_os("ALKEY_REDIS_SERVER").filter(|chosen| !chosen.is_empty()) {
        return PathBuf::from(chosen);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let made_by_scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    env::split_paths(&path)
        .chain([made_by_scripts])
        .map(|directory| directory.join("redis-server"))
        .find(|program| program.is_file())
        .expect("no redis-server on PATH: run the tests with scripts/test, which brings one, or set ALKEY_REDIS_SERVER")
}
