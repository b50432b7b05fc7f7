//! The plans that are explored, each in three sizes: one for every build, one for every build with optimisation, and
//! one for a night.

use super::plan::FaultKind::{
    CallBack, Failover, Flip, Flush, LowerLease, Migrate, Reassign, Restart, RestartAtRest, Restore, Swap,
};
use super::plan::Kind::{Relaxed, RelaxedReplica, RelaxedSnapshot, Strict, StrictSnapshot};
use super::plan::{Kind, Named, Plan, ReaderPlan, WriterPlan};

/// How much to explore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// Tens of thousands of states.
    Small,
    /// Up to five million.
    Medium,
    /// As much as fits in an hour.
    Large,
}

impl Size {
    /// What is explored in every run.
    pub(super) fn everyday() -> Self {
        if cfg!(debug_assertions) { Self::Small } else { Self::Medium }
    }

    fn of<T>(self, small: T, medium: T, large: T) -> T {
        match self {
            Self::Small => small,
            Self::Medium => medium,
            Self::Large => large,
        }
    }
}

const ROW: &[&str] = &["alkey:t#1"];
const OTHER_ROW: &[&str] = &["alkey:t#2"];
const BOTH_ROWS: &[&str] = &["alkey:t#1", "alkey:t#2"];
const TABLE: &[&str] = &["alkey:t#*"];
const EVERYTHING: &[&str] = &["alkey:*#*"];

const STRICT: &[Kind] = &[Strict];
const STRICT_BOTH: &[Kind] = &[Strict, StrictSnapshot];
const SHARING: &[Kind] = &[Strict, Relaxed];
const WITH_REPLICA: &[Kind] = &[Strict, RelaxedReplica];
const ALL_AFTER_KEY: &[Kind] = &[Strict, StrictSnapshot, Relaxed];
const ALL_KINDS: &[Kind] = &[Strict, StrictSnapshot, Relaxed, RelaxedSnapshot];

fn writer(identifiers: &'static [&'static str]) -> WriterPlan {
    WriterPlan { identifiers, ..WriterPlan::default() }
}

fn reader(identifiers: &'static [&'static str], reads: usize, kinds: &'static [Kind]) -> ReaderPlan {
    ReaderPlan { identifiers, reads, kinds }
}

/// Everything at once, and nothing goes wrong but that writers die.
pub(super) fn nothing_goes_wrong(size: Size) -> Plan {
    let readers = size.of(1, 2, 2);
    Plan {
        name: "nothing goes wrong",
        writers: vec![writer(ROW); 2],
        readers: vec![reader(ROW, 2, size.of(STRICT_BOTH, STRICT_BOTH, ALL_AFTER_KEY)); readers],
        ..Plan::default()
    }
}

/// A replica that lags takes over from under two writers.
pub(super) fn one_failover(size: Size) -> Plan {
    Plan {
        name: "two writers, a failover",
        writers: vec![writer(ROW); size.of(1, 2, 2)],
        readers: vec![reader(ROW, 2, size.of(STRICT_BOTH, STRICT_BOTH, ALL_AFTER_KEY)); size.of(1, 1, 2)],
        milliseconds: size.of(4, 5, 4),
        faults: vec![Failover],
        faults_max: 1,
        ..Plan::default()
    }
}

/// A failover, or a restart from a dump that may be old or empty, from under two readers.
pub(super) fn one_loss(size: Size) -> Plan {
    Plan {
        name: "two readers, a failover or restart",
        readers: vec![reader(ROW, size.of(1, 2, 3), STRICT_BOTH); 2],
        milliseconds: size.of(3, 5, 5),
        faults: vec![Failover, Restart],
        faults_max: 1,
        ..Plan::default()
    }
}

/// A failover while the one before is not digested.
pub(super) fn two_failovers(size: Size) -> Plan {
    Plan {
        name: "two readers, two failovers",
        readers: vec![reader(ROW, 2, size.of(STRICT, STRICT, STRICT_BOTH)); size.of(1, 2, 2)],
        milliseconds: size.of(4, 5, 5),
        faults: vec![Failover],
        faults_max: 2,
        ..Plan::default()
    }
}

/// Two of anything that can happen to one server and its replica.
pub(super) fn any_two_faults(size: Size) -> Plan {
    Plan {
        name: "any two faults",
        writers: vec![WriterPlan { transactions: size.of(1, 1, 2), ..writer(ROW) }],
        readers: vec![reader(ROW, 2, size.of(STRICT, STRICT_BOTH, STRICT_BOTH))],
        milliseconds: size.of(3, 5, 6),
        faults: vec![Flush, Failover, Restart, Swap, Flip, Restore],
        faults_max: 2,
        ..Plan::default()
    }
}

/// Strict and relaxed readers share a cache through two faults. Relaxed ones are owed something, too.
pub(super) fn sharing_a_cache(size: Size) -> Plan {
    Plan {
        name: "strict and relaxed readers, two faults",
        readers: vec![reader(ROW, 2, size.of(SHARING, SHARING, ALL_KINDS))],
        milliseconds: size.of(4, 6, 6),
        faults: vec![Flush, Failover, Swap, Flip],
        faults_max: size.of(1, 2, 2),
        ..Plan::default()
    }
}

/// Messages of a writer that come twice, late, or with some of the identifiers, around a failover.
pub(super) fn messages(size: Size) -> Plan {
    let own = WriterPlan {
        transactions: size.of(1, 1, 2),
        records: 2,
        records_some: true,
        rolls_back: true,
        commit_names: &[Named::None, Named::Some, Named::All],
        ..writer(BOTH_ROWS)
    };
    Plan {
        name: "messages twice, late and in part",
        writers: vec![own],
        readers: vec![reader(OTHER_ROW, 2, size.of(STRICT, SHARING, ALL_AFTER_KEY))],
        milliseconds: 5,
        faults: vec![Failover],
        faults_max: size.of(0, 1, 1),
        strays_max: size.of(1, 1, 2),
        ..Plan::default()
    }
}

/// A transaction of which only some identifiers were recorded again, beside another that changes the others.
pub(super) fn leases_in_part(size: Size) -> Plan {
    let own = WriterPlan { records: 2, records_some: true, ..writer(BOTH_ROWS) };
    Plan {
        name: "leases in part",
        writers: vec![own, writer(OTHER_ROW)],
        readers: vec![reader(OTHER_ROW, 2, size.of(STRICT, STRICT, ALL_AFTER_KEY))],
        milliseconds: size.of(4, 5, 5),
        faults: vec![Flush],
        faults_max: size.of(0, 0, 1),
        ..Plan::default()
    }
}

/// A bulk update of a table beside one of a row, and a reader of two rows.
pub(super) fn a_whole_table(size: Size) -> Plan {
    Plan {
        name: "a whole table, flushed",
        writers: vec![writer(TABLE), writer(ROW)],
        readers: vec![reader(BOTH_ROWS, 2, size.of(STRICT, STRICT_BOTH, ALL_AFTER_KEY))],
        milliseconds: size.of(3, 4, 5),
        faults: vec![Flush],
        faults_max: size.of(0, 1, 2),
        ..Plan::default()
    }
}

/// An update of anything beside one of a row, and a reader of a table.
pub(super) fn everything_at_once(size: Size) -> Plan {
    Plan {
        name: "everything, swept",
        writers: vec![writer(EVERYTHING), writer(ROW)],
        readers: vec![reader(TABLE, 2, size.of(STRICT, STRICT_BOTH, ALL_AFTER_KEY))],
        milliseconds: size.of(3, 4, 5),
        faults: vec![Flush, Flip],
        faults_max: size.of(0, 1, 2),
        ..Plan::default()
    }
}

/// Everything is swept again and again, and rows are written in between: no key may come back.
pub(super) fn sweeps_over_and_over(size: Size) -> Plan {
    Plan {
        name: "sweeps over and over",
        writers: [EVERYTHING, OTHER_ROW]
            .map(|identifiers| WriterPlan { transactions: 2, ..writer(identifiers) })
            .into(),
        readers: vec![reader(ROW, 2, size.of(STRICT, STRICT, STRICT_BOTH))],
        milliseconds: size.of(0, 2, 3),
        ..Plan::default()
    }
}

/// A table that may hold one row, so that every second commit raises floors.
pub(super) fn floors(size: Size) -> Plan {
    Plan {
        name: "floors that rise",
        writers: vec![writer(ROW), writer(OTHER_ROW)],
        readers: size.of(
            vec![reader(ROW, 2, STRICT)],
            vec![reader(ROW, 2, STRICT), reader(OTHER_ROW, 2, STRICT)],
            vec![reader(ROW, 2, STRICT_BOTH), reader(OTHER_ROW, 2, STRICT)],
        ),
        milliseconds: size.of(3, 4, 4),
        faults: vec![Failover],
        faults_max: size.of(0, 0, 1),
        rows_max: 1,
        ..Plan::default()
    }
}

/// `alkey.lease-ms` is lowered while transactions hold longer leases, and a replica that knows of them takes over.
pub(super) fn a_lowered_lease(size: Size) -> Plan {
    Plan {
        name: "a lowered lease",
        readers: vec![reader(ROW, 2, size.of(STRICT, STRICT, ALL_AFTER_KEY))],
        milliseconds: size.of(5, 6, 6),
        lease_ms: 3,
        faults: size.of(
            vec![LowerLease, Swap],
            vec![LowerLease, Swap, Failover],
            vec![LowerLease, Swap, Failover],
        ),
        faults_max: size.of(2, 3, 3),
        nothing_is_lost: true,
        ..Plan::default()
    }
}

/// A slot moves to another shard, perhaps without its namespace, and perhaps back.
pub(super) fn a_slot_that_moves(size: Size) -> Plan {
    Plan {
        name: "a slot that moves",
        // The first read begins grace, so only the second and the third use the cache.
        readers: vec![reader(ROW, 3, size.of(STRICT, STRICT, STRICT_BOTH))],
        milliseconds: size.of(4, 7, 8),
        faults: vec![Flush, Migrate],
        faults_max: size.of(1, 2, 2),
        is_cluster: true,
        ..Plan::default()
    }
}

/// A slot is taken from one node and given to another, without its keys, and back; or it is called back from a move.
pub(super) fn a_slot_that_is_taken_away(size: Size) -> Plan {
    Plan {
        name: "a slot that is taken away",
        readers: vec![reader(ROW, 3, size.of(STRICT, STRICT, STRICT_BOTH))],
        milliseconds: size.of(4, 6, 8),
        faults: vec![Reassign, CallBack],
        faults_max: size.of(2, 2, 3),
        is_cluster: true,
        ..Plan::default()
    }
}

/// What is restored is trusted, and has all, while the wall clock jumps ahead.
pub(super) fn trusted_starts(size: Size) -> Plan {
    Plan {
        name: "trusted starts, a clock that jumps",
        readers: vec![reader(ROW, 2, size.of(STRICT_BOTH, STRICT_BOTH, ALL_AFTER_KEY))],
        milliseconds: size.of(4, 6, 7),
        faults: vec![RestartAtRest],
        faults_max: size.of(1, 2, 3),
        clock_back_ms: -3,
        ..Plan::default()
    }
}

/// Readers of a replica, who end nothing that is over, beside strict ones.
pub(super) fn readers_of_a_replica(size: Size) -> Plan {
    Plan {
        name: "readers of a replica",
        readers: size.of(
            vec![reader(ROW, 3, WITH_REPLICA)],
            vec![reader(ROW, 4, WITH_REPLICA)],
            vec![reader(ROW, 3, WITH_REPLICA); 2],
        ),
        milliseconds: size.of(4, 6, 7),
        faults: vec![Flush, Failover],
        faults_max: size.of(1, 2, 2),
        has_timer: true,
        ..Plan::default()
    }
}

/// A writer asks for keys after its own writes, and rolls back.
pub(super) fn a_writer_that_reads(size: Size) -> Plan {
    let own = WriterPlan { rolls_back: true, reads: true, ..writer(ROW) };
    Plan {
        name: "writers that read",
        writers: vec![own; size.of(1, 2, 2)],
        readers: vec![reader(ROW, 2, size.of(STRICT_BOTH, STRICT_BOTH, ALL_AFTER_KEY))],
        faults: vec![Failover],
        faults_max: size.of(0, 0, 1),
        ..Plan::default()
    }
}

/// All of it together, far too much to be explored but at random.
pub(super) fn all_of_it() -> Plan {
    let own = |identifiers| WriterPlan {
        transactions: 2,
        records: 2,
        records_some: true,
        rolls_back: true,
        commit_names: &[Named::None, Named::Some, Named::All],
        reads: true,
        ..writer(identifiers)
    };
    Plan {
        name: "all of it, at random",
        writers: vec![own(BOTH_ROWS), own(ROW), own(TABLE)],
        readers: vec![
            reader(ROW, 6, STRICT_BOTH),
            reader(BOTH_ROWS, 6, ALL_KINDS),
            reader(ROW, 6, ALL_KINDS),
        ],
        milliseconds: 20,
        faults: vec![Flush, Failover, Restart, Swap, Flip, Restore],
        faults_max: 3,
        strays_max: 2,
        rows_max: 1,
        ..Plan::default()
    }
}
