//! Memory and stalls at size.

mod commits;
mod dump;
mod growth;
mod in_flight;
mod stalls;

use crate::load::Load;
use crate::server::Server;
use crate::{machine, paths, progress};
use anyhow::Result;
pub(crate) use commits::Commit;
pub(crate) use dump::Dump;
pub(crate) use growth::Size;
pub(crate) use in_flight::InFlight;
use redis::{Connection, cmd};
use serde::{Deserialize, Serialize};
pub(crate) use stalls::{LOGGED_US, Stalls};

/// The most rows that are measured.
pub(crate) const ROWS_MAX: u32 = 10_000_000;
/// How many rows one call commits when tables are filled.
const CALL_ROWS: u32 = 1000;

/// Everything about size.
#[derive(Serialize, Deserialize)]
pub(crate) struct Scale {
    pub(crate) machine: Vec<(String, String)>,
    pub(crate) dump: Dump,
    pub(crate) stalls: Stalls,
    pub(crate) sizes: Vec<Size>,
    pub(crate) in_flight: Vec<InFlight>,
    pub(crate) commits: Vec<Commit>,
}

/// Measures, and keeps the figures for the report.
pub(crate) fn run() -> Result<()> {
    let commits = commits::measure()?;
    let in_flight = in_flight::measure()?;
    let (mut sizes, mut dump) = (Vec::new(), None);
    for tables in [1000, 10, 1] {
        let server = Server::start()?;
        sizes.extend(growth::measure(&server, tables)?);
        if tables == 1 {
            dump = Some(dump::measure(server)?);
        }
    }
    let stalls = stalls::measure()?;
    let machine = machine::describe()?;
    let Some(dump) = dump else { return Ok(()) };
    paths::keep("scale", &Scale { machine, dump, stalls, sizes, in_flight, commits })?;
    progress::done("kept the figures for `report`");
    Ok(())
}

/// The identifier of a row when all rows are spread evenly over so many tables.
fn identifier(row: u32, tables: u32) -> String {
    format!("alkey:t{}#{row}", row % tables)
}

/// Commits rows that are spread over so many tables.
fn touch(connection: &mut Connection, rows: std::ops::Range<u32>, tables: u32) -> Result<()> {
    let mut first = rows.start;
    while first < rows.end {
        // Piece by piece: all of them would take more memory than the server.
        let mut load = Load::default();
        for _ in 0..100 {
            let end = rows.end.min(first + CALL_ROWS);
            if first < end {
                let identifiers: Vec<String> = (first..end).map(|row| identifier(row, tables)).collect();
                load.push(cmd("ALKEY.TOUCH").arg(identifiers));
            }
            first = end;
        }
        load.send_pipelined(connection)?;
    }
    Ok(())
}
