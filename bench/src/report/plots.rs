//! Which plots there are, and what is in them.

use super::Found;
use super::chart::{BLACK, BLUE, Chart, GREEN, Line, ORANGE, PINK, PURPLE, RED, SKY, draw};
use crate::compare::{Data, Way};
use crate::operation::{Operation, READ_ROWS, WRITE_ROWS};
use crate::paths;
use crate::scale::Size;
use anyhow::Result;
use plotters::style::RGBColor;

pub(super) fn draw_all(found: &Found) -> Result<()> {
    let file = |name: &str| paths::document(&format!("benchmarks-{name}.svg"));
    draw(&file("read"), &[reads(found, Data::Hot), reads(found, Data::Cold)])?;
    draw(&file("write"), &[writes(found, Data::Hot), writes(found, Data::Cold)])?;
    draw(&file("wait"), &[waits(found, Way::Singly), waits(found, Way::Parallel)])?;
    draw(&file("size"), &[memory(found), times(found)])?;
    draw(&file("stalls"), &[stalls(found), commits(found)])?;
    draw(&file("in-flight"), &[in_flight(found)])
}

fn color(operation: Operation) -> RGBColor {
    match operation {
        Operation::Key => BLUE,
        Operation::Lookup => SKY,
        Operation::LuaKey | Operation::LuaCommit => ORANGE,
        Operation::FunctionKey | Operation::FunctionCommit => RED,
        Operation::OldKey | Operation::OldCommit => PINK,
        Operation::ClientKey | Operation::RecordCommit => GREEN,
        Operation::Touch => PURPLE,
        _ => BLACK,
    }
}

/// One line for each operation, over these numbers of rows.
fn lines(operations: &[Operation], rows: &[usize], y: impl Fn(Operation, usize) -> Option<f64>) -> Vec<Line> {
    let line = |operation: &Operation| Line {
        name: operation.name().to_owned(),
        color: color(*operation),
        points: rows.iter().filter_map(|rows| Some((*rows as f64, y(*operation, *rows)?))).collect(),
    };
    operations.iter().map(line).collect()
}

fn title(data: Data, of: &str) -> &str {
    // Leaked once for each of a few plots.
    let rows = match data {
        Data::Hot => "1,000 rows",
        Data::Cold => "1,000,000 rows",
    };
    format!("{of}, {rows}").leak()
}

fn reads(found: &Found, data: Data) -> Chart<'_> {
    use Operation::{FunctionKey, Key, Lookup, LuaKey, Mget, OldKey};
    let title = title(data, "Server CPU, MGET = 1");
    beside(found, data, title, &[Key, Lookup, Mget, OldKey, LuaKey, FunctionKey], Mget, &READ_ROWS)
}

fn writes(found: &Found, data: Data) -> Chart<'_> {
    use Operation::{FunctionCommit, LuaCommit, Mset, OldCommit, RecordCommit, Touch};
    let title = title(data, "Server CPU, MSET = 1");
    beside(
        found,
        data,
        title,
        &[RecordCommit, Touch, Mset, OldCommit, LuaCommit, FunctionCommit],
        Mset,
        &WRITE_ROWS,
    )
}

/// The server CPU of operations in parts of another's.
fn beside<'f>(
    found: &'f Found,
    data: Data,
    title: &'f str,
    operations: &[Operation],
    other: Operation,
    rows: &[usize],
) -> Chart<'f> {
    let ratio = |operation, rows| {
        found.comparison.cpu_ratio(data, (operation, other), rows).map(|ratio| ratio.median)
    };
    Chart { title, x: "rows in a call", lines: lines(operations, rows, ratio), y_range: (0.1, 20.0) }
}

fn waits(found: &Found, way: Way) -> Chart<'_> {
    use Operation::{ClientKey, Key, Lookup, LuaKey, OldKey};
    let us =
        |operation, rows| Some(found.comparison.wall_ns(Data::Hot, way, operation, rows)?.median / 1000.0);
    Chart {
        title: if way == Way::Singly { "One connection: µs a call" } else { "50 connections: µs a call" },
        x: "rows in a call",
        lines: lines(&[Key, Lookup, ClientKey, LuaKey, OldKey], &READ_ROWS, us),
        y_range: (2.0, 10_000.0),
    }
}

/// One line for each number of tables.
fn by_size(found: &Found, name: &str, colors: [RGBColor; 3], y: impl Fn(&Size) -> f64) -> Vec<Line> {
    let line = |(tables, color): (u32, RGBColor)| {
        let sizes = found.scale.sizes.iter().filter(|size| size.tables == tables);
        let points = sizes.map(|size| (f64::from(size.rows), y(size))).collect();
        Line { name: format!("{name}{tables} table{}", if tables == 1 { "" } else { "s" }), color, points }
    };
    [1, 10, 1000].into_iter().zip(colors).map(line).collect()
}

fn memory(found: &Found) -> Chart<'_> {
    Chart {
        title: "Memory: bytes a committed row",
        x: "rows",
        lines: by_size(found, "", [BLUE, GREEN, ORANGE], |size| size.told_row_bytes),
        y_range: (10.0, 1000.0),
    }
}

fn times(found: &Found) -> Chart<'_> {
    let mut lines = by_size(found, "KEY, ", [BLUE, GREEN, ORANGE], |size| size.key_ns / 1000.0);
    lines.extend(by_size(found, "TOUCH, ", [SKY, PINK, RED], |size| size.touch_ns / 1000.0));
    Chart { title: "Server CPU: µs a call of ten rows", x: "rows", lines, y_range: (1.0, 20.0) }
}

fn stalls(found: &Found) -> Chart<'_> {
    // What was not logged took less than that.
    let least = crate::scale::LOGGED_US;
    let growing = found.scale.stalls.growing.iter();
    let points = growing.map(|(rows, us)| (f64::from(*rows), (*us).max(least) as f64)).collect();
    let line = |name: &str, color, points| Line { name: name.to_owned(), color, points };
    let limit = vec![(1000.0, 1000.0), (1e7, 1000.0)];
    Chart {
        title: "Longest call while a table grows, µs",
        x: "rows",
        lines: vec![line("TOUCH of one row", BLUE, points), line("limit", RED, limit)],
        y_range: (10.0, 2000.0),
    }
}

fn commits(found: &Found) -> Chart<'_> {
    let line = |name: &str, color, is_raised, ms: fn(&crate::scale::Commit) -> f64| {
        let commits = found.scale.commits.iter().filter(|commit| commit.is_raised == is_raised);
        let points = commits.map(|commit| (f64::from(commit.rows), ms(commit).max(0.001))).collect();
        Line { name: name.to_owned(), color, points }
    };
    Chart {
        title: "One COMMIT of many rows, ms",
        x: "rows",
        lines: vec![
            line("never committed before", BLUE, true, |commit| commit.of_new_ms),
            line("committed before", SKY, true, |commit| commit.of_known_ms),
            line("default sweep-threshold", GREEN, false, |commit| commit.of_new_ms),
        ],
        y_range: (0.001, 500.0),
    }
}

fn in_flight(found: &Found) -> Chart<'_> {
    let line = |operation: Operation| {
        // None in flight stands where half a transaction would: a logarithmic axis has no 0.
        let points = found.scale.in_flight.iter().filter_map(|at| {
            let (_, ns) = at.call_ns.iter().find(|(of, _)| *of == operation)?;
            Some((f64::from(at.transactions).max(0.5), ns / 1000.0))
        });
        Line { name: operation.name().to_owned(), color: color(operation), points: points.collect() }
    };
    let operations = [Operation::Key, Operation::Lookup, Operation::RecordCommit, Operation::Touch];
    Chart {
        title: "Server CPU: µs a call of ten rows",
        x: "transactions in flight (0.5: none)",
        lines: operations.map(line).into(),
        y_range: (1.0, 20.0),
    }
}
