//! Terms, epochs and grace: a table of moments at which a process looks, and of what it is to find.
//!
//! The lease is 100 ms unless a test says otherwise.

use super::encoding::head;
use super::process::{Process, ROOMY, UNIX_MS_AT_START, apply};
use crate::protocol::limits::Settings;
use crate::protocol::local::Grace;
use crate::protocol::primary::{Standing, end_overdue_of_missing};
use crate::protocol::stamp::Stamp;
use crate::protocol::term::Term;

/// At a moment, the namespace is in the epoch of this number, and in grace or not.
#[track_caller]
fn assert_epoch(process: &mut Process, at_ms: u64, number: u64, is_in_grace: bool) {
    let looked = process.at(at_ms).look("never#1");
    assert_eq!((process.epochs, looked.epoch), (number, super::process::epoch(number)), "at {at_ms}");
    assert_eq!(looked.settled_ms.is_none(), is_in_grace, "at {at_ms}: {:?}", process.local.grace);
}

#[track_caller]
fn assert_standing(process: &Process, expected: Standing) {
    assert_eq!(Standing::of(process.namespace.as_ref(), &process.local, &process.moment), expected);
}

/// The process that takes over from this one: it has what was replicated, and knows of no flights.
fn next_primary(process: &Process, settings: Settings) -> Process {
    let mut next = Process::settled(settings);
    next.epochs = process.epochs;
    next.take_over(process.replica.clone());
    next
}

#[test]
fn what_is_created_in_the_first_lease_of_a_term_is_in_grace_to_its_end() {
    for created_ms in [0, 1, 99, 100] {
        let mut process = Process::start(ROOMY);
        assert_epoch(&mut process, created_ms, 1, true);
        assert_epoch(&mut process, 100, 1, true);
        // What relaxed readers cached meanwhile is dropped.
        assert_standing(process.at(101), Standing::GraceOver);
        assert_epoch(&mut process, 101, 2, false);
        assert_epoch(&mut process, 10_000, 2, false);
    }
    let mut process = Process::start(ROOMY);
    assert_standing(&process, Standing::Missing);
    assert_epoch(&mut process, 101, 1, false);
    assert_epoch(&mut process, 10_000, 1, false);
}

#[test]
fn grace_of_a_later_term_runs_from_its_start() {
    let mut process = Process::start(ROOMY);
    process.at(5_000).start_term(UNIX_MS_AT_START);
    assert_epoch(&mut process, 5_060, 1, true);
    assert_epoch(&mut process, 5_100, 1, true);
    assert_epoch(&mut process, 5_101, 2, false);
}

#[test]
fn in_a_cluster_whatever_is_missing_may_have_been_moved_here() {
    let mut process = Process::start(ROOMY);
    process.moment.cluster = true;
    assert_epoch(&mut process, 5_000, 1, true);
    assert_epoch(&mut process, 5_100, 1, true);
    assert_epoch(&mut process, 5_101, 2, false);
    process.flush();
    assert_epoch(&mut process, 5_110, 3, true);
    assert_epoch(&mut process, 5_210, 3, true);
    assert_epoch(&mut process, 5_211, 4, false);
}

#[test]
fn state_from_elsewhere_is_renewed_and_in_grace_for_the_largest_lease() {
    for (theirs_ms, ours_ms, grace_ms) in [(100, 100, 100), (400, 100, 400), (100, 400, 400), (0, 100, 100)] {
        let mut first = Process::settled(Settings { lease_ms: theirs_ms, ..ROOMY });
        if theirs_ms > 0 {
            first.record("tx", &["a#1"]);
        } else {
            // Nobody recorded anything.
            first.look("a#1");
        }
        let mut process = next_primary(&first, Settings { lease_ms: ours_ms, ..ROOMY });
        let came_ms = 10_000;
        assert_standing(process.at(came_ms), Standing::FromElsewhere);
        assert_epoch(&mut process, came_ms, 2, true);
        assert_epoch(&mut process, came_ms + grace_ms, 2, true);
        assert_epoch(&mut process, came_ms + grace_ms + 1, 3, false);
        assert_standing(&process, Standing::Current);
    }
}

#[test]
fn a_new_term_or_a_moved_value_is_from_elsewhere_too() {
    let mut process = Process::settled(ROOMY);
    assert_epoch(&mut process, 1_000, 1, false);
    process.start_term(UNIX_MS_AT_START);
    assert_standing(&process, Standing::FromElsewhere);
    assert_epoch(&mut process, 2_000, 2, true);
    assert_epoch(&mut process, 2_101, 3, false);
    process.take_over(process.namespace.clone());
    assert_epoch(&mut process, 3_000, 4, true);
    // Once more while it is in grace: that lengthens it.
    process.take_over(process.namespace.clone());
    assert_epoch(&mut process, 3_050, 5, true);
    assert_epoch(&mut process, 3_150, 5, true);
    assert_epoch(&mut process, 3_151, 6, false);
    // Once more when it should be over, but nobody has looked since.
    process.take_over(process.namespace.clone());
    assert_epoch(&mut process, 4_000, 7, true);
    process.take_over(process.namespace.clone());
    assert_standing(process.at(4_200), Standing::FromElsewhere);
    assert_epoch(&mut process, 4_200, 8, true);
    assert_epoch(&mut process, 4_301, 9, false);
}

#[test]
fn what_is_applied_is_from_elsewhere() {
    let mut process = Process::settled(ROOMY);
    assert_epoch(&mut process, 1_000, 1, false);
    assert_standing(&process, Standing::Current);
    // A role that flips to replica and back, with only the effects that were missed.
    let effect = head(1, process.state().born().to_bits());
    apply(&mut process.namespace, &effect);
    assert_standing(&process, Standing::FromElsewhere);
    assert_epoch(&mut process, 1_000, 2, true);
}

#[test]
fn grace_survives_a_flush() {
    let mut process = Process::settled(Settings { lease_ms: 400, ..ROOMY });
    process.record("tx", &["a#1"]);
    process.commit("tx", &[]);
    process.moment.settings.lease_ms = 100;
    process.start_term(UNIX_MS_AT_START);
    assert_epoch(&mut process, 1_000, 2, true);
    process.flush();
    assert_epoch(&mut process, 1_200, 3, true);
    assert_epoch(&mut process, 1_400, 3, true);
    assert_epoch(&mut process, 1_401, 4, false);
    // But one that was over when the namespace was made anew is forgotten with the old keys.
    process.start_term(UNIX_MS_AT_START);
    assert_epoch(&mut process, 2_000, 5, true);
    process.flush();
    assert_epoch(&mut process, 3_000, 6, false);
    assert_epoch(&mut process, 9_000, 6, false);
}

#[test]
fn a_lease_lowered_in_grace_does_not_shorten_it() {
    let mut process = Process::start(ROOMY);
    assert_epoch(&mut process, 10, 1, true);
    process.moment.settings.lease_ms = 20;
    assert_epoch(&mut process, 50, 1, true);
    process.flush();
    assert_epoch(&mut process, 60, 2, true);
    assert_epoch(&mut process, 100, 2, true);
    assert_epoch(&mut process, 101, 3, false);
}

/// Has the next primary, with a short lease of its own, wait for what the first had still to wait for.
#[track_caller]
fn assert_carried(first: &Process, lease_left_ms: u64) {
    assert_eq!(first.state().lease_ms(), lease_left_ms);
    let mut next = next_primary(first, Settings { lease_ms: 1, ..ROOMY });
    let number = next.epochs;
    assert_epoch(&mut next, 10_000, number + 1, true);
    assert_epoch(&mut next, 10_000 + lease_left_ms, number + 1, true);
    assert_epoch(&mut next, 10_001 + lease_left_ms, number + 2, false);
}

#[test]
fn a_new_epoch_carries_what_is_still_to_be_waited_for() {
    // What is in flight, of which the longest lease counts.
    let mut process = Process::settled(Settings { lease_ms: 400, ..ROOMY });
    process.at(1_000).record("tx", &["a#1"]);
    process.moment.settings.lease_ms = 50;
    process.record("short", &["a#2"]);
    process.flush();
    process.at(1_150).look("a#1");
    assert_carried(&process, 250);
    // At the last moment of it, and after.
    process.flush();
    process.at(1_399).look("a#1");
    assert_carried(&process, 1);
    process.flush();
    process.at(1_401).look("a#1");
    assert_eq!(process.state().lease_ms(), 0);

    // What is left of grace, in an epoch that began with it and in one made during it.
    let mut process = Process::settled(Settings { lease_ms: 400, ..ROOMY });
    process.look("a#1");
    process.start_term(UNIX_MS_AT_START);
    process.at(1_000).look("a#1");
    assert_carried(&process, 400);
    process.flush();
    process.at(1_300).look("a#1");
    assert_carried(&process, 100);
    // The epoch after grace has nothing to wait for but what is in flight since.
    process.record("tx", &["a#1"]);
    process.at(1_401).look("a#1");
    assert_carried(&process, 299);
}

#[test]
fn flights_outlive_flushes_terms_and_epochs() {
    let mut process = Process::settled(ROOMY);
    process.at(1_000).record("tx", &["a#1"]);
    process.flush();
    assert_eq!(process.at(1_050).look("a#1").settled_ms, None);
    assert!(process.look("a#2").settled_ms.is_some());
    process.start_term(UNIX_MS_AT_START + 1_060);
    // The command that renews the epoch also commits what is overdue, and in that epoch.
    let looked = process.at(1_101).look("a#1");
    assert_eq!(looked.epoch, super::process::epoch(3));
    assert!(looked.version > process.look("a#2").version);
    // A COMMIT that is late finds it all the same.
    process.flush();
    assert_eq!(process.at(1_500).commit("tx", &[]), 1);
    assert!(process.look("a#1").version > process.look("a#2").version);
}

#[test]
fn trusted_state_is_neither_renewed_nor_in_grace() {
    let settings = Settings { trust_restored: true, ..ROOMY };
    for cluster in [false, true] {
        let mut process = Process::start(settings);
        process.moment.cluster = cluster;
        assert_epoch(&mut process, 0, 1, false);
        process.record("tx", &["a#1"]);
        process.commit("tx", &[]);
        let before = process.look("a#1");

        process.start_term(0);
        process.take_over(process.namespace.clone());
        assert_standing(&process, Standing::FromElsewhere);
        assert_epoch(&mut process, 10, 1, false);
        assert_standing(&process, Standing::Current);
        assert_eq!(process.effect, None);
        assert_eq!(process.look("a#1").version, before.version);
        // Versions grow from what was restored, wherever the clock stands.
        process.touch(&["a#1"]);
        assert!(process.look("a#1").version > before.version);

        // Its lease is carried on, for a primary that doesn't trust it.
        assert_eq!(process.state().lease_ms(), 100);
        process.flush();
        assert_epoch(&mut process, 20, 2, false);
        assert_eq!(process.local.grace, None);
    }
}

/// What is trusted may have stamps of another clock. For how long this process has seen all changes, it knows.
#[test]
fn what_is_trusted_is_settled_for_no_longer_than_this_process_knows() {
    let mut process = Process::start(Settings { trust_restored: true, ..ROOMY });
    process.touch(&["a#1"]);
    assert_eq!(process.at(50).look("a#1").settled_ms, Some(49));
    // The wall clock jumps ahead by an hour while the process is started again, or the state comes from a server whose
    // clock is behind by as much.
    for came in [Process::start_term as fn(&mut Process, u64), |process, unix_ms| {
        process.moment.now.unix_ms = unix_ms;
        process.take_over(process.namespace.clone());
    }] {
        let mut process = process.clone();
        came(&mut process, UNIX_MS_AT_START + 3_600_000);
        assert_eq!(process.look("a#1").settled_ms, Some(0));
        assert_eq!(process.at(1_050).look("a#1").settled_ms, Some(999));
        process.touch(&["a#1"]);
        assert_eq!(process.at(1_060).look("a#1").settled_ms, Some(9));
    }
    // A clock that was set back makes readers wait.
    process.start_term(UNIX_MS_AT_START - 3_600_000);
    assert_eq!(process.at(1_000).look("a#1").settled_ms, Some(0));
}

/// Stamps end in the year 2248, and a dump may have the last of them.
#[test]
fn a_namespace_whose_stamps_end_soon_begins_a_new_epoch() {
    let last = Stamp::from_bits((1 << 63) - 1);
    for trust_restored in [false, true] {
        let mut process = Process::settled(Settings { trust_restored, ..ROOMY });
        process.touch(&["a#1"]);
        let mut dumped = process.namespace.clone().unwrap();
        dumped.merge_last(last);
        process.take_over(Some(dumped));
        let expected = if trust_restored { Standing::OutOfStamps } else { Standing::FromElsewhere };
        assert_standing(&process, expected);
        assert_epoch(&mut process, 1_000, 2, !trust_restored);
        assert_eq!(process.touch(&["a#1"]), 1);
        assert!(!process.state().is_out_of_stamps());

        // One that has come so far by itself is as complete as before: it has no grace.
        let mut process = Process::settled(Settings { trust_restored, ..ROOMY });
        process.touch(&["a#1"]);
        process.namespace.as_mut().unwrap().merge_last(last);
        process.replica.clone_from(&process.namespace);
        assert_standing(&process, Standing::OutOfStamps);
        assert_epoch(&mut process, 1_000, 2, false);
        assert_standing(&process, Standing::Current);
    }
}

/// Whoever reads without entering is not told what a write command would change first.
#[test]
fn keys_are_kept_unless_something_is_over() {
    let keeps = |process: &Process| {
        let standing = Standing::of(process.namespace.as_ref(), &process.local, &process.moment);
        standing.keeps_keys(&process.local, &process.moment)
    };
    let mut process = Process::settled(ROOMY);
    assert!(!keeps(&process), "it is missing");
    process.look("a#1");
    assert!(keeps(&process));
    process.at(1_000).record("tx", &["a#2"]);
    assert_eq!(process.local.due_ms(), Some(1_101));
    assert!(keeps(process.at(1_100)));
    assert!(!keeps(process.at(1_101)), "a lease is over");
    process.look("a#1");
    assert!(keeps(&process) && process.local.due_ms().is_none());

    process.take_over(process.namespace.clone());
    assert!(!keeps(&process));
    process.moment.settings.trust_restored = true;
    assert!(keeps(&process), "what is restored is trusted");
    process.moment.settings.trust_restored = false;
    process.look("a#1");
    assert!(keeps(&process));
    assert_eq!(process.local.due_ms(), Some(1_202));
    assert!(!keeps(process.at(1_202)), "grace is over");
}

#[test]
fn what_is_overdue_in_a_namespace_that_is_gone_is_given_up() {
    let mut process = Process::settled(ROOMY);
    process.at(1_000).record("tx", &["a#1"]);
    process.start_term(UNIX_MS_AT_START);
    process.look("a#1");
    process.flush();
    for (at_ms, given_up) in [(1_100, 0), (1_101, 1), (1_102, 0)] {
        process.at(at_ms);
        assert_eq!(end_overdue_of_missing(&mut process.local, &process.moment), given_up, "at {at_ms}");
    }
    assert!(process.local.due_ms().is_none() && process.local.grace.is_none());
    // It is remembered, for a COMMIT that is late.
    assert_eq!(process.commit("tx", &[]), 1);
}

#[test]
fn one_who_does_not_enter_sees_how_a_namespace_stands() {
    let mut process = Process::settled(ROOMY);
    assert_standing(&process, Standing::Missing);
    process.look("a#1");
    assert_standing(&process, Standing::Current);
    let until_ms = process.moment.now.uptime_ms;
    process.local.grace = Some(Grace { until_ms });
    assert_standing(&process, Standing::Current);
    process.pass(1);
    assert_standing(&process, Standing::GraceOver);
    // A state that may lack commits is that first of all.
    process.start_term(UNIX_MS_AT_START);
    assert_standing(&process, Standing::FromElsewhere);
    process.flush();
    assert_standing(&process, Standing::Missing);
}

#[test]
fn a_lease_raised_lengthens_the_grace_that_runs_and_brings_none_back() {
    let mut term = Term::start(1, 1_000, 100);
    assert_eq!(term.grace_until_ms, 1_100);
    term.set_lease(1_050, 20);
    assert_eq!(term.grace_until_ms, 1_100, "a lease lowered does not shorten grace");
    term.set_lease(1_100, 300);
    assert_eq!(term.grace_until_ms, 1_300);
    term.set_lease(1_301, 600_000);
    assert_eq!(term.grace_until_ms, 1_300, "grace is over");
}

#[test]
fn trust_ends_the_grace_that_runs_and_its_second_epoch() {
    let mut process = Process::start(ROOMY);
    assert_epoch(&mut process, 0, 1, true);
    process.moment.settings.trust_restored = true;
    assert_epoch(&mut process, 1, 1, false);
    process.moment.settings.trust_restored = false;
    assert_epoch(&mut process, 200, 1, false);
}
