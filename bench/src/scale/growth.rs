//! How memory and the time of a call grow with the number of rows, in one table and in many.

use super::{ROWS_MAX, identifier, touch};
use crate::load::{Load, call};
use crate::progress;
use crate::server::{Server, info};
use crate::statistics;
use anyhow::{Context, Result};
use redis::cmd;
use serde::{Deserialize, Serialize};

/// So many rows in a call whose time is measured.
pub(crate) const ROWS_IN_CALL: usize = 10;
const CALLS: usize = 1000;
const TIMES: usize = 5;

/// So many committed rows in so many tables.
#[derive(Serialize, Deserialize)]
pub(crate) struct Size {
    pub(crate) tables: u32,
    pub(crate) rows: u32,
    /// What the server's `used_memory` has grown by, for each row.
    pub(crate) row_bytes: f64,
    /// What `MEMORY USAGE` tells of the namespace, for each row.
    pub(crate) told_row_bytes: f64,
    /// The server's CPU time for a call of KEY with ten rows, and of TOUCH.
    pub(crate) key_ns: f64,
    pub(crate) touch_ns: f64,
}

/// Grows one server's tables, and measures at each step.
pub(super) fn measure(server: &Server, tables: u32) -> Result<Vec<Size>> {
    let mut connection = server.connect()?;
    // A long call that keeps nothing: the buffers of the connection are there from here on.
    let mut warm = Load::default();
    warm.push(cmd("ALKEY.KEY").arg((0..1000).map(|row| identifier(row, 1)).collect::<Vec<_>>()));
    warm.send_singly(&mut connection)?;
    let used =
        |connection: &mut _| -> Result<f64> { Ok(info(connection, "memory", "used_memory")?.parse()?) };
    let empty = used(&mut connection)?;
    let (mut sizes, mut random) = (Vec::new(), fastrand::Rng::with_seed(1));
    let mut filled = 0;
    // Between the powers of two, too: maps that double are half empty after them.
    let steps = [1, 2, 3, 4, 5, 6, 8];
    let sizes_of = (3..7).flat_map(|zeros| steps.map(|step| step * 10_u32.pow(zeros))).chain([ROWS_MAX]);
    for rows in sizes_of.filter(|rows| *rows >= tables) {
        progress::show(&format!("growing {tables} tables to {ROWS_MAX} rows: {rows}"));
        touch(&mut connection, filled..rows, tables)?;
        filled = rows;
        let row_bytes = (used(&mut connection)? - empty) / f64::from(rows);
        let told: u64 =
            redis::from_redis_value(call(&mut connection, &["MEMORY", "USAGE", "alkey", "SAMPLES", "0"])?)?;
        let mut cpu_ns = |command: &str| -> Result<f64> {
            let mut times = Vec::new();
            for _ in 0..TIMES {
                let mut load = Load::default();
                for _ in 0..CALLS {
                    let identifiers = (0..ROWS_IN_CALL).map(|_| identifier(random.u32(0..rows), tables));
                    load.push(cmd(command).arg(identifiers.collect::<Vec<_>>()));
                }
                let before_ns = server.cpu_ns()?;
                load.send_pipelined(&mut connection)?;
                times.push((server.cpu_ns()? - before_ns) as f64 / CALLS as f64);
            }
            Ok(statistics::summary(&times).context("it was measured")?.median)
        };
        let (key_ns, touch_ns) = (cpu_ns("ALKEY.KEY")?, cpu_ns("ALKEY.TOUCH")?);
        let told_row_bytes = told as f64 / f64::from(rows);
        sizes.push(Size { tables, rows, row_bytes, told_row_bytes, key_ns, touch_ns });
    }
    progress::done(&format!("measured {tables} tables of up to {ROWS_MAX} rows"));
    Ok(sizes)
}
