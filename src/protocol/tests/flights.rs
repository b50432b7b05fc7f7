//! Flights, told as tables: at each moment one thing happens, and the table says what comes of it.

use super::process::member;
use crate::protocol::flights::{Flights, Lease};
use crate::protocol::identifier::Member;
use std::collections::BTreeSet;

/// What happens, or what is asked, and what is to come of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'a> {
    /// A name records identifiers with a lease of so many milliseconds; so many were new.
    Record(&'a str, u64, &'a [&'a str], usize),
    /// What is overdue is taken: these identifiers, of so many transactions.
    Overdue(usize, &'a [&'a str]),
    /// A name is committed or discarded: these were recorded, or it isn't known.
    End(&'a str, Option<&'a [&'a str]>),
    /// These are in flight, and of all that tests ask for nothing else is.
    Held(&'a [&'a str]),
    /// What a name has in flight, its age, and how much of the first lease is left.
    Pending(&'a str, &'a [&'a str], u64, u64),
    /// Nothing of this name is in flight.
    NotPending(&'a str),
}
use Step::{End, Held, NotPending, Overdue, Pending, Record};

const ASKED: [&str; 9] = ["a#1", "a#2", "a#3", "a#*", "b#1", "b#2", "b#*", "c#1", "c#*"];

/// Runs steps, each at its moment; transactions past `sweep_threshold` identifiers record tables.
#[track_caller]
pub(super) fn assert_steps(sweep_threshold: usize, steps: &[(u64, Step)]) {
    let mut flights = Flights::default();
    for (now_ms, step) in steps {
        let now_ms = *now_ms;
        match *step {
            Record(name, length_ms, identifiers, new) => {
                let lease = Lease { now_ms, length_ms, sweep_threshold };
                let identifiers = identifiers.iter().map(|identifier| member(identifier));
                assert_eq!(flights.record(name.as_bytes(), lease, identifiers), new, "{now_ms}: {step:?}");
            }
            Overdue(transactions, identifiers) => {
                assert_eq!(flights.may_be_overdue(now_ms), !identifiers.is_empty(), "{now_ms}: {step:?}");
                let taken = flights.take_overdue(now_ms, 100);
                assert_eq!(texts(taken.identifiers.iter()), identifiers.to_vec(), "{now_ms}: {step:?}");
                assert_eq!(taken.transactions, transactions, "{now_ms}: {step:?}");
            }
            End(name, expected) => {
                let ended = flights.end(name.as_bytes());
                let recorded = ended.as_ref().map(|identifiers| texts(identifiers.iter()));
                assert_eq!(recorded, expected.map(<[_]>::to_vec), "{now_ms}: {step:?}");
            }
            Held(expected) => {
                let held = ASKED.into_iter().filter(|identifier| flights.hold(member(identifier)));
                let held: Vec<&str> = held.collect();
                assert_eq!(held, expected, "{now_ms}: {step:?}");
                assert_eq!(flights.hold(member("*#*")), !expected.is_empty(), "{now_ms}: {step:?}");
            }
            Pending(name, identifiers, age_ms, lease_left_ms) => {
                let told = flights.pending(now_ms);
                let told = told.iter().find(|told| *told.name == *name.as_bytes()).expect("in flight");
                assert_eq!((told.age_ms, told.lease_left_ms), (age_ms, lease_left_ms), "{now_ms}: {step:?}");
                assert_eq!(told.identifiers, identifiers.len(), "{now_ms}: {step:?}");
                let in_flight: Vec<_> = flights.in_flight_under(name.as_bytes()).collect();
                assert_eq!(texts(in_flight.into_iter()), identifiers.to_vec(), "{now_ms}: {step:?}");
                assert!(flights.is_open(name.as_bytes()));
            }
            NotPending(name) => {
                assert!(flights.pending(now_ms).iter().all(|told| *told.name != *name.as_bytes()));
                assert_eq!(flights.in_flight_under(name.as_bytes()).count(), 0, "{now_ms}: {step:?}");
                assert!(!flights.is_open(name.as_bytes()));
            }
        }
    }
    // Whatever happened: once all is ended, nothing is left behind.
    let names: BTreeSet<&str> = steps.iter().filter_map(|(_, step)| name_of(*step)).collect();
    for name in names {
        let _ = flights.end(name.as_bytes());
    }
    assert!(flights.is_empty() && flights.open() == 0 && !flights.may_be_overdue(u64::MAX));
    assert!(ASKED.iter().chain(["*#*"].iter()).all(|identifier| !flights.hold(member(identifier))));
}

fn name_of(step: Step<'_>) -> Option<&str> {
    match step {
        Record(name, ..) | End(name, _) | Pending(name, ..) | NotPending(name) => Some(name),
        Overdue(..) | Held(_) => None,
    }
}

fn texts<'a>(identifiers: impl Iterator<Item = Member<'a>>) -> Vec<&'a str> {
    identifiers
        .map(|identifier| core::str::from_utf8(identifier.bytes).expect("a test's identifier"))
        .collect()
}

#[test]
fn a_lease_is_over_once_more_than_it_has_passed() {
    assert_steps(
        99,
        &[
            (10, Record("tx", 100, &["a#1"], 1)),
            (10, Overdue(0, &[])),
            (10, Pending("tx", &["a#1"], 0, 100)),
            (110, Overdue(0, &[])),
            (110, Pending("tx", &["a#1"], 100, 0)),
            (111, Overdue(1, &["a#1"])),
            (111, NotPending("tx")),
            (111, Held(&[])),
            (111, Overdue(0, &[])),
        ],
    );
    // Until a write command takes it, it stays in flight, and shows with nothing left.
    assert_steps(
        99,
        &[
            (10, Record("tx", 100, &["a#1"], 1)),
            (150, Pending("tx", &["a#1"], 140, 0)),
            (150, Held(&["a#1", "a#*"])),
            (150, Overdue(1, &["a#1"])),
        ],
    );
}

#[test]
fn recording_again_renews_the_leases_of_those_named() {
    assert_steps(
        99,
        &[
            (0, Record("tx", 100, &["a#1", "a#2"], 2)),
            (60, Record("tx", 100, &["a#1", "b#1"], 1)),
            (60, Pending("tx", &["a#1", "a#2", "b#1"], 60, 40)),
            (100, Overdue(0, &[])),
            (101, Overdue(1, &["a#2"])),
            (101, Pending("tx", &["a#1", "b#1"], 101, 59)),
            (101, Held(&["a#1", "a#*", "b#1", "b#*"])),
            (160, Overdue(0, &[])),
            (161, Overdue(1, &["a#1", "b#1"])),
            (161, Held(&[])),
        ],
    );
}

#[test]
fn a_lowered_lease_does_not_shorten_one_that_was_given() {
    assert_steps(
        99,
        &[
            (0, Record("tx", 100, &["a#1"], 1)),
            (20, Record("tx", 10, &["a#1", "a#2"], 1)),
            (20, Pending("tx", &["a#1", "a#2"], 20, 10)),
            (31, Overdue(1, &["a#2"])),
            (100, Overdue(0, &[])),
            (101, Overdue(1, &["a#1"])),
        ],
    );
    // A raised one lengthens it from then on.
    assert_steps(
        99,
        &[
            (0, Record("tx", 100, &["a#1"], 1)),
            (50, Record("tx", 1_000, &["a#1"], 0)),
            (101, Pending("tx", &["a#1"], 101, 949)),
            (1_050, Held(&["a#1", "a#*"])),
            (1_051, Overdue(1, &["a#1"])),
        ],
    );
}

#[test]
fn overdue_transactions_are_taken_in_the_order_of_their_leases_and_each_identifier_once() {
    assert_steps(
        99,
        &[
            (0, Record("slow", 300, &["a#1"], 1)),
            (1, Record("tx", 100, &["b#1", "a#2"], 2)),
            (2, Record("quick", 50, &["a#3", "b#1"], 2)),
            (3, Record("everything", 50, &["*#*"], 1)),
            (3, Held(&ASKED)),
            (102, Overdue(3, &["a#3", "b#1", "*#*", "a#2"])),
            (102, Held(&["a#1", "a#*"])),
        ],
    );
}

#[test]
fn past_the_threshold_rows_are_recorded_as_their_table() {
    assert_steps(
        2,
        &[
            (0, Record("tx", 100, &["a#1", "a#2"], 2)),
            (0, Held(&["a#1", "a#2", "a#*"])),
            (10, Record("tx", 100, &["a#3", "b#1", "b#2", "c#*"], 3)),
            (10, Held(&ASKED)),
            (10, Pending("tx", &["a#1", "a#2", "a#*", "b#*", "c#*"], 10, 90)),
            // A row that was recorded by itself is renewed by itself, any other by its table.
            (20, Record("tx", 100, &["a#1", "a#9", "b#7"], 0)),
            (101, Overdue(1, &["a#2"])),
            (111, Overdue(1, &["c#*"])),
            (111, Held(&["a#1", "a#2", "a#3", "a#*", "b#1", "b#2", "b#*"])),
            (121, Overdue(1, &["a#1", "a#*", "b#*"])),
            (130, Record("tx", 100, &["*#*", "b#2"], 2)),
            (130, End("tx", Some(&["a#1", "a#2", "a#*", "b#*", "c#*", "*#*"]))),
        ],
    );
    // The threshold is of one transaction, not of all.
    assert_steps(
        2,
        &[
            (0, Record("tx", 100, &["a#1", "a#2"], 2)),
            (0, Record("other", 100, &["a#3"], 1)),
            (0, Held(&["a#1", "a#2", "a#3", "a#*"])),
        ],
    );
}
