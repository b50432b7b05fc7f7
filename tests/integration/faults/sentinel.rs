//! Sentinel finds out that the primary is dead, and promotes a replica that lacks its last commits.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::mem;
use std::process::Child;
use std::time::Duration;

use redis::Value;
use tempfile::TempDir;

use crate::harness::{DEADLINE, Raw, Server, free_port, start_sentinel, wait_until};

use super::failover::cut_off;
use super::link::{Directory, SENTINEL_SET};
use super::report::Report;
use super::restart::LOST_COMMITS;
use super::world::Setup;

/// A failover takes about two seconds, and some transactions shall last from before it until after it.
const LEASE: Duration = Duration::from_secs(3);

/// A sentinel looks at the servers every ten seconds when all is well.
const SENTINEL_DEADLINE: Duration = Duration::from_secs(40);

pub(super) fn promotes_a_replica(setup: Setup) -> Report {
    // Each round takes long, and the time is not the module's.
    let rounds = setup.rounds.min(2);
    let setup =
        Setup { rounds, reads: setup.reads * (setup.rounds / rounds) as u64, ..setup }.with_lease(LEASE);
    let mut primary = setup.server().start();
    let mut replica = setup.server().start();
    replica.replica_of(&primary);
    let sentinel = Sentinel::start(&primary);
    setup.perform(Directory::Sentinels(vec![sentinel.port]), |stage| {
        for _ in stage.rounds() {
            sentinel.wait_for_replica(&replica);
            cut_off(&replica, &primary);
            stage.until_commits(LOST_COMMITS);
            stage.fails();
            primary.kill9();
            sentinel.wait_for_primary(&replica);
            stage.recovers();
            // The old primary comes back as a replica from the start: a server that takes itself for the primary
            // until Sentinel tells it otherwise is outside the promise.
            let configuration = primary.dir().join("redis.conf");
            let mut configuration = OpenOptions::new().append(true).open(configuration).expect("a file");
            let lines = format!("replicaof 127.0.0.1 {}\nmasteruser \"\"\nmasterauth \"\"", replica.port());
            writeln!(configuration, "{lines}").expect("a line is written");
            for setting in ["masteruser", "masterauth"] {
                assert_eq!(replica.resp2().text(&["CONFIG", "SET", setting, ""]), "+OK\r\n");
            }
            primary.restart();
            mem::swap(&mut primary, &mut replica);
        }
    })
}

struct Sentinel {
    port: u16,
    process: Child,
    _directory: TempDir,
}

impl Sentinel {
    fn start(primary: &Server) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (port, set, path) = (free_port(), SENTINEL_SET, directory.path());
        let configuration = format!(
            "port {port}\nbind 127.0.0.1\ndir {path:?}\n\
             sentinel monitor {set} 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds {set} 300\n\
             sentinel failover-timeout {set} 10000\n",
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

    fn ask(&self, question: &str) -> Value {
        Raw::connect(self.port).expect("the sentinel answers").call(&["SENTINEL", question, SENTINEL_SET])
    }

    /// Waits until the sentinel would promote this server.
    fn wait_for_replica(&self, replica: &Server) {
        let port = replica.port().to_string();
        wait_until(SENTINEL_DEADLINE, "the sentinel knows a replica in good health", || {
            let replicas: Vec<std::collections::HashMap<String, String>> =
                redis::from_redis_value(self.ask("replicas")).expect("a list of maps");
            let healthy = replicas.iter().any(|replica| {
                let is =
                    |field: &str, expected: &str| replica.get(field).is_some_and(|value| value == expected);
                is("port", &port) && is("flags", "slave") && is("master-link-status", "ok")
            });
            if healthy { Ok(()) } else { Err(replicas) }
        });
    }

    fn wait_for_primary(&self, primary: &Server) {
        wait_until(SENTINEL_DEADLINE, "the sentinel has promoted the replica", || {
            let (_, port): (String, u16) =
                redis::from_redis_value(self.ask("get-master-addr-by-name")).expect("an address");
            if port == primary.port() { Ok(()) } else { Err(port) }
        });
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
