//! Three sentinels find out that the primary is dead, and promote a replica that lacks its last commits.

use std::fs::OpenOptions;
use std::io::Write;
use std::mem;
use std::time::Duration;

use crate::harness::Sentinels;

use super::failover::cut_off;
use super::link::Directory;
use super::report::Report;
use super::restart::LOST_COMMITS;
use super::world::Setup;

/// A failover takes about two seconds, and some transactions shall last from before it until after it.
const LEASE: Duration = Duration::from_secs(3);

pub(super) fn promotes_a_replica(setup: Setup) -> Report {
    // Each round takes long, and the time is not the module's.
    let rounds = setup.rounds.min(2);
    let setup =
        Setup { rounds, reads: setup.reads * (setup.rounds / rounds) as u64, ..setup }.with_lease(LEASE);
    let mut primary = setup.server().start();
    let mut replica = setup.server().start();
    replica.replica_of(&primary);
    let sentinels = Sentinels::start(&primary);
    setup.perform(Directory::Sentinels(sentinels.ports()), |stage| {
        for _ in stage.rounds() {
            sentinels.wait_for_replica(&replica);
            cut_off(&replica, &primary);
            stage.until_commits(LOST_COMMITS);
            stage.fails();
            primary.kill9();
            sentinels.wait_for_primary(&[&replica]);
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
