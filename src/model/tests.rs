//! All states of every plan, in the size that fits; larger ones on request; random walks beyond.
//!
//! `cargo test` takes half a minute for this module, `cargo test --release` three minutes of one core. The larger
//! sizes are run by `cargo test --release -- --ignored model`. Numbers of states are printed (`--nocapture`).

use super::explore::{Report, exhaust, walk};
use super::log::Tally;
use super::plan::Plan;
use super::sizes::{self, Size};

/// Explores a plan, prints what came of it, and fails with a trace if a promise was broken.
#[track_caller]
fn explored(plan: &Plan) -> Tally {
    let report = exhaust(plan);
    println!("{report}");
    assert_kept(plan, &report)
}

#[track_caller]
fn assert_kept(plan: &Plan, report: &Report) -> Tally {
    assert!(report.found.is_none(), "{report}\n{}", report.trace(plan));
    // Without hits, or old values that no key leads to, there was nothing to be found.
    assert!(report.tally.strict_hits > 0 && report.tally.probes > 0, "{report}");
    report.tally
}

#[test]
fn nothing_goes_wrong() {
    let tally = explored(&sizes::nothing_goes_wrong(Size::everyday()));
    assert!(tally.snapshot_hits > 0 && tally.expired > 0, "{tally:?}");
}

#[test]
fn a_failover_under_two_writers() {
    let tally = explored(&sizes::one_failover(Size::everyday()));
    assert!(tally.later_hits > 0 && tally.renewed > 0 && tally.graces_over > 0, "{tally:?}");
}

#[test]
fn a_failover_or_restart_under_two_readers() {
    let tally = explored(&sizes::one_loss(Size::everyday()));
    assert!(tally.later_hits > 0 && tally.renewed > 0 && tally.created > 0, "{tally:?}");
}

#[test]
fn two_failovers() {
    let tally = explored(&sizes::two_failovers(Size::everyday()));
    assert!(tally.later_hits > 0 && tally.graces_over > 0, "{tally:?}");
}

#[test]
fn any_two_faults() {
    let tally = explored(&sizes::any_two_faults(Size::everyday()));
    assert!(tally.later_hits > 0 && tally.expired > 0, "{tally:?}");
}

#[test]
fn strict_and_relaxed_readers_that_share_a_cache() {
    let tally = explored(&sizes::sharing_a_cache(Size::everyday()));
    assert!(tally.later_hits > 0 && tally.relaxed_hits > 0, "{tally:?}");
}

#[test]
fn messages_twice_late_and_in_part() {
    let tally = explored(&sizes::messages(Size::everyday()));
    assert!(tally.expired > 0, "{tally:?}");
}

#[test]
fn leases_in_part() {
    let tally = explored(&sizes::leases_in_part(Size::everyday()));
    assert!(tally.expired > 0, "{tally:?}");
}

#[test]
fn sweeps_over_and_over() {
    explored(&sizes::sweeps_over_and_over(Size::everyday()));
}

#[test]
fn a_whole_table() {
    explored(&sizes::a_whole_table(Size::everyday()));
}

#[test]
fn everything_at_once() {
    explored(&sizes::everything_at_once(Size::everyday()));
}

#[test]
fn floors_that_rise() {
    let tally = explored(&sizes::floors(Size::everyday()));
    assert!(tally.floors_raised > 0, "{tally:?}");
}

#[test]
fn a_lowered_lease() {
    let tally = explored(&sizes::a_lowered_lease(Size::everyday()));
    assert!(tally.later_hits > 0 && tally.renewed > 0, "{tally:?}");
}

#[test]
fn a_slot_that_moves() {
    let tally = explored(&sizes::a_slot_that_moves(Size::everyday()));
    assert!(tally.later_hits > 0 && tally.renewed > 0, "{tally:?}");
}

#[test]
fn a_slot_that_is_taken_away() {
    let tally = explored(&sizes::a_slot_that_is_taken_away(Size::everyday()));
    assert!(tally.later_hits > 0 && tally.renewed > 0, "{tally:?}");
}

#[test]
fn trusted_starts_with_a_clock_that_jumps() {
    let tally = explored(&sizes::trusted_starts(Size::everyday()));
    assert!(tally.snapshot_hits > 0, "{tally:?}");
}

#[test]
fn readers_of_a_replica() {
    let tally = explored(&sizes::readers_of_a_replica(Size::everyday()));
    assert!(tally.replica_hits > 0 && tally.expired > 0 && tally.graces_over > 0, "{tally:?}");
}

#[test]
fn writers_that_read() {
    explored(&sizes::a_writer_that_reads(Size::everyday()));
}

#[test]
#[ignore = "takes an hour: for cargo test --release -- --ignored model"]
fn larger_sizes() {
    let plans = [
        sizes::leases_in_part,
        sizes::sweeps_over_and_over,
        sizes::a_whole_table,
        sizes::everything_at_once,
        sizes::a_lowered_lease,
        sizes::a_slot_that_moves,
        sizes::a_slot_that_is_taken_away,
        sizes::trusted_starts,
        sizes::readers_of_a_replica,
        sizes::a_writer_that_reads,
        sizes::floors,
        sizes::messages,
        sizes::nothing_goes_wrong,
        sizes::two_failovers,
        sizes::any_two_faults,
        sizes::sharing_a_cache,
        sizes::one_loss,
        sizes::one_failover,
    ];
    for plan in plans {
        explored(&plan(Size::Large));
    }
}

/// Walks from a seed, which is printed.
#[track_caller]
fn walk_from(seed: u64, walks: usize) {
    println!("ALKEY_MODEL_SEED={seed} ALKEY_MODEL_WALKS={walks}");
    let plan = sizes::all_of_it();
    let report = walk(&plan, seed, walks);
    println!("{report}");
    let tally = assert_kept(&plan, &report);
    let all = [tally.later_hits, tally.snapshot_hits, tally.relaxed_hits, tally.expired, tally.floors_raised];
    assert!(!all.contains(&0), "{tally:?}");
}

#[test]
fn random_walks() {
    walk_from(1, if cfg!(debug_assertions) { 200 } else { 10_000 });
}

#[test]
#[ignore = "takes minutes: for cargo test --release -- --ignored model"]
fn random_walks_from_a_new_seed() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let seed = number("ALKEY_MODEL_SEED").unwrap_or(since.as_secs());
    walk_from(seed, usize::try_from(number("ALKEY_MODEL_WALKS").unwrap_or(1_000_000)).unwrap());
}
