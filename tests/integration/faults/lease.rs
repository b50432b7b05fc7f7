//! A lease that is lowered while longer ones are running.

use std::mem;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::harness::Server;

use super::failover::promote;
use super::flush::command;
use super::link::{Directory, Link};
use super::report::Report;
use super::stage::Stage;
use super::world::Setup;

/// The lease that each round begins with.
const LONG: Duration = Duration::from_millis(1500);
const LOWERED: Duration = Duration::from_millis(50);

/// The lease is lowered on both servers. Then the primary dies, with transactions in flight that were given the long
/// lease; they commit at the end of it, when the new primary's own lease is long over.
pub(super) fn is_lowered_before_a_failover(setup: Setup) -> Report {
    let setup = setup.with_lease(LONG);
    let mut primary = setup.server().start();
    let mut replica = setup.server().start();
    setup.perform(Directory::told(primary.port()), |stage| {
        for _ in stage.rounds() {
            replica.replica_of(&primary);
            let slow = SlowWriter::record(stage);
            replica.catch_up_with(&primary);
            set_lease(stage, LOWERED, &[&primary, &replica]);
            stage.until_reads(setup.reads / 10);
            stage.fails();
            primary.kill9();
            promote(&replica);
            stage.primary_is(&replica);
            stage.goes_on();
            slow.commit_at_the_last_moment(stage);
            stage.recovers();
            set_lease(stage, LONG, &[&replica]);
            primary.restart();
            mem::swap(&mut primary, &mut replica);
        }
    })
}

fn set_lease(stage: &Stage, lease: Duration, servers: &[&Server]) {
    // No writer records meanwhile: it would count on the lease that was.
    let mut given = stage.world.lease.write().unwrap_or_else(PoisonError::into_inner);
    *given = lease;
    for server in servers {
        command(server, &["CONFIG", "SET", "alkey.lease-ms", &lease.as_millis().to_string()]);
    }
}

/// A writer that takes all the time that it was given, and then dies.
struct SlowWriter {
    lease_over: Instant,
}

impl SlowWriter {
    const ROW: usize = 7;

    fn record(stage: &Stage) -> Self {
        let subject = &stage.world.subjects.plain[Self::ROW];
        let mut record = redis::cmd("ALKEY.RECORD");
        record.arg(format!("alkey:tx:slow-{:?}", Instant::now())).arg(&subject.identifiers);
        let lease_over = Instant::now() + LONG;
        Link::new(&stage.world.directory).call::<u64>(&record).expect("nothing fails yet");
        Self { lease_over }
    }

    fn commit_at_the_last_moment(self, stage: &Stage) {
        let last_moment = self.lease_over.checked_sub(Duration::from_millis(200)).expect("a lease is longer");
        stage.world.wait_for_reads(u64::MAX / 2, last_moment);
        // Should the machine have been too busy, the database rolls back, and the round shows nothing.
        drop(stage.world.database.commit(&[Self::ROW], self.lease_over));
    }
}
