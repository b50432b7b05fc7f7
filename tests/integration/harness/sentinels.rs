//! Sentinels, which watch a primary and its replicas, and promote one of them when the primary is gone.

use std::collections::HashMap;
use std::fs::{self, File};
use std::process::Child;
use std::time::Duration;

use tempfile::TempDir;

use super::process::start_sentinel;
use super::{DEADLINE, Raw, Server, free_port, wait_until};

/// The primary's name, as the sentinels know it.
pub(crate) const SENTINEL_SET: &str = "alkey";

/// A sentinel looks at the servers every ten seconds when all is well.
const SENTINEL_DEADLINE: Duration = Duration::from_secs(40);

/// So many sentinels have to agree.
const QUORUM: usize = 2;

/// Three sentinels. Dropping them ends their processes.
pub(crate) struct Sentinels([Sentinel; 3]);

struct Sentinel {
    port: u16,
    process: Child,
    _directory: TempDir,
}

impl Sentinels {
    /// Starts them, and waits until they know each other.
    #[track_caller]
    pub(crate) fn start(primary: &Server) -> Self {
        Self::start_as(primary, None)
    }

    /// As `start`; they log in at the servers as this user, with this password.
    #[track_caller]
    pub(crate) fn start_as(primary: &Server, user: Option<(&str, &str)>) -> Self {
        let login = user.map_or(String::new(), |(name, password)| {
            format!(
                "sentinel auth-user {SENTINEL_SET} {name}\nsentinel auth-pass {SENTINEL_SET} {password}\n"
            )
        });
        let sentinels = Self([(); 3].map(|()| Sentinel::start(primary, &login)));
        for sentinel in &sentinels.0 {
            wait_until(SENTINEL_DEADLINE, "the sentinels know each other", || {
                let (known, quorum) = (sentinel.ask("sentinels"), sentinel.ask("ckquorum"));
                let all = matches!(&known, redis::Value::Array(others) if others.len() == 2);
                let agree = matches!(quorum, redis::Value::SimpleString(_));
                if all && agree { Ok(()) } else { Err((known, quorum)) }
            });
        }
        sentinels
    }

    pub(crate) fn ports(&self) -> Vec<u16> {
        self.0.iter().map(|sentinel| sentinel.port).collect()
    }

    /// Waits until all of them would promote this server.
    #[track_caller]
    pub(crate) fn wait_for_replica(&self, replica: &Server) {
        let port = replica.port().to_string();
        for sentinel in &self.0 {
            wait_until(SENTINEL_DEADLINE, "a sentinel knows a replica in good health", || {
                let replicas: Vec<HashMap<String, String>> =
                    redis::from_redis_value(sentinel.ask("replicas")).expect("a list of maps");
                let healthy = replicas.iter().any(|replica| {
                    let is = |field: &str, expected: &str| {
                        replica.get(field).is_some_and(|value| value == expected)
                    };
                    is("port", &port) && is("flags", "slave") && is("master-link-status", "ok")
                });
                if healthy { Ok(()) } else { Err(replicas) }
            });
        }
    }

    /// Waits until all of them say that one of these servers is the primary. Tells which.
    #[track_caller]
    pub(crate) fn wait_for_primary(&self, candidates: &[&Server]) -> usize {
        let told = self.0.each_ref().map(|sentinel| {
            wait_until(SENTINEL_DEADLINE, "a sentinel has promoted a replica", || {
                let (_, port): (String, u16) =
                    redis::from_redis_value(sentinel.ask("get-master-addr-by-name")).expect("an address");
                candidates.iter().position(|candidate| candidate.port() == port).ok_or(port)
            })
        });
        assert_eq!(told, [told[0]; 3], "the sentinels agree");
        told[0]
    }
}

impl Sentinel {
    fn start(primary: &Server, login: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (port, set, path) = (free_port(), SENTINEL_SET, directory.path());
        let configuration = format!(
            "port {port}\nbind 127.0.0.1\ndir {path:?}\n\
             sentinel monitor {set} 127.0.0.1 {} {QUORUM}\n\
             sentinel down-after-milliseconds {set} 300\n\
             sentinel failover-timeout {set} 10000\n{login}",
            primary.port()
        );
        let file = path.join("sentinel.conf");
        fs::write(&file, configuration).expect("the temporary directory is writable");
        let log = File::create(path.join("log")).expect("the temporary directory is writable");
        let process = start_sentinel(&file, &log);
        let sentinel = Self { port, process, _directory: directory };
        wait_until(DEADLINE, "the sentinel answers", || Raw::connect(port).map(drop));
        sentinel
    }

    fn ask(&self, question: &str) -> redis::Value {
        Raw::connect(self.port).expect("the sentinel answers").call(&["SENTINEL", question, SENTINEL_SET])
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
