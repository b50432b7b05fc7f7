//! Negative controls: with any mechanism or rule switched off, the checker finds a broken promise, and prints how. So
//! the model can fail, and nothing in the protocol is there for nothing.

use super::explore::{exhaust, shortest};
use super::plan::{FaultKind, Kind, Mechanism, Plan, ReaderPlan, WriterPlan};
use super::violation::Violation;

/// None of the stories takes more.
const STATES_MAX: usize = 1_000_000;

/// One writer, and one reader that reads twice in these ways, without something.
fn without(mechanism: Mechanism, kinds: &'static [Kind], faults: &[FaultKind]) -> Plan {
    Plan {
        readers: vec![ReaderPlan { kinds, ..ReaderPlan::default() }],
        faults: faults.to_vec(),
        faults_max: faults.len(),
        without: Some(mechanism),
        ..Plan::default()
    }
}

#[track_caller]
fn assert_breaks(plan: &Plan, is_expected: impl FnOnce(&Violation) -> bool) {
    let report = shortest(plan, STATES_MAX);
    let found = report.found.as_ref().map(|found| found.violation.clone());
    println!("without {:?}, after {} states:\n{}", plan.without, report.states, report.trace(plan));
    assert!(found.as_ref().is_some_and(is_expected), "without {:?}: {found:?}", plan.without);
}

#[track_caller]
fn assert_strict_reader_gets_stale(plan: &Plan) {
    assert_breaks(plan, |found| matches!(found, Violation::StaleHit { .. }));
}

#[track_caller]
fn assert_relaxed_key_stays_stale(plan: &Plan) {
    let is_relaxed = |found: &Violation| {
        matches!(found, Violation::StaleForEver { is_strict: false, .. } | Violation::StaleForLong { .. })
    };
    assert_breaks(plan, is_relaxed);
}

/// What a mechanism is not there for: without it, this plan still holds.
#[track_caller]
fn assert_holds(plan: &Plan) {
    let report = exhaust(plan);
    println!("without {:?}: {report}", plan.without);
    assert!(report.found.is_none(), "{}", report.trace(plan));
    assert!(report.tally.strict_hits > 0, "{report}");
}

#[test]
fn without_flights() {
    assert_strict_reader_gets_stale(&without(Mechanism::Flights, &[Kind::Strict], &[]));
}

#[test]
fn with_flights_in_the_keyspace() {
    let plan = without(Mechanism::FlightsOutsideKeyspace, &[Kind::Strict], &[FaultKind::Flush]);
    assert_strict_reader_gets_stale(&plan);
}

#[test]
fn without_new_epochs() {
    assert_strict_reader_gets_stale(&without(Mechanism::Epochs, &[Kind::Strict], &[FaultKind::Failover]));
}

/// Strict readers wait for grace to be over, and then there is a new epoch anyway.
#[test]
fn without_a_new_epoch_before_grace() {
    let plan = |kinds| without(Mechanism::FirstEpoch, kinds, &[FaultKind::Failover]);
    assert_relaxed_key_stays_stale(&plan(&[Kind::Relaxed]));
    assert_holds(&plan(&[Kind::Strict]));
}

#[test]
fn without_grace() {
    assert_strict_reader_gets_stale(&without(Mechanism::Grace, &[Kind::Strict], &[FaultKind::Failover]));
}

/// Strict readers stored nothing during grace.
#[test]
fn without_a_new_epoch_after_grace() {
    let plan = |kinds| without(Mechanism::SecondEpoch, kinds, &[FaultKind::Failover]);
    assert_relaxed_key_stays_stale(&plan(&[Kind::Relaxed]));
    assert_holds(&plan(&[Kind::Strict]));
}

#[test]
fn with_restored_state_trusted() {
    let plan = without(Mechanism::RestoredIsSuspect, &[Kind::Strict], &[FaultKind::Failover]);
    assert_strict_reader_gets_stale(&plan);
}

/// It takes a relaxed reader that read the database before KEY, as the predecessor's readers may.
#[test]
fn with_one_key_for_strict_and_relaxed_readers() {
    let plan = without(Mechanism::StrictKey, &[Kind::Strict, Kind::RelaxedSnapshot], &[]);
    assert_strict_reader_gets_stale(&plan);
}

#[test]
fn with_leases_that_end_in_a_discard() {
    assert_strict_reader_gets_stale(&without(Mechanism::ExpiryCommits, &[Kind::Strict], &[]));
}

#[test]
fn with_snapshots_of_any_age() {
    let plan = without(Mechanism::AgeRule, &[Kind::Strict, Kind::StrictSnapshot], &[]);
    assert_strict_reader_gets_stale(&plan);
}

#[test]
fn with_settled_rounded_up() {
    let plan = without(Mechanism::SettledRoundedDown, &[Kind::Strict, Kind::StrictSnapshot], &[]);
    assert_strict_reader_gets_stale(&plan);
}

#[test]
fn with_stamps_from_a_clock_read_before() {
    let plan = without(Mechanism::CommitReadsClock, &[Kind::Strict, Kind::StrictSnapshot], &[]);
    assert_strict_reader_gets_stale(&plan);
}

#[test]
fn with_a_database_that_decides_after_the_lease() {
    assert_strict_reader_gets_stale(&without(Mechanism::DecisionWithinLease, &[Kind::Strict], &[]));
}

#[test]
fn with_a_record_that_names_only_some() {
    let writer =
        WriterPlan { identifiers: &["alkey:t#1", "alkey:t#2"], records_some: true, ..WriterPlan::default() };
    let reader = ReaderPlan { identifiers: &["alkey:t#2"], ..ReaderPlan::default() };
    let mechanism = Some(Mechanism::RecordNamesAll);
    let plan = Plan { writers: vec![writer], readers: vec![reader], without: mechanism, ..Plan::default() };
    assert_strict_reader_gets_stale(&plan);
}

#[test]
fn with_a_writer_that_uses_the_cache_after_its_own_writes() {
    let writer = WriterPlan { reads: true, rolls_back: true, ..WriterPlan::default() };
    let mechanism = Some(Mechanism::WriterAbstains);
    let plan = Plan { writers: vec![writer], without: mechanism, ..Plan::default() };
    assert_breaks(&plan, |found| matches!(found, Violation::Uncommitted { .. }));
}

/// In a cluster a namespace that is missing may have been lost on the way here, with writers in flight.
#[test]
fn with_a_missing_namespace_taken_for_new_in_a_cluster() {
    let plan = |reads, without| Plan {
        readers: vec![ReaderPlan { reads, ..ReaderPlan::default() }],
        faults: vec![FaultKind::Flush, FaultKind::Migrate],
        faults_max: 2,
        is_cluster: true,
        without,
        ..Plan::default()
    };
    assert_strict_reader_gets_stale(&plan(2, Some(Mechanism::ClusterGrace)));
    assert_holds(&plan(3, None));
}

/// Between the loss of a slot and its return another node may have committed in it.
#[test]
fn with_a_slot_that_was_lost_and_is_trusted() {
    let plan = |without| Plan {
        readers: vec![ReaderPlan { reads: 3, ..ReaderPlan::default() }],
        faults: vec![FaultKind::Reassign],
        faults_max: 2,
        is_cluster: true,
        without,
        ..Plan::default()
    };
    assert_strict_reader_gets_stale(&plan(Some(Mechanism::LostSlots)));
    assert_holds(&plan(None));
}

/// What a node made in a slot that was called back from it, it would find there when the slot comes after all.
#[test]
fn with_a_namespace_made_before_its_slot_has_come() {
    let plan = |without| Plan {
        readers: vec![ReaderPlan { reads: 3, ..ReaderPlan::default() }],
        faults: vec![FaultKind::CallBack, FaultKind::Reassign],
        faults_max: 2,
        milliseconds: 5,
        is_cluster: true,
        without,
        ..Plan::default()
    };
    assert_strict_reader_gets_stale(&plan(Some(Mechanism::TryAgain)));
    assert_holds(&plan(None));
}

/// Stamps of the process before, whose clock was behind, look older than they are.
#[test]
fn with_settled_by_the_clock_of_another_process() {
    let plan = |without| Plan {
        readers: vec![ReaderPlan { kinds: &[Kind::Strict, Kind::StrictSnapshot], ..ReaderPlan::default() }],
        faults: vec![FaultKind::RestartAtRest],
        faults_max: 1,
        clock_back_ms: -3,
        without,
        ..Plan::default()
    };
    assert_strict_reader_gets_stale(&plan(Some(Mechanism::SettledSinceSeen)));
    assert_holds(&plan(None));
}

/// Readers of a replica end no lease, and nobody else need come.
#[test]
fn without_a_timer() {
    let plan = |without| Plan {
        readers: vec![
            ReaderPlan { reads: 3, kinds: &[Kind::RelaxedReplica], ..ReaderPlan::default() },
            ReaderPlan::default(),
        ],
        has_timer: true,
        without,
        ..Plan::default()
    };
    assert_relaxed_key_stays_stale(&plan(Some(Mechanism::Timer)));
    assert_holds(&plan(None));
}

/// What the lease of a lost namespace was, nobody knows: a lease that is lowered counts for those that were given
/// before only as long as nothing is lost with it. See the plan `a_lowered_lease`, which holds.
#[test]
fn with_a_lease_that_was_lowered_and_forgotten() {
    let plan = Plan {
        lease_ms: 3,
        milliseconds: 2,
        faults: vec![FaultKind::LowerLease, FaultKind::Failover],
        faults_max: 2,
        without: Some(Mechanism::LeaseIsKnown),
        ..Plan::default()
    };
    assert_strict_reader_gets_stale(&plan);
}
