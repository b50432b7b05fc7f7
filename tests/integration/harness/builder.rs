//! What a server is started with.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::Path;
use std::{fs, iter};

use super::port::free_port;
use super::process::Variable;
use super::{DEADLINE, Server, module_path, wait_until};

/// The configuration of a server; `start` makes the server.
#[derive(Clone, Default)]
pub(crate) struct Builder {
    /// The configuration that comes first: any other line overrides it.
    base: String,
    config: String,
    module_args: String,
    without_module: bool,
    cluster: bool,
    environment: Vec<Variable>,
}

impl Builder {
    /// A whole configuration file to start from. What the harness needs overrides it, as arguments on the command
    /// line do.
    pub(crate) fn based_on(mut self, file: &Path) -> Self {
        self.base = format!("include {file:?}\n");
        self
    }

    /// A server that does not load the module, so that a test can.
    pub(crate) fn without_module(mut self) -> Self {
        self.without_module = true;
        self
    }

    /// A line of the configuration file, in its syntax: `config("save", "900 1")`.
    pub(crate) fn config(mut self, name: &str, value: &str) -> Self {
        writeln!(self.config, "{name} {value}").expect("a string takes any text");
        self
    }

    /// An argument of the line that loads the module: `module_arg("lease-ms", "100")`.
    pub(crate) fn module_arg(mut self, name: &str, value: &str) -> Self {
        write!(self.module_args, " {name} {value}").expect("a string takes any text");
        self
    }

    /// A variable of the environment that the server runs in.
    pub(crate) fn environment(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// A cluster of this one node, which owns all slots.
    pub(crate) fn cluster(mut self) -> Self {
        self.cluster = true;
        self.config("cluster-enabled", "yes")
    }

    /// Starts the server, and waits until it answers.
    #[track_caller]
    pub(crate) fn start(self) -> Server {
        self.try_start().unwrap_or_else(|log| panic!("the server did not start; its log:\n{log}"))
    }

    /// As `start`; if the server refuses to start, gives its log.
    #[track_caller]
    pub(crate) fn try_start(self) -> Result<Server, String> {
        self.try_start_on_first_free(iter::repeat_with(free_port).take(10))
    }

    /// As `try_start`, on the first of these ports that no other process has taken.
    #[track_caller]
    pub(crate) fn try_start_on_first_free(
        self,
        ports: impl IntoIterator<Item = u16>,
    ) -> Result<Server, String> {
        let mut outcome = Err("there is no port to try".to_owned());
        for port in ports {
            outcome = self.try_start_on(port);
            if !matches!(&outcome, Err(log) if log.contains("Address already in use")) {
                break;
            }
        }
        outcome
    }

    #[track_caller]
    fn try_start_on(&self, port: u16) -> Result<Server, String> {
        let directory =
            tempfile::Builder::new().prefix("alkey-test-").tempdir().expect("a temporary directory");
        let load_line = if self.without_module {
            String::new()
        } else {
            format!("loadmodule {:?}{}\n", module_path(), self.module_args)
        };
        let config = format!(
            "{base}port {port}\nbind 127.0.0.1\ndir {directory:?}\nsave \"\"\n\
             enable-debug-command yes\nrepl-diskless-sync-delay 0\n{load_line}{config}",
            base = self.base,
            directory = directory.path(),
            config = self.config,
        );
        fs::write(directory.path().join("redis.conf"), config).expect("the temporary directory is writable");
        let mut server = Server::stopped(port, directory, self.environment.clone());
        server.launch()?;
        if self.cluster {
            let mut raw = server.resp2();
            assert_eq!(raw.text(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]), "+OK\r\n");
            wait_until(DEADLINE, "the cluster is up", || {
                let state = raw.text(&["CLUSTER", "INFO"]);
                if state.contains("cluster_state:ok") { Ok(()) } else { Err(state) }
            });
        }
        Ok(server)
    }
}
