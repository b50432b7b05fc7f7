//! A dump makes the same namespace from nothing, whatever is in it, and never in pieces too large to hold.

use super::process::{Process, ROOMY, apply, stamps_of};
use crate::protocol::effect;
use crate::protocol::limits::{NAME_BYTES_MAX, Settings};
use crate::protocol::namespace::Namespace;

/// A piece is emitted at 64 KB, before which a table may add as much again, and 64 floors with its name each.
const PIECE_BYTES_MAX: usize = 2 * (64 << 10) + 66 * (NAME_BYTES_MAX + 32);

/// Dumps a namespace, makes it again, and returns how many pieces that took.
#[track_caller]
fn assert_dumps(namespace: &Namespace) -> usize {
    let mut pieces = Vec::new();
    effect::dump(namespace, |piece| pieces.push(piece.to_vec()));
    assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= PIECE_BYTES_MAX));
    let mut made = None;
    // Twice, as when an append-only file is loaded over a dump.
    for _ in 0..2 {
        for piece in &pieces {
            apply(&mut made, piece);
        }
        assert_eq!(stamps_of(made.as_ref().unwrap()), stamps_of(namespace));
    }
    pieces.len()
}

/// Touches so many rows of a table at once.
fn touch_rows(process: &mut Process, table: &str, rows: core::ops::Range<u64>) {
    let all: Vec<String> = rows.map(|row| format!("{table}#{row}")).collect();
    process.touch(&all.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_namespace_in_which_nothing_was_written() {
    let mut process = Process::settled(ROOMY);
    process.look("t#1");
    assert_eq!(assert_dumps(process.state()), 1);
    process.record("tx", &["t#1"]);
    assert_eq!(assert_dumps(process.state()), 1);
}

#[test]
fn rows_around_the_size_of_a_piece() {
    for (rows, pieces) in [(1, 1), (4000, 1), (4095, 2), (4096, 2), (4097, 2), (8192, 3), (10_000, 3)] {
        let settings = Settings { sweep_threshold: 1_000_000, ..ROOMY };
        let mut process = Process::settled(settings);
        touch_rows(&mut process, "t", 0..rows);
        assert_eq!(assert_dumps(process.state()), pieces, "{rows} rows");
    }
}

#[test]
fn sweeps_and_floors_and_rows_after_them() {
    let mut process = Process::settled(Settings { rows_max: 200, ..ROOMY });
    for table in ["t", "u", "v"] {
        touch_rows(&mut process, table, 0..150);
        process.pass(1);
        touch_rows(&mut process, table, 100..300);
    }
    assert!(process.state().tables().values().all(|table| table.floors().count() > 0));
    assert_dumps(process.state());
    process.touch(&["u#*", "v#*"]);
    touch_rows(&mut process, "v", 0..500);
    assert_dumps(process.state());
    process.touch(&["*#*"]);
    assert_dumps(process.state());
    touch_rows(&mut process, "u", 0..10);
    assert_dumps(process.state());
}

#[test]
fn many_tables_and_long_names() {
    let mut process = Process::settled(Settings { rows_max: 64, ..ROOMY });
    let names: Vec<String> = (0..3_000).map(|table| format!("{table}#1")).collect();
    process.touch(&names.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(assert_dumps(process.state()) > 1);

    let mut process = Process::settled(Settings { rows_max: 64, ..ROOMY });
    for first in ["t", "u", "v"] {
        let name = first.repeat(NAME_BYTES_MAX);
        touch_rows(&mut process, &name, 0..40);
        touch_rows(&mut process, &name, 40..4_000);
    }
    assert!(assert_dumps(process.state()) > 1);
}
