//! Flights as commands see them: what is overdue is committed by the next command, the list of what is pending, and
//! the limit of how much may be.

use super::events::Event;
use super::process::{Process, ROOMY, member};
use crate::protocol::error::Error;
use crate::protocol::limits::{Settings, TRANSACTIONS_OPEN_MAX};

fn pending(process: &Process) -> Vec<(String, u64, u64, usize)> {
    let told = process.local.flights.pending(process.moment.now.uptime_ms);
    let text = |name: &[u8]| String::from_utf8(name.to_vec()).unwrap();
    told.into_iter().map(|it| (text(&it.name), it.age_ms, it.lease_left_ms, it.identifiers)).collect()
}

#[track_caller]
fn assert_pending(process: &Process, expected: &[(&str, u64, u64, usize)]) {
    let expected: Vec<_> =
        expected.iter().map(|(name, age, left, count)| ((*name).to_owned(), *age, *left, *count)).collect();
    assert_eq!(pending(process), expected);
}

#[test]
fn the_oldest_comes_first_and_those_of_one_age_by_name() {
    let mut process = Process::settled(ROOMY);
    for (at, name) in [(200, "tx-c"), (200, "tx-b"), (210, "tx-a"), (220, "tx-d")] {
        process.at(at).record(name, &["a#1", "a#2"]);
    }
    // Recording more makes a transaction no younger.
    process.at(230).record("tx-c", &["a#3"]);
    assert_pending(
        &process,
        &[("tx-b", 30, 70, 2), ("tx-c", 30, 70, 3), ("tx-a", 20, 80, 2), ("tx-d", 10, 90, 2)],
    );
    process.commit("tx-a", &[]);
    process.discard("tx-b");
    // A lease that is over shows with nothing left, since what reads the list must not end it.
    process.at(301);
    assert_pending(&process, &[("tx-c", 101, 0, 3), ("tx-d", 81, 19, 2)]);
    process.look("z#1");
    assert_pending(&process, &[("tx-c", 101, 29, 1), ("tx-d", 81, 19, 2)]);
}

#[test]
fn any_write_command_commits_what_is_overdue_and_none_does_before() {
    let commands = [
        Event::Look,
        Event::Record("other", vec!["z#1"]),
        Event::Commit("other", vec![]),
        Event::Discard("other"),
        Event::Touch(vec!["z#1"]),
    ];
    for command in commands {
        let mut process = Process::settled(ROOMY);
        let before = process.look("a#1").version;
        process.record("tx", &["a#1"]);
        process.pass(100);
        command.happen(&mut process);
        let looked = process.look_only("a#1");
        assert_eq!(looked.version, before, "{command:?} committed what is not overdue");
        assert!(process.local.flights.is_open(b"tx"));
        process.pass(1);
        command.happen(&mut process);
        assert!(process.look_only("a#1").version > before, "{command:?} left what is overdue");
        assert!(!process.local.flights.is_open(b"tx"));
        // The writer lives after all: its COMMIT changes the key once more.
        let overdue = process.look_only("a#1").version;
        assert_eq!(process.commit("tx", &[]), 1);
        assert!(process.look_only("a#1").version > overdue);
        assert_eq!(process.commit("tx", &[]), 0);
    }
}

#[test]
fn what_is_replied_is_how_many_there_were() {
    let mut process = Process::settled(ROOMY);
    assert_eq!(process.record("tx", &["a#1", "a#2", "a#1"]), 2);
    assert_eq!(process.record("tx", &["a#2", "a#3"]), 1);
    assert_eq!(process.commit("tx", &["a#3", "b#1"]), 4);
    assert_eq!(process.commit("tx", &["a#3", "b#1"]), 2);
    assert_eq!(process.commit("tx", &[]), 0);
    assert_eq!(process.effect, None, "nothing changed");
    assert_eq!(process.touch(&["a#1", "a#1"]), 1);
    process.record("tx", &["a#1", "*#*"]);
    assert_eq!(process.discard("tx"), 2);
    assert_eq!(process.discard("tx"), 0);
    process.moment.settings.sweep_threshold = 1;
    assert_eq!(process.touch(&["a#1", "a#2", "a#3", "b#1"]), 3, "a row and two tables");
}

#[test]
fn past_the_limit_of_open_transactions_only_those_may_record() {
    let mut process = Process::settled(ROOMY);
    process.look("a#1");
    process.write(|primary| {
        for number in 0..TRANSACTIONS_OPEN_MAX {
            let recorded = primary.record(&number.to_le_bytes(), [member("a#1")].into_iter());
            assert_eq!(recorded, Ok(1));
        }
    });
    process.moment.settings.lease_ms = 7_000;
    let further = |process: &mut Process, name: &[u8]| {
        process.write(|primary| primary.record(name, [member("a#2")].into_iter()))
    };
    assert_eq!(further(&mut process, b"further"), Err(Error::TooManyTransactions));
    assert_eq!(process.effect, None);
    assert_eq!(process.state().lease_ms(), 100, "what is refused leaves no lease");
    assert!(process.look("a#2").settled_ms.is_some());
    assert_eq!(further(&mut process, &0_usize.to_le_bytes()), Ok(1), "one that is open");
    process.write(|primary| primary.discard(&1_usize.to_le_bytes()));
    assert_eq!(further(&mut process, b"further"), Ok(1));
    // What was given up is not open.
    process.pass(101);
    assert_eq!(further(&mut process, b"and another"), Ok(1));
    assert_eq!(process.local.flights.open(), 3);
}

#[test]
fn of_too_much_that_is_overdue_the_tables_are_committed() {
    let mut process = Process::settled(Settings { sweep_threshold: 2, ..ROOMY });
    process.look("a#1");
    for (transaction, row) in [("tx1", "a#1"), ("tx2", "a#2"), ("tx3", "b#1")] {
        process.record(transaction, &[row]);
    }
    let (other_row, other_table) = (process.look("a#9").version, process.look("c#1").version);
    process.pass(101);
    process.look("c#1");
    assert!(
        process.look("a#9").version > other_row,
        "three rows are more than two: their tables are committed"
    );
    assert_eq!(process.look("c#1").version, other_table);
    assert_eq!(process.commit("tx1", &[]), 1, "what was recorded is remembered as it was");
}
