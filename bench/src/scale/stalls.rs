//! The longest time that one call holds the server while a table grows, and while its floors rise.
//!
//! Rows are committed by calls of their own, and the server's log of slow calls (SLOWLOG) tells the longest ones. It
//! takes the time by the clock, but a machine that is shared takes the CPU away from a server now and then, for
//! milliseconds. So the rows go in small batches, and a batch in which the server waited for the CPU for some time is
//! left out. What a hypervisor takes away the kernel does not know: a program that does nothing but look at the clock
//! saw gaps of 1.3 and of 16 ms. So of each stretch of rows the longest call of each of three servers is taken, and the
//! least of these. What the module does again and again as a table grows is in every stretch of every server.

use super::ROWS_MAX;
use crate::load::call;
use crate::progress;
use crate::server::Server;
use anyhow::{Context, Result};
use redis::{Connection, ConnectionLike, Value};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

const SERVERS: usize = 3;
/// The log holds what takes longer.
pub(crate) const LOGGED_US: u64 = 20;
/// Past this many rows in a table its floors rise, and so many more are committed.
const ROWS_PAST: u32 = ROWS_MAX / 10;
const BATCH: u32 = 100;
/// A server that waited for the CPU for longer during a batch was disturbed. Most wait a little: for the client, which
/// runs as soon as it has the answer.
const WAITED_NS: u64 = 100_000;
/// Stretches of rows, each a quarter longer than the one before it.
const FIRST_STRETCH: u32 = 1000;

/// The longest calls, in microseconds. 0 where none was logged.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stalls {
    /// While the table grows: rows so far, and the longest call since the number before.
    pub(crate) growing: Vec<(u32, u64)>,
    /// While its floors rise.
    pub(crate) rising_us: u64,
    /// How many rows were committed in batches that were left out, on each server.
    pub(crate) rows_left_out: Vec<u32>,
    /// How many were committed in all, on all servers.
    pub(crate) rows_written: u64,
}

pub(super) fn measure() -> Result<Stalls> {
    let (mut servers, mut rows_left_out) = (Vec::new(), Vec::new());
    for number in 1..=SERVERS {
        let server = Server::start()?;
        let mut connection = server.connect()?;
        call(&mut connection, &["CONFIG", "SET", "alkey.max-rows", &ROWS_MAX.to_string()])?;
        call(&mut connection, &["CONFIG", "SET", "slowlog-max-len", "10000000"])?;
        call(&mut connection, &["CONFIG", "SET", "slowlog-log-slower-than", &LOGGED_US.to_string()])?;
        let mut left_out = HashSet::new();
        for first in (0..ROWS_MAX + ROWS_PAST).step_by(usize::try_from(BATCH)?) {
            if first % 100_000 == 0 {
                progress::show(&format!("one by one, server {number} of {SERVERS}: {first}"));
            }
            let before_ns = server.waited_ns()?;
            touch_one_by_one(&mut connection, first..first + BATCH)?;
            if server.waited_ns()? - before_ns > WAITED_NS {
                left_out.insert(first / BATCH);
            }
        }
        let mut calls = slow_calls(&mut connection)?;
        calls.retain(|(row, _)| !left_out.contains(&(row / BATCH)));
        servers.push(calls);
        rows_left_out.push(u32::try_from(left_out.len())? * BATCH);
    }
    progress::done(&format!("committed {} rows one by one, on {SERVERS} servers", ROWS_MAX + ROWS_PAST));
    Ok(Stalls::of(&servers, rows_left_out))
}

impl Stalls {
    /// From the slow calls of each server: row and microseconds.
    fn of(servers: &[Vec<(u32, u64)>], rows_left_out: Vec<u32>) -> Self {
        let longest = |rows: std::ops::Range<u32>| {
            let of_each = servers.iter().map(|calls| {
                let here = calls.iter().filter(|(row, _)| rows.contains(row));
                here.map(|(_, us)| *us).max().unwrap_or_default()
            });
            of_each.min().unwrap_or_default()
        };
        let mut growing = Vec::new();
        let (mut first, mut end) = (0, FIRST_STRETCH);
        while first < ROWS_MAX {
            growing.push((end, longest(first..end)));
            // The last one has what is left, if that is less than half of another.
            let next = end + end / 4;
            (first, end) = (end, if next + next / 8 > ROWS_MAX { ROWS_MAX } else { next });
        }
        let rows_written = servers.len() as u64 * u64::from(ROWS_MAX + ROWS_PAST);
        Self { growing, rising_us: longest(ROWS_MAX..u32::MAX), rows_left_out, rows_written }
    }
}

/// The server keeps its answers to itself, which is quicker.
fn touch_one_by_one(connection: &mut Connection, rows: std::ops::Range<u32>) -> Result<()> {
    let mut calls = b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n".to_vec();
    for row in rows {
        let identifier = format!("alkey:users#{row}");
        let call = format!("*2\r\n$11\r\nALKEY.TOUCH\r\n${}\r\n{identifier}\r\n", identifier.len());
        calls.extend_from_slice(call.as_bytes());
    }
    calls.extend_from_slice(b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$2\r\nON\r\n");
    // The one answer is to the last of them.
    connection.req_packed_command(&calls)?.extract_error()?;
    Ok(())
}

/// The rows whose calls were logged, and how long they took.
fn slow_calls(connection: &mut Connection) -> Result<Vec<(u32, u64)>> {
    let Value::Array(entries) = call(connection, &["SLOWLOG", "GET", "-1"])? else { return Ok(Vec::new()) };
    let mut calls = Vec::new();
    for entry in entries {
        // Its number, when it was, how long it took, and the words of the call.
        let (_, _, us, words): (u64, u64, u64, Vec<String>) = match entry {
            Value::Array(fields) => {
                redis::from_redis_value(Value::Array(fields.into_iter().take(4).collect()))?
            }
            other => redis::from_redis_value(other)?,
        };
        if let [command, identifier] = words.as_slice()
            && command == "ALKEY.TOUCH"
        {
            let row = identifier.strip_prefix("alkey:users#").and_then(|row| row.parse().ok());
            calls.push((row.with_context(|| format!("{identifier} is none of the rows"))?, us));
        }
    }
    Ok(calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_slow_on_every_server_counts() {
        let servers = [
            vec![(5, 900), (1001, 50), (1200, 70), (ROWS_MAX, 300)],
            vec![(7, 100), (1100, 60), (ROWS_MAX + 5, 200)],
            vec![(8, 200), (1001, 9000), (5000, 80), (ROWS_MAX, 250)],
        ];
        let stalls = Stalls::of(&servers, Vec::new());
        assert_eq!(stalls.growing[..3], [(1000, 100), (1250, 60), (1562, 0)]);
        assert_eq!(stalls.growing.last(), Some(&(ROWS_MAX, 0)));
        assert_eq!(stalls.rising_us, 200);
    }
}
