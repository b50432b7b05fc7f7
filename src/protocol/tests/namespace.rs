//! What a commit changes, what it costs to remember, and what is dropped when that grows past its limits.

use super::events::everything;
use super::oracle::touches;
use super::process::{Looked, Process, ROOMY, target};
use crate::protocol::limits::{Settings, TABLES_MAX};
use crate::protocol::namespace::Cause;
use std::collections::{BTreeMap, BTreeSet};

/// The versions of all that tests name.
fn versions(process: &mut Process) -> BTreeMap<&'static str, u64> {
    process
        .look_at(everything())
        .into_iter()
        .map(|(identifier, looked)| (identifier, looked.version))
        .collect()
}

#[test]
fn a_commit_changes_what_depends_on_it_and_nothing_else() {
    let cases: &[&[&str]] = &[
        &["a#1"],
        &["a#*"],
        &["*#*"],
        &["a#1", "a#2"],
        &["a#1", "a#1"],
        &["a#1", "b#1", "a#2", "b#*", "a#3"],
        &["a#*", "a#1"],
        &["a#1", "a#*"],
        &["a#1", "*#*", "b#1"],
        &["d#1"],
    ];
    for committed in cases {
        let mut process = Process::settled(ROOMY);
        process.touch(&["a#1", "b#2"]);
        // Twice: once over what was written row by row, once over what the same commit left.
        for _ in 0..2 {
            let before = versions(&mut process);
            process.touch(committed);
            let stamp = process.state().stamps().last.to_bits();
            for (identifier, after) in versions(&mut process) {
                let is_touched = committed.iter().any(|committed| touches(committed, identifier));
                let expected = if is_touched { stamp } else { before[identifier] };
                assert_eq!(after, expected, "{identifier} after {committed:?}");
            }
        }
    }
}

#[test]
fn within_a_millisecond_and_when_the_clock_stands_back_versions_still_grow() {
    let mut process = Process::settled(ROOMY);
    let first = process.look("a#1").version;
    for unix_ms in [process.moment.now.unix_ms, process.moment.now.unix_ms, 0, 1] {
        process.moment.now.unix_ms = unix_ms;
        let before = process.look("a#1");
        process.touch(&["a#1"]);
        let after = process.look("a#1");
        assert!(after.version > before.version);
        // The clock stands before the stamp, and a lower bound on a time is never below nothing.
        assert_eq!(after.settled_ms, Some(0));
    }
    assert!(first < process.look("a#1").version);
}

#[test]
fn settled_is_the_time_since_the_last_change_less_one() {
    let mut process = Process::settled(ROOMY);
    process.touch(&["a#1"]);
    for (ms, settled_ms) in [(0, 0), (1, 0), (2, 1), (3, 2), (1_000, 999)] {
        let mut process = process.clone();
        process.pass(ms);
        assert_eq!(process.look("a#1").settled_ms, Some(settled_ms), "after {ms} ms");
        // A row that nobody wrote is settled since its floor, here the namespace's birth; not since the look.
        assert_eq!(process.look("a#2").settled_ms, Some(settled_ms));
    }
}

#[test]
fn what_gave_a_version_is_told() {
    use Cause::{AnyCommit, Epoch, Floor, NamespaceSweep, RowCommit, TableCommit, TableSweep};
    let mut process = Process::settled(ROOMY);
    process.look("a#1");
    let asked = ["a#1", "a#2", "a#*", "b#1", "b#*", "*#*"];
    for (touched, expected) in [
        (vec![], [Epoch; 6]),
        (vec!["a#1"], [RowCommit, Epoch, TableCommit, Epoch, Epoch, AnyCommit]),
        (vec!["a#1", "a#*"], [TableSweep, TableSweep, TableCommit, Epoch, Epoch, AnyCommit]),
        (vec!["a#2"], [TableSweep, RowCommit, TableCommit, Epoch, Epoch, AnyCommit]),
        (vec!["*#*"], [NamespaceSweep; 6]),
        (vec!["b#1"], [NamespaceSweep, NamespaceSweep, NamespaceSweep, RowCommit, TableCommit, AnyCommit]),
    ] {
        process.touch(&touched);
        assert_eq!(asked.map(|it| process.state().cause(target(it))), expected, "after {touched:?}");
    }
    process.moment.settings.rows_max = 0;
    process.touch(&["b#1"]);
    assert_eq!(process.state().cause(target("b#1")), Floor);
}

#[test]
fn memory_is_what_was_written_since_the_last_sweep() {
    let mut process = Process::settled(ROOMY);
    let held = |process: &Process, row: &str| process.state().held(b"a", row.as_bytes()).is_some();
    process.look("a#1");
    assert!(!held(&process, "1"));
    assert_eq!(process.state().tables().len(), 0);
    process.touch(&["a#1"]);
    process.look("a#2");
    assert!(held(&process, "1") && !held(&process, "2"));
    process.touch(&["a#*", "a#3"]);
    assert!(!held(&process, "1") && !held(&process, "3"));
    process.touch(&["a#1"]);
    assert!(held(&process, "1"));
    process.touch(&["*#*"]);
    assert_eq!(process.state().tables().len(), 0);
}

#[test]
fn a_table_of_ten_rows_is_small() {
    let mut process = Process::settled(ROOMY);
    process.look("a#1");
    let empty = process.state().bytes();
    for row in 0..10 {
        process.touch(&[&format!("a#{row}")]);
    }
    let bytes = process.state().bytes() - empty;
    assert!(bytes <= 1_024, "{bytes} bytes for ten rows");
}

#[test]
fn rows_that_are_many_are_committed_as_few_are() {
    // Above a floor, below it, and where there is none.
    for rows_max in [usize::MAX, 3_000] {
        let mut process = Process::settled(Settings { sweep_threshold: 10_000, rows_max, ..ROOMY });
        let names: Vec<String> = (0..5_000).map(|row| format!("a#{row}")).collect();
        process.look(&names[0]);
        for range in [0..3_000, 1_000..5_000, 0..5_000] {
            let before: Vec<u64> = names.iter().map(|name| process.look_only(name).version).collect();
            let committed: Vec<&str> = names[range.clone()].iter().map(String::as_str).collect();
            process.touch(&committed);
            let state = process.state();
            let (stamp, held) = (state.stamps().last, state.rows());
            assert!(held <= rows_max);
            if rows_max == usize::MAX {
                assert_eq!(held, range.end.max(3_000));
            }
            for (row, name) in names.iter().enumerate() {
                let version = process.look_only(name).version;
                if range.contains(&row) {
                    assert_eq!(version, stamp.to_bits(), "{name} of {range:?}");
                } else {
                    assert!(version == before[row] || held < range.end && version == stamp.to_bits());
                }
            }
        }
    }
}

#[test]
fn past_the_limit_of_rows_a_64th_of_the_keys_changes_at_a_time() {
    const ROWS_MAX: usize = 640;
    let mut process = Process::settled(Settings { rows_max: ROWS_MAX, ..ROOMY });
    let names: Vec<String> = (0..1_280).map(|row| format!("a#{row}")).collect();
    let (fit, further) = names.split_at(ROWS_MAX);
    process.touch(&fit.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(process.state().tables()[b"a".as_slice()].floors().count(), 0);

    let look = |process: &Process| names.iter().map(|name| process.look_only(name)).collect::<Vec<Looked>>();
    let mut risen = BTreeSet::new();
    let mut before = look(&process);
    for name in further {
        process.touch(&[name]);
        let table = &process.state().tables()[b"a".as_slice()];
        assert!(table.rows.len() <= ROWS_MAX);
        let last = process.state().stamps().last;
        let rising: Vec<usize> =
            table.floors().filter(|(_, stamp)| *stamp == last).map(|(floor, _)| floor).collect();
        // No floor rises again before all others have.
        if risen.len() < 64 {
            assert!(rising.iter().all(|floor| risen.insert(*floor)));
        }
        let after = look(&process);
        let changed = before.iter().zip(&after).filter(|(before, after)| before != after).count();
        assert!(changed <= 1 + rising.len() * names.len() / 16, "{changed} of {} keys changed", names.len());
        assert!(before.iter().zip(&after).all(|(before, after)| before.version <= after.version));
        before = after;
    }
    assert!(risen.len() > 16, "only {} floors rose", risen.len());
}

#[test]
fn past_the_limit_of_tables_everything_is_swept() {
    let mut process = Process::settled(ROOMY);
    let names: Vec<String> = (0..=TABLES_MAX).map(|table| format!("{table}#1")).collect();
    let (fit, further) = names.split_at(TABLES_MAX);
    for some in fit.chunks(5_000) {
        process.touch(&some.iter().map(String::as_str).collect::<Vec<_>>());
    }
    assert_eq!(process.state().tables().len(), TABLES_MAX);
    let before = process.look("0#1").version;
    process.touch(&["0#2"]);
    assert_eq!(process.look("0#1").version, before, "a table that is known needs no room");

    // What the same commit named before and after it is swept with the rest.
    process.touch(&["0#3", &further[0], "0#4"]);
    assert_eq!(process.state().tables().len(), 0);
    let stamp = process.state().stamps().last;
    for identifier in ["0#1", "0#3", "0#4", &further[0], "never#1", "never#*", "*#*"] {
        assert_eq!(process.state().version(target(identifier)), stamp, "{identifier}");
    }
    process.touch(&["0#1"]);
    assert_eq!(process.state().tables().len(), 1);
}
