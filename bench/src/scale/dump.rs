//! Saving and loading what a server holds.

use super::ROWS_MAX;
use crate::load::call;
use crate::progress;
use crate::server::{Server, info};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fs;

/// A dump of ten million rows.
#[derive(Serialize, Deserialize)]
pub(crate) struct Dump {
    pub(crate) rows: u32,
    pub(crate) bytes: u64,
    pub(crate) save_s: f64,
    pub(crate) load_s: f64,
}

/// Has a server save its rows, and starts another with what it saved.
pub(super) fn measure(server: Server) -> Result<Dump> {
    progress::done(&format!("saving and loading {ROWS_MAX} rows ..."));
    let mut connection = server.connect()?;
    call(&mut connection, &["CONFIG", "RESETSTAT"])?;
    call(&mut connection, &["SAVE"])?;
    let save_s = call_us(&mut connection, "save")? as f64 / 1e6;
    let bytes = fs::metadata(server.directory().join("dump.rdb")).context("SAVE wrote no dump")?.len();
    let directory = server.stop()?.context("the server had a directory of its own")?;
    let loaded = Server::start_in(directory.path())?;
    // `DB loaded from disk: 1.234 seconds`: of the second start, the first had nothing to load.
    let log = loaded.log();
    let told = log.lines().rev().find_map(|line| line.split_once("DB loaded from disk: "));
    let load_s = told.and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    let load_s =
        load_s.with_context(|| format!("the log does not tell for how long it was loading:\n{log}"))?;
    Ok(Dump { rows: ROWS_MAX, bytes, save_s, load_s })
}

/// The time that a command's calls took together since the statistics were reset, in microseconds.
pub(super) fn call_us(connection: &mut redis::Connection, command: &str) -> Result<u64> {
    // `calls=1,usec=123,...`
    let statistics = info(connection, "commandstats", &format!("cmdstat_{command}"))?;
    let usec = statistics.split(',').find_map(|field| field.strip_prefix("usec="));
    usec.with_context(|| format!("no time in {statistics:?}"))?.parse().context("a number of microseconds")
}
