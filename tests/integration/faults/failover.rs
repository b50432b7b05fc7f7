//! A replica that was cut off while commits went on is made the primary.

use std::mem;

use crate::harness::{DEADLINE, Server, wait_until};

use super::link::Directory;
use super::report::Report;
use super::restart::LOST_COMMITS;
use super::world::Setup;

/// The primary is killed, and a replica promoted that lacks its last commits.
pub(super) fn to_a_replica_cut_off(setup: Setup) -> Report {
    let mut primary = setup.server().start();
    let mut replica = setup.server().start();
    setup.perform(Directory::told(primary.port()), |stage| {
        for _ in stage.rounds() {
            replica.replica_of(&primary);
            cut_off(&replica, &primary);
            stage.until_commits(LOST_COMMITS);
            stage.fails();
            primary.kill9();
            promote(&replica);
            stage.primary_is(&replica);
            stage.recovers();
            // The old primary comes back empty, to be the next replica.
            primary.restart();
            mem::swap(&mut primary, &mut replica);
        }
    })
}

/// A primary hands over to its replica, becomes a replica itself by no more than a partial resynchronization, and is
/// promoted again when it lacks the last commits. Its memory is never emptied.
pub(super) fn back_and_forth_by_partial_resync(setup: Setup) -> Report {
    let first = setup.server().start();
    let mut second = setup.server().start();
    setup.perform(Directory::told(first.port()), |stage| {
        for _ in stage.rounds() {
            second.replica_of(&first);
            stage.fails();
            hand_over(&first, &second);
            stage.primary_is(&second);
            stage.recovers();

            let resyncs = |field: &str| second.info("stats", field);
            assert_eq!(resyncs("sync_full").as_deref(), Some("0"), "a full resync");
            assert_ne!(resyncs("sync_partial_ok").as_deref(), Some("0"), "no partial resync");
            cut_off(&first, &second);
            stage.until_commits(LOST_COMMITS);
            stage.fails();
            second.kill9();
            promote(&first);
            stage.primary_is(&first);
            stage.recovers();
            second.restart();
        }
    })
}

/// The orderly way, which loses nothing, but for what is in flight.
fn hand_over(primary: &Server, replica: &Server) {
    assert_eq!(primary.resp2().text(&["FAILOVER"]), "+OK\r\n");
    for (server, role) in [(replica, "master"), (primary, "slave")] {
        wait_until(DEADLINE, "the roles are exchanged", || {
            server.info("replication", "role").filter(|now| now == role).ok_or("they are not")
        });
    }
    wait_until(DEADLINE, "the old primary is in sync", || {
        primary.info("replication", "master_link_status").filter(|status| status == "up").ok_or("it is not")
    });
}

/// Cuts the connection between a replica and its primary, for good: the replica has been given a password that the
/// primary refuses. What had been sent before the cut may have arrived, nothing after it does.
pub(super) fn cut_off(replica: &Server, primary: &Server) {
    for (setting, value) in [("masteruser", "nobody"), ("masterauth", "wrong")] {
        assert_eq!(replica.resp2().text(&["CONFIG", "SET", setting, value]), "+OK\r\n");
    }
    let killed = primary.resp2().text(&["CLIENT", "KILL", "TYPE", "replica"]);
    assert_eq!(killed, ":1\r\n", "one replica was connected");
    wait_until(DEADLINE, "the replica is cut off", || {
        replica.info("replication", "master_link_status").filter(|status| status == "down").ok_or("it is not")
    });
}

/// Makes a replica the primary.
pub(super) fn promote(replica: &Server) {
    let mut connection = replica.resp2();
    assert_eq!(connection.text(&["REPLICAOF", "NO", "ONE"]), "+OK\r\n");
    // It may be a replica again some day.
    for setting in ["masteruser", "masterauth"] {
        assert_eq!(connection.text(&["CONFIG", "SET", setting, ""]), "+OK\r\n");
    }
}
