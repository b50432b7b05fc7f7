//! What one call of each operation costs in instructions, which is the same in every run, as times are not.

mod counter;
mod profile;
mod table;

use crate::operation::cases;
use crate::{machine, progress, statistics};
use anyhow::{Context, Result, ensure};
use counter::Counts;
pub(crate) use table::Table;

/// Each server draws its own epoch, and with it where its rows are. The median of so many is counted.
const SERVERS: usize = 3;

/// Counts, and prints the table beside the committed one. With `check`, fails if an operation got too dear.
pub(crate) fn run(check: bool, write: bool) -> Result<()> {
    let table = Table::new(machine::server_version()?, &count()?);
    if write {
        table.write()?;
        print(&table, None);
        return Ok(());
    }
    let committed = Table::committed();
    if check {
        let committed = committed?;
        ensure!(
            committed.server == table.server,
            "the committed table is of Redis {}, this is {}: the two can't be compared",
            committed.server,
            table.server
        );
        print(&table, Some(&committed));
        let changes = table.changes(&committed).into_iter();
        let dear = changes.filter(|(operation, _, change)| table::is_too_dear(*operation, *change)).count();
        ensure!(
            dear == 0,
            "{dear} operations, marked with !, got more than 5 % dearer. If there is a reason, \
             `scripts/bench-instructions --write` makes these figures the committed ones; the commit says why"
        );
        return Ok(());
    }
    print(&table, committed.ok().as_ref());
    Ok(())
}

fn count() -> Result<Counts> {
    let mut counted: Vec<Counts> = Vec::new();
    let of = cases().count();
    for server in 1..=SERVERS {
        counted.push(counter::count(|done| {
            progress::show(&format!("counting, server {server} of {SERVERS}: {done} of {of}"));
        })?);
    }
    progress::done(&format!("counted {of} operations on {SERVERS} servers"));
    cases()
        .map(|case| {
            let each: Vec<u64> = counted.iter().filter_map(|counts| counts.get(&case)).copied().collect();
            Ok((case, statistics::median(&each).context("every server counts every operation")?))
        })
        .collect()
}

/// Prints each operation: instructions, in parts of MGET or MSET, and how the committed table differs.
fn print(table: &Table, committed: Option<&Table>) {
    println!("{:<26}{:>6}{:>14}{:>12}{:>12}", "operation", "rows", "instructions", "to M*ET", "committed");
    let changes = table.changes(committed.unwrap_or(table));
    for (operation, rows, change) in changes {
        let Some(instructions) = table.of(operation, rows) else { continue };
        let ratio = table.ratio(operation, operation.reference(), rows).unwrap_or(f64::NAN);
        let beside = match change {
            _ if committed.is_none() => String::new(),
            Some(percent) => format!("{percent:+.1} %"),
            None => "new".to_owned(),
        };
        let mark = if table::is_too_dear(operation, change) { " !" } else { "" };
        println!("{:<26}{rows:>6}{instructions:>14}{ratio:>12.3}{beside:>12}{mark}", operation.name());
    }
}
