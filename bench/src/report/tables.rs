//! The tables of the page.

use super::{Found, limits};
use crate::compare::{Data, KINDS, Way};
use crate::operation::Operation;

/// Each table with the name of its place.
pub(super) fn all(found: &Found) -> Vec<(&'static str, String)> {
    let of = |kind, data| by_operation(kind, |operation, rows| cpu(found, data, operation, rows));
    vec![
        ("machine", machine(found)),
        ("rounds", found.comparison.rounds.to_string()),
        ("limits", limits::ratios(found)),
        ("limits of size", limits::sizes(found)),
        (
            "instructions",
            by_kind(|kind| by_operation(kind, |operation, rows| instructions(found, operation, rows))),
        ),
        ("reads hot", of(0, Data::Hot)),
        ("reads cold", of(0, Data::Cold)),
        ("writes hot", of(1, Data::Hot)),
        ("writes cold", of(1, Data::Cold)),
        ("wait of one", waits(found, Way::Singly)),
        ("wait of many", waits(found, Way::Parallel)),
        ("sizes", sizes(found)),
        ("left out", left_out(found)),
        ("in flight", in_flight(found)),
        ("commits", commits(found)),
        ("dump", dump(found)),
    ]
}

fn machine(found: &Found) -> String {
    let rows = found.comparison.machine.iter().map(|(name, value)| vec![name.clone(), value.clone()]);
    table(&["", ""], "-", rows)
}

/// Those that read, then those that write.
fn by_kind(of: impl Fn(usize) -> String) -> String {
    format!("{}\n{}", of(0), of(1))
}

/// A line for each operation of a kind, a column for each number of rows.
fn by_operation(kind: usize, cell: impl Fn(Operation, usize) -> String) -> String {
    let Some((operations, rows)) = KINDS.get(kind) else { return String::new() };
    let names: Vec<String> = rows.iter().map(|rows| format!("n = {}", thousands(*rows as u64))).collect();
    let mut head = vec![""];
    head.extend(names.iter().map(String::as_str));
    let lines = operations.iter().map(|operation| {
        let cells = rows.iter().map(|rows| cell(*operation, *rows));
        std::iter::once(operation.name().to_owned()).chain(cells).collect()
    });
    table(&head, "-:", lines)
}

/// Microseconds, and in parts of the reference with its quartiles.
fn cpu(found: &Found, data: Data, operation: Operation, rows: usize) -> String {
    let Some(ns) = found.comparison.cpu_ns(data, operation, rows) else { return String::new() };
    let reference = operation.reference();
    if operation == reference {
        return us(ns.median);
    }
    let ratio = found.comparison.cpu_ratio(data, (operation, reference), rows);
    ratio.map_or(us(ns.median), |ratio| {
        format!("{} · **{:.2}** ({:.2}–{:.2})", us(ns.median), ratio.median, ratio.low, ratio.high)
    })
}

/// Microseconds, in few digits.
fn us(ns: f64) -> String {
    let us = ns / 1000.0;
    if us < 10.0 { format!("{us:.2}") } else { format!("{us:.1}") }
}

fn instructions(found: &Found, operation: Operation, rows: usize) -> String {
    let Some(count) = found.instructions.of(operation, rows) else { return String::new() };
    match found.instructions.ratio(operation, operation.reference(), rows) {
        Some(ratio) if operation != operation.reference() => format!("{} · **{ratio:.2}**", thousands(count)),
        _ => thousands(count),
    }
}

/// How long a client waits: hot / cold.
fn waits(found: &Found, way: Way) -> String {
    let cell = |data, operation, rows| {
        let ns = found.comparison.wall_ns(data, way, operation, rows)?;
        Some(format!("{} ({}–{})", us(ns.median), us(ns.low), us(ns.high)))
    };
    by_kind(|kind| {
        by_operation(kind, |operation, rows| {
            let both = [Data::Hot, Data::Cold].into_iter().filter_map(|data| cell(data, operation, rows));
            both.collect::<Vec<_>>().join(" / ")
        })
    })
}

/// The part of the rows that were no use in looking for the longest call.
fn left_out(found: &Found) -> String {
    let stalls = &found.scale.stalls;
    let rows: u32 = stalls.rows_left_out.iter().sum();
    format!("{:.1} %", 100.0 * f64::from(rows) / stalls.rows_written as f64)
}

fn sizes(found: &Found) -> String {
    let shown = [1000, 10_000, 100_000, 1_000_000, 10_000_000];
    let lines = found.scale.sizes.iter().rev().filter(|size| shown.contains(&size.rows)).map(|size| {
        vec![
            size.tables.to_string(),
            thousands(u64::from(size.rows)),
            format!("{:.1}", size.told_row_bytes),
            // Of few rows the server's own buffers are most of it.
            if size.rows < 100_000 { "–".to_owned() } else { format!("{:.1}", size.row_bytes) },
            format!("{:.2}", size.key_ns / 1000.0),
            format!("{:.2}", size.touch_ns / 1000.0),
        ]
    });
    let head = [
        "tables",
        "rows",
        "bytes a row, `MEMORY USAGE`",
        "bytes a row, `used_memory`",
        "KEY of 10, µs",
        "TOUCH of 10, µs",
    ];
    table(&head, "-:", lines)
}

fn in_flight(found: &Found) -> String {
    let Some(first) = found.scale.in_flight.first() else { return String::new() };
    let mut head = vec!["transactions in flight"];
    head.extend(first.call_ns.iter().map(|(operation, _)| operation.name()));
    let lines = found.scale.in_flight.iter().map(|at| {
        let cells = at.call_ns.iter().map(|(_, ns)| format!("{:.2}", ns / 1000.0));
        std::iter::once(at.transactions.to_string()).chain(cells).collect()
    });
    table(&head, "-:", lines)
}

fn commits(found: &Found) -> String {
    let lines = found.scale.commits.iter().map(|commit| {
        vec![
            thousands(u64::from(commit.rows)),
            if commit.is_raised { "10,000,000" } else { "10,000 (default)" }.to_owned(),
            format!("{:.3}", commit.of_new_ms),
            format!("{:.3}", commit.of_known_ms),
        ]
    });
    table(&["rows", "sweep-threshold", "never committed before, ms", "committed before, ms"], "-:", lines)
}

fn dump(found: &Found) -> String {
    let dump = &found.scale.dump;
    let line = vec![
        thousands(u64::from(dump.rows)),
        format!("{:.0}", dump.bytes as f64 / 1e6),
        format!("{:.2}", dump.save_s),
        format!("{:.2}", dump.load_s),
    ];
    table(&["rows", "size, MB", "SAVE, s", "load, s"], "-:", std::iter::once(line))
}

/// A table in Markdown. The first column is text, the others are aligned as said.
/// A table in Markdown.
pub(crate) fn table(head: &[&str], aligned: &str, lines: impl Iterator<Item = Vec<String>>) -> String {
    let aligned = format!("|--{}|\n", format!("|--{aligned}").repeat(head.len().saturating_sub(1)));
    let head = format!("| {} |\n", head.join(" | "));
    let lines = lines.map(|line| format!("| {} |\n", line.join(" | ")));
    head + &aligned + &lines.collect::<String>()
}

/// A number with commas: 12,345.
pub(crate) fn thousands(number: u64) -> String {
    if number < 1000 {
        number.to_string()
    } else {
        format!("{},{:03}", thousands(number / 1000), number % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas() {
        assert_eq!(
            [0, 999, 1000, 12_345, 1_000_001].map(thousands),
            ["0", "999", "1,000", "12,345", "1,000,001"]
        );
    }

    #[test]
    fn a_table_is_markdown() {
        let lines = [vec!["KEY".to_owned(), "1".to_owned()]];
        assert_eq!(table(&["", "n"], "-:", lines.into_iter()), "|  | n |\n|--|---:|\n| KEY | 1 |\n");
    }
}
