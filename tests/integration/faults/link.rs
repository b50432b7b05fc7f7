//! A client's way to the primary, wherever that is now.
//!
//! A call has an answer or none. It has none if the connection was lost, or if the server says that it is no primary,
//! is loading, or is out of memory: then a reader goes to the database and stores nothing, and a writer rolls back or
//! tries again. Any other error would be a mistake of the test or a defect of the module, and ends the test.

use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::Duration;

use redis::{Cmd, Connection, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult};

/// How the clients learn where the primary is.
pub(super) enum Directory {
    /// They are told, by the test.
    Told(AtomicU16),
    /// They ask the sentinel on this port.
    Sentinel(u16),
}

/// The set's name, as the sentinel knows it.
pub(super) const SENTINEL_SET: &str = "alkey";

/// A server that takes longer is as good as lost. One that is stopped for a while is not.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long to leave a server alone that can't be reached.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(1);

/// What a server answers that is healthy and can't do what it is asked, for now.
const REFUSALS: [&str; 5] = ["READONLY", "LOADING", "MASTERDOWN", "OOM", "UNBLOCKED"];

impl Directory {
    pub(super) fn told(port: u16) -> Self {
        Self::Told(AtomicU16::new(port))
    }

    fn primary(&self) -> RedisResult<u16> {
        match self {
            Self::Told(port) => Ok(port.load(Ordering::Acquire)),
            Self::Sentinel(port) => {
                let mut ask = redis::cmd("SENTINEL");
                ask.arg("get-master-addr-by-name").arg(SENTINEL_SET);
                ask.query(&mut connect(*port)?).map(|(_, port): (String, u16)| port)
            }
        }
    }
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
    connection: Option<Connection>,
}

/// There was no answer, or it was a refusal.
#[derive(Debug)]
pub(super) struct NoAnswer;

impl<'a> Link<'a> {
    pub(super) fn new(directory: &'a Directory) -> Self {
        Self { directory, connection: None }
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
        self.connection = None;
    }

    fn with_connection<T>(
        &mut self,
        call: impl FnOnce(&mut Connection) -> RedisResult<T>,
    ) -> Result<T, NoAnswer> {
        let outcome = match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.directory.primary().and_then(connect),
        };
        match outcome.map(|mut connection| (call(&mut connection), connection)) {
            Ok((Ok(answer), connection)) => {
                self.connection = Some(connection);
                Ok(answer)
            }
            Err(error) | Ok((Err(error), _)) => {
                let is_known = error.code().map_or(is_lost(&error), |code| REFUSALS.contains(&code));
                assert!(is_known, "the server answered with an error: {error}");
                thread::sleep(BETWEEN_ATTEMPTS);
                Err(NoAnswer)
            }
        }
    }
}

fn is_lost(error: &RedisError) -> bool {
    // A server that is killed in the middle of an answer makes it look malformed.
    matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse)
}
