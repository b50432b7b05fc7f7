//! What was given up is remembered, so that a late COMMIT finds it and a late RECORD puts it in flight again; but not
//! for ever, and not without bound.

use super::flights::Step::{End, Held, Overdue, Pending, Record};
use super::flights::assert_steps;
use crate::protocol::limits::{REMEMBERED_BYTES_MAX, REMEMBERED_MS};

#[test]
fn a_commit_finds_all_that_was_recorded_however_late_it_comes() {
    let late = [
        (0, Record("tx", 100, &["a#1", "a#2"], 2)),
        (101, Overdue(1, &["a#1", "a#2"])),
        (5_000, End("tx", Some(&["a#1", "a#2"]))),
        (5_000, End("tx", None)),
        (5_000, Held(&[])),
    ];
    let partly_overdue = [
        (0, Record("tx", 100, &["a#1", "a#2"], 2)),
        (50, Record("tx", 100, &["a#2", "b#1"], 1)),
        (101, Overdue(1, &["a#1"])),
        (102, End("tx", Some(&["a#1", "a#2", "b#1"]))),
        (102, Held(&[])),
        (999, Overdue(0, &[])),
    ];
    let in_time = [
        (0, Record("tx", 100, &["b#1"], 1)),
        (0, Record("other", 100, &["b#1"], 1)),
        (100, End("tx", Some(&["b#1"]))),
        // Two transactions may hold the same row: it is in flight while one of them is.
        (100, Held(&["b#1", "b#*"])),
        (101, Overdue(1, &["b#1"])),
    ];
    for steps in [late.as_slice(), &partly_overdue, &in_time] {
        assert_steps(99, steps);
    }
}

#[test]
fn what_is_recorded_again_after_its_lease_is_in_flight_again() {
    assert_steps(
        99,
        &[
            (0, Record("tx", 100, &["a#1", "a#2"], 2)),
            (101, Overdue(1, &["a#1", "a#2"])),
            // Only what is named: the other one landed, but a COMMIT still finds it.
            (200, Record("tx", 100, &["a#1", "a#3"], 2)),
            (200, Held(&["a#1", "a#3", "a#*"])),
            (210, Pending("tx", &["a#1", "a#3"], 10, 90)),
            (300, Overdue(0, &[])),
            (301, Overdue(1, &["a#1", "a#3"])),
            (400, Record("tx", 100, &["a#2"], 1)),
            (400, End("tx", Some(&["a#1", "a#2", "a#3"]))),
        ],
    );
    // Of one that is partly in flight, the age goes on.
    assert_steps(
        99,
        &[
            (0, Record("tx", 100, &["a#1", "a#2"], 2)),
            (50, Record("tx", 100, &["a#2"], 0)),
            (120, Overdue(1, &["a#1"])),
            (130, Record("tx", 100, &["a#1"], 1)),
            (130, Pending("tx", &["a#1", "a#2"], 130, 20)),
            (151, Overdue(1, &["a#2"])),
            (231, Overdue(1, &["a#1"])),
        ],
    );
}

#[test]
fn what_was_given_up_is_forgotten_after_a_day() {
    // Forgetting comes with the next transaction that is given up.
    let given_up = 101;
    for (later_ms, known) in [(REMEMBERED_MS, true), (REMEMBERED_MS + 1, false)] {
        let now_ms = given_up + later_ms;
        assert_steps(
            99,
            &[
                (0, Record("tx", 100, &["a#1"], 1)),
                (given_up, Overdue(1, &["a#1"])),
                (now_ms - 2, Record("other", 1, &["b#1"], 1)),
                (now_ms, Overdue(1, &["b#1"])),
                (now_ms, End("tx", known.then_some(&["a#1"]))),
                (now_ms, End("other", Some(&["b#1"]))),
            ],
        );
    }
    // A day from when it was given up last, not first; and never while it is in flight.
    assert_steps(
        99,
        &[
            (0, Record("tx", 100, &["a#1"], 1)),
            (101, Overdue(1, &["a#1"])),
            (500, Record("tx", 100, &["a#1"], 1)),
            (601, Overdue(1, &["a#1"])),
            (700, Record("flying", 2 * REMEMBERED_MS, &["a#2"], 1)),
            (600 + REMEMBERED_MS, Record("other", 0, &["b#1"], 1)),
            (601 + REMEMBERED_MS, Overdue(1, &["b#1"])),
            (601 + REMEMBERED_MS, Held(&["a#2", "a#*"])),
            (601 + REMEMBERED_MS, End("tx", Some(&["a#1"]))),
        ],
    );
}

#[test]
fn of_too_much_that_was_given_up_the_oldest_is_forgotten() {
    let large = |row: char| format!("a#{}", String::from(row).repeat(REMEMBERED_BYTES_MAX / 5 * 2));
    let [one, two, three] = ['1', '2', '3'].map(large);
    assert_steps(
        99,
        &[
            (0, Record("one", 10, &[&one], 1)),
            (1, Record("two", 10, &[&two], 1)),
            (2, Record("three", 10, &[&three], 1)),
            (12, Overdue(2, &[&one, &two])),
            (12, Pending("three", &[&three], 10, 0)),
            (13, Overdue(1, &[&three])),
            (13, End("one", None)),
            (13, End("two", Some(&[&two]))),
            // What was ended or recorded again doesn't count any more.
            (14, Record("one", 10, &[&one], 1)),
            (25, Overdue(1, &[&one])),
            (26, Record("three", 10, &["a#3"], 1)),
            (26, Record("two", 5, &[&two], 1)),
            (32, Overdue(1, &[&two])),
            (32, End("one", Some(&[&one]))),
            (32, End("two", Some(&[&two]))),
            (32, End("three", Some(&[&three, "a#3"]))),
        ],
    );
}
