//! For how long one COMMIT of many rows holds the server.

use super::dump::call_us;
use crate::load::{Load, call};
use crate::progress;
use crate::server::Server;
use crate::statistics;
use anyhow::{Context, Result};
use redis::{Connection, cmd};
use serde::{Deserialize, Serialize};

const THRESHOLD_DEFAULT: u32 = 10_000;
const THRESHOLD_RAISED: u32 = 10_000_000;
/// A call may have 100,000 arguments.
const ROWS_IN_RECORD: u32 = 50_000;
const TIMES: u32 = 5;

/// One COMMIT of so many rows, as the server's statistics of commands tell it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Commit {
    pub(crate) rows: u32,
    /// Whether `alkey.sweep-threshold` is above that number.
    pub(crate) is_raised: bool,
    /// If none of them was ever committed.
    pub(crate) of_new_ms: f64,
    /// If all of them were.
    pub(crate) of_known_ms: f64,
}

pub(super) fn measure() -> Result<Vec<Commit>> {
    let server = Server::start()?;
    let mut connection = server.connect()?;
    let mut commits = Vec::new();
    for rows in [1000, 10_000, 100_000, 1_000_000] {
        for is_raised in [false, true] {
            let threshold = if is_raised { THRESHOLD_RAISED } else { THRESHOLD_DEFAULT };
            progress::show(&format!("committing {rows} rows, sweep-threshold {threshold}"));
            call(&mut connection, &["CONFIG", "SET", "alkey.sweep-threshold", &threshold.to_string()])?;
            let (mut of_new, mut of_known) = (Vec::new(), Vec::new());
            for _ in 0..TIMES {
                call(&mut connection, &["FLUSHALL", "SYNC"])?;
                of_new.push(commit_ms(&mut connection, rows)?);
                of_known.push(commit_ms(&mut connection, rows)?);
            }
            let median = |times: &[f64]| statistics::summary(times).map(|summary| summary.median);
            let of_new_ms = median(&of_new).context("it was measured")?;
            let of_known_ms = median(&of_known).context("it was measured")?;
            commits.push(Commit { rows, is_raised, of_new_ms, of_known_ms });
        }
    }
    progress::done("measured COMMITs of many rows");
    Ok(commits)
}

/// Records so many rows, and gives the time that their COMMIT takes.
fn commit_ms(connection: &mut Connection, rows: u32) -> Result<f64> {
    let mut load = Load::default();
    for first in (0..rows).step_by(usize::try_from(ROWS_IN_RECORD)?) {
        let identifiers = (first..rows.min(first + ROWS_IN_RECORD)).map(|row| format!("alkey:users#{row}"));
        load.push(cmd("ALKEY.RECORD").arg("alkey:tx:large").arg(identifiers.collect::<Vec<_>>()));
    }
    load.send_pipelined(connection)?;
    call(connection, &["CONFIG", "RESETSTAT"])?;
    call(connection, &["ALKEY.COMMIT", "alkey:tx:large"])?;
    Ok(call_us(connection, "alkey.commit")? as f64 / 1000.0)
}
