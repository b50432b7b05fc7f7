//! A client's way to the primary, wherever that is now.
//!
//! A call has an answer or none. It has none if the connection was lost, or if the server says that it is no primary,
//! is loading, is out of memory, or that a slot is on its way: then a reader goes to the database and stores nothing,
//! and a writer rolls back or tries again. Any other error would be a mistake of the test or a defect of the module,
//! and ends the test.
//!
//! In a cluster each client knows one node, the one that served it last, and goes where that sends it: for good
//! (MOVED), or for this call (ASK). So all of them learn late and at different times that a slot is elsewhere.

use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::Duration;

use redis::{Cmd, Connection, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult};

use crate::harness::SENTINEL_SET;

/// How the clients learn where the primary is.
pub(super) enum Directory {
    /// They are told, by the test.
    Told(AtomicU16),
    /// They ask the first sentinel that answers, of those on these ports.
    Sentinels(Vec<u16>),
    /// They know the ports of all nodes of a cluster, and are sent on by whichever they ask.
    Cluster(Vec<u16>),
}

/// A server that takes longer is as good as lost. One that is stopped for a while is not.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long to leave a server alone that can't be reached.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(1);

/// What a server answers that is healthy and can't do what it is asked, for now.
const REFUSALS: [&str; 9] =
    ["READONLY", "LOADING", "MASTERDOWN", "OOM", "UNBLOCKED", "TRYAGAIN", "CLUSTERDOWN", "MOVED", "ASK"];

/// How often a call is sent on: a node that was asked late may send to one that no longer serves the slot.
const REDIRECTIONS_MAX: usize = 5;

impl Directory {
    pub(super) fn told(port: u16) -> Self {
        Self::Told(AtomicU16::new(port))
    }

    /// Where the primary is, as far as can be told by one who was with `last`.
    fn primary(&self, last: Option<u16>) -> RedisResult<u16> {
        match self {
            Self::Told(port) => Ok(port.load(Ordering::Acquire)),
            Self::Sentinels(ports) => first_ok(ports, |port| {
                let mut ask = redis::cmd("SENTINEL");
                ask.arg("get-master-addr-by-name").arg(SENTINEL_SET);
                ask.query(&mut connect(port)?).map(|(_, port): (String, u16)| port)
            }),
            Self::Cluster(ports) => Ok(last.unwrap_or(ports[0])),
        }
    }

    /// Whom to ask next if there is no answer from `port`.
    fn after(&self, port: u16) -> u16 {
        match self {
            Self::Cluster(ports) => {
                let known = ports.iter().position(|node| *node == port);
                ports[known.map_or(0, |known| (known + 1) % ports.len())]
            }
            Self::Told(_) | Self::Sentinels(_) => port,
        }
    }
}

fn first_ok(ports: &[u16], ask: impl Fn(u16) -> RedisResult<u16>) -> RedisResult<u16> {
    let (last, others) = ports.split_last().expect("there is a sentinel");
    others.iter().find_map(|port| ask(*port).ok()).map_or_else(|| ask(*last), Ok)
}

fn connect(port: u16) -> RedisResult<Connection> {
    let address = redis::IntoConnectionInfo::into_connection_info(("127.0.0.1", port))?;
    let silent = redis::RedisConnectionInfo::default().set_skip_set_lib_name();
    let client = redis::Client::open(address.set_redis_settings(silent))?;
    let connection = client.get_connection_with_timeout(TIMEOUT)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    Ok(connection)
}

pub(super) struct Link<'a> {
    directory: &'a Directory,
    /// With whom it was last.
    port: Option<u16>,
    connection: Option<Connection>,
    /// The node of a cluster that it was sent to for one call, and may be again.
    aside: Option<(u16, Connection)>,
}

/// There was no answer, or it was a refusal.
#[derive(Debug)]
pub(super) struct NoAnswer;

impl<'a> Link<'a> {
    pub(super) fn new(directory: &'a Directory) -> Self {
        Self { directory, port: None, connection: None, aside: None }
    }

    pub(super) fn call<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, NoAnswer> {
        self.with_connection(|connection| command.query(connection))
    }

    /// As `call`, several commands as one.
    pub(super) fn call_all<T: FromRedisValue>(&mut self, commands: &Pipeline) -> Result<T, NoAnswer> {
        self.with_connection(|connection| commands.query(connection))
    }

    /// Sends a command and dies, without knowing what came of it.
    pub(super) fn send_and_die(&mut self, command: &Cmd) {
        // It may not even have been sent, which is as well.
        drop(
            self.with_connection(|connection| connection.send_packed_command(&command.get_packed_command())),
        );
        self.die();
    }

    /// Closes the connection, as the death of the client would.
    pub(super) fn die(&mut self) {
        (self.connection, self.aside) = (None, None);
    }

    fn with_connection<T>(
        &mut self,
        call: impl Fn(&mut Connection) -> RedisResult<T>,
    ) -> Result<T, NoAnswer> {
        let mut outcome = self.at_primary(&call);
        for _ in 0..REDIRECTIONS_MAX {
            let Err(error) = &outcome else { break };
            let Some((port, is_for_good)) = redirection(error) else { break };
            outcome = if is_for_good {
                (self.port, self.connection) = (Some(port), None);
                self.at_primary(&call)
            } else {
                self.at_node_aside(port, &call)
            };
        }
        outcome.map_err(|error| {
            let is_known = error.code().map_or(is_lost(&error), |code| REFUSALS.contains(&code));
            assert!(is_known, "the server answered with an error: {error}");
            thread::sleep(BETWEEN_ATTEMPTS);
            NoAnswer
        })
    }

    fn at_primary<T>(&mut self, call: &impl Fn(&mut Connection) -> RedisResult<T>) -> RedisResult<T> {
        let mut connection = if let Some(connection) = self.connection.take() {
            connection
        } else {
            let port = self.directory.primary(self.port)?;
            self.port = Some(port);
            connect(port).inspect_err(|_| self.port = Some(self.directory.after(port)))?
        };
        let outcome = call(&mut connection);
        if outcome.as_ref().err().is_none_or(|error| redirection(error).is_some()) {
            self.connection = Some(connection);
        }
        outcome
    }

    fn at_node_aside<T>(
        &mut self,
        port: u16,
        call: &impl Fn(&mut Connection) -> RedisResult<T>,
    ) -> RedisResult<T> {
        let mut connection = match self.aside.take() {
            Some((known, connection)) if known == port => connection,
            _ => connect(port)?,
        };
        redis::cmd("ASKING").exec(&mut connection)?;
        let outcome = call(&mut connection);
        if outcome.as_ref().err().is_none_or(|error| error.code().is_some()) {
            self.aside = Some((port, connection));
        }
        outcome
    }
}

/// The port of the node that a client is sent to, and whether it is for good.
fn redirection(error: &RedisError) -> Option<(u16, bool)> {
    let (address, _) = error.redirect_node()?;
    let port = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    Some((port.expect("an address with a port"), error.code() == Some("MOVED")))
}

fn is_lost(error: &RedisError) -> bool {
    // A server that is killed in the middle of an answer makes it look malformed.
    matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse)
}
