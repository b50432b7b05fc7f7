//! How the time of a call grows with the number of transactions in flight.

use crate::operation::Operation;
use crate::progress;
use crate::server::Server;
use crate::statistics;
use crate::subject::Subject;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

const ROWS: u32 = 100_000;
/// How many rows each of the transactions has recorded, and each of the calls names.
pub(crate) const ROWS_IN_CALL: usize = 10;
const CALLS: usize = 2000;
const TIMES: usize = 7;
pub(crate) const OPERATIONS: [Operation; 4] =
    [Operation::Key, Operation::Lookup, Operation::RecordCommit, Operation::Touch];

/// The server's CPU time for a call of each operation while so many transactions are in flight.
#[derive(Serialize, Deserialize)]
pub(crate) struct InFlight {
    pub(crate) transactions: u32,
    pub(crate) call_ns: Vec<(Operation, f64)>,
}

pub(super) fn measure() -> Result<Vec<InFlight>> {
    let mut subject = Subject::new(Server::start()?, ROWS)?;
    let mut measured = Vec::new();
    for transactions in [0, 1, 10, 100, 1000] {
        progress::show(&format!("with {transactions} transactions in flight"));
        let mut times: Vec<(Operation, Vec<f64>)> =
            OPERATIONS.map(|operation| (operation, Vec::new())).into();
        subject.record(transactions, ROWS_IN_CALL)?;
        for _ in 0..TIMES {
            for (operation, times) in &mut times {
                let load = subject.load(*operation, ROWS_IN_CALL, CALLS);
                let before_ns = subject.server.cpu_ns()?;
                load.send_pipelined(&mut subject.connection)?;
                times.push((subject.server.cpu_ns()? - before_ns) as f64 / CALLS as f64);
            }
        }
        subject.discard(transactions)?;
        let median = |(operation, times): (Operation, Vec<f64>)| -> Result<_> {
            Ok((operation, statistics::summary(&times).context("it was measured")?.median))
        };
        let call_ns = times.into_iter().map(median).collect::<Result<_>>()?;
        measured.push(InFlight { transactions, call_ns });
    }
    progress::done("measured with transactions in flight");
    Ok(measured)
}
