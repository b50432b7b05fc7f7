//! What each operation costs beside its alternatives: the server's CPU time, and how long a client waits.
//!
//! All are measured in each round, those that are compared right after each other, in an order that is drawn anew. So
//! what disturbs the machine for a while disturbs all of them, and no operation always comes first.
//!
//! The server's CPU time is that of all its threads, as the kernel counts it (`schedstat`, in nanoseconds): parsing,
//! the command, the reply, and the system calls for it.

use crate::load::{Load, send_in_parallel};
use crate::operation::{Operation, READ_ROWS, READS, WRITE_ROWS, WRITES, cases};
use crate::server::Server;
use crate::statistics::{self, Summary};
use crate::subject::{Subject, select};
use crate::{machine, paths, progress};
use anyhow::Result;
use redis::Connection;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// How long the server is busy with an operation in each round.
const SLICE: Duration = Duration::from_millis(15);
const CONNECTIONS: usize = 50;

/// How large the table is: whether the rows of a call are in the CPU's caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Data {
    /// 1,000 rows.
    Hot,
    /// 1,000,000 rows.
    Cold,
}

/// How the calls are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Way {
    /// One connection, many calls at once.
    Pipelined,
    /// One connection, each call when the one before it is answered.
    Singly,
    /// 50 connections, each with one call under way.
    Parallel,
}

/// What one call of an operation took, in each round.
#[derive(Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) data: Data,
    pub(crate) way: Way,
    pub(crate) operation: Operation,
    pub(crate) rows: usize,
    /// The server's CPU time.
    pub(crate) cpu_ns: Vec<f64>,
    /// From the first call's departure to the last one's answer, divided by their number.
    pub(crate) wall_ns: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Comparison {
    pub(crate) rounds: usize,
    pub(crate) machine: Vec<(String, String)>,
    pub(crate) figures: Vec<Figures>,
}

impl Comparison {
    fn of(&self, data: Data, way: Way, operation: Operation, rows: usize) -> Option<&Figures> {
        let mut figures = self.figures.iter();
        figures.find(|of| of.data == data && of.way == way && of.operation == operation && of.rows == rows)
    }

    /// The server's CPU time for a call, of many in a pipeline.
    pub(crate) fn cpu_ns(&self, data: Data, operation: Operation, rows: usize) -> Option<Summary> {
        statistics::summary(&self.of(data, Way::Pipelined, operation, rows)?.cpu_ns)
    }

    /// How long a call takes.
    pub(crate) fn wall_ns(&self, data: Data, way: Way, operation: Operation, rows: usize) -> Option<Summary> {
        statistics::summary(&self.of(data, way, operation, rows)?.wall_ns)
    }

    /// The server's CPU time for a call of one in parts of another's.
    pub(crate) fn cpu_ratio(
        &self,
        data: Data,
        (operation, reference): (Operation, Operation),
        rows: usize,
    ) -> Option<Summary> {
        let of = |operation| self.of(data, Way::Pipelined, operation, rows);
        statistics::ratio(&of(operation)?.cpu_ns, &of(reference)?.cpu_ns)
    }
}

/// Measures, and keeps the figures for the report.
pub(crate) fn run(rounds: usize) -> Result<()> {
    let mut stages = Vec::new();
    for (data, rows) in [(Data::Hot, 1000), (Data::Cold, 1_000_000)] {
        progress::done(&format!("starting a server with {rows} rows ..."));
        stages.push(Stage::new(data, rows)?);
    }
    let mut random = fastrand::Rng::with_seed(1);
    // The first round warms the servers, and tells how many calls fill a slice.
    for round in 0..=rounds {
        for stage in &mut stages {
            stage.round(&mut random, round > 0, |name| {
                progress::show(&format!("round {round} of {rounds}: {name}"));
            })?;
        }
    }
    let figures =
        stages.into_iter().flat_map(|stage| stage.measured.into_iter().map(|measured| measured.figures));
    let comparison = Comparison { rounds, machine: machine::describe()?, figures: figures.collect() };
    paths::keep("compare", &comparison)?;
    progress::done(&format!("kept the figures of {rounds} rounds for `report`"));
    Ok(())
}

/// A server, and what is measured on it.
struct Stage {
    subject: Subject,
    connections: Vec<Connection>,
    measured: Vec<Measured>,
}

struct Measured {
    figures: Figures,
    /// So many fill a slice.
    calls: usize,
}

impl Stage {
    fn new(data: Data, rows: u32) -> Result<Self> {
        let subject = Subject::new(Server::start()?, rows)?;
        let connections = (0..CONNECTIONS).map(|_| subject.server.connect()).collect::<Result<_>>()?;
        let mut measured = Vec::new();
        for way in [Way::Pipelined, Way::Singly, Way::Parallel] {
            measured.extend(cases().map(|(operation, rows)| {
                let figures = Figures { data, way, operation, rows, cpu_ns: Vec::new(), wall_ns: Vec::new() };
                Measured { figures, calls: CONNECTIONS }
            }));
        }
        Ok(Self { subject, connections, measured })
    }

    /// Measures everything once. What is compared with each other stays side by side.
    fn round(
        &mut self,
        random: &mut fastrand::Rng,
        keep: bool,
        mut progress: impl FnMut(&str),
    ) -> Result<()> {
        let Self { subject, connections, measured } = self;
        let of_same = |one: &Measured, other: &Measured| {
            (one.figures.way, one.figures.rows) == (other.figures.way, other.figures.rows)
                && one.figures.operation.reference() == other.figures.operation.reference()
        };
        for group in measured.chunk_by_mut(of_same) {
            random.shuffle(group);
            for Measured { figures, calls } in group {
                progress(&format!(
                    "{:?}, {:?}, {} of {}",
                    figures.data,
                    figures.way,
                    figures.operation.name(),
                    figures.rows
                ));
                let Figures { way, operation, rows, .. } = *figures;
                subject.enter(operation, rows)?;
                let (cpu_ns, wall_ns) = measure(subject, connections, way, operation, rows, *calls)?;
                subject.leave(operation)?;
                let (cpu_ns, wall_ns) = (cpu_ns as f64 / *calls as f64, wall_ns as f64 / *calls as f64);
                if keep {
                    figures.cpu_ns.push(cpu_ns);
                    figures.wall_ns.push(wall_ns);
                } else {
                    *calls = calls_in_a_slice(wall_ns);
                }
            }
        }
        Ok(())
    }
}

/// How many calls fill a slice, if one takes so long: a multiple of the connections, so that each has as many.
fn calls_in_a_slice(call_ns: f64) -> usize {
    let waves = SLICE.as_nanos() as f64 / call_ns / CONNECTIONS as f64;
    (1..10_000).find(|count| *count as f64 >= waves).unwrap_or(10_000) * CONNECTIONS
}

/// Sends so many calls. Gives the server's CPU time and the time it took, in nanoseconds.
fn measure(
    subject: &mut Subject,
    connections: &mut [Connection],
    way: Way,
    operation: Operation,
    rows: usize,
    calls: usize,
) -> Result<(u64, u128)> {
    let loads: Vec<Load> = if way == Way::Parallel {
        connections.iter_mut().try_for_each(|connection| select(connection, operation))?;
        let each = calls / connections.len();
        (0..connections.len()).map(|_| subject.load(operation, rows, each)).collect()
    } else {
        vec![subject.load(operation, rows, calls)]
    };
    let cpu_before_ns = subject.server.cpu_ns()?;
    let start = Instant::now();
    if way == Way::Parallel {
        send_in_parallel(&loads, connections)?;
    }
    for load in &loads {
        match way {
            Way::Pipelined => load.send_pipelined(&mut subject.connection).map(drop)?,
            Way::Singly => load.send_singly(&mut subject.connection).map(drop)?,
            Way::Parallel => {}
        }
    }
    let wall_ns = start.elapsed().as_nanos();
    Ok((subject.server.cpu_ns()? - cpu_before_ns, wall_ns))
}

/// The operations that read, or write, and numbers of rows.
pub(crate) const KINDS: [(&[Operation], &[usize]); 2] = [(&READS, &READ_ROWS), (&WRITES, &WRITE_ROWS)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_has_as_many_calls() {
        assert_eq!(calls_in_a_slice(SLICE.as_nanos() as f64), CONNECTIONS);
        assert_eq!(calls_in_a_slice(SLICE.as_nanos() as f64 / 120.0), 3 * CONNECTIONS);
        assert_eq!(calls_in_a_slice(f64::INFINITY), CONNECTIONS);
    }

    #[test]
    fn a_ratio_is_of_the_same_table_way_and_rows() {
        let figures = |data, operation, cpu_ns| Figures {
            data,
            way: Way::Pipelined,
            operation,
            rows: 10,
            cpu_ns: vec![cpu_ns; 3],
            wall_ns: vec![0.0; 3],
        };
        let comparison = Comparison {
            rounds: 3,
            machine: Vec::new(),
            figures: vec![
                figures(Data::Hot, Operation::Key, 50.0),
                figures(Data::Hot, Operation::Mget, 100.0),
                figures(Data::Cold, Operation::Mget, 1000.0),
            ],
        };
        let pair = (Operation::Key, Operation::Mget);
        assert_eq!(comparison.cpu_ratio(Data::Hot, pair, 10).map(|ratio| ratio.median), Some(0.5));
        assert_eq!(comparison.cpu_ratio(Data::Cold, pair, 10), None);
        assert_eq!(comparison.cpu_ratio(Data::Hot, pair, 1), None);
    }
}
