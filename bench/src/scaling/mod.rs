//! What replicas and shards give: server CPU of a call, and calls a second, on one server, with replicas, and with the
//! namespaces spread over the shards of a cluster.
//!
//! All servers share this machine's cores with the clients, so calls a second hardly grow with the shards here. What a
//! shard of its own machine would carry follows from the server CPU of a call while the other shards rest.

mod page;
mod setup;

use crate::load::{Load, send_in_parallel};
use crate::operation::names;
use crate::rows::Rows;
use crate::server::Server;
use crate::{machine, paths, progress};
use anyhow::{Context, Result, anyhow};
use redis::{Connection, cmd};
use setup::{ROWS, Setup};
use std::thread;
use std::time::Instant;

/// Rows in a call.
const ROWS_PER_CALL: usize = 10;
/// Calls of each kind in a round, over all shards.
const CALLS: usize = 12_000;
/// Connections to a shard, when each has one call under way.
const CONNECTIONS: usize = 16;

const ALONE: &str = "one server";
const ONE_REPLICA: &str = "one server, one replica";
const TWO_REPLICAS: &str = "one server, two replicas";
const ONE_SHARD: &str = "cluster of one shard";
const TWO_SHARDS: &str = "cluster of two shards";
const THREE_SHARDS: &str = "cluster of three shards";

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Lookup,
    /// Two commands are one call.
    RecordCommit,
    /// Of the first replica.
    KeyRo,
}

/// How the calls are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// One connection to a shard, many calls at once.
    Pipelined,
    /// Many connections, each with one call under way.
    Parallel,
}

/// Which shards are at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// All, which have too few cores here.
    Together,
    /// One after the other, each as if it had a machine of its own.
    InTurn,
}

/// What one call took, in each round.
struct Figures {
    setup: &'static str,
    ask: Ask,
    way: Way,
    when: When,
    shards: usize,
    wall_ns: Vec<f64>,
    cpu_ns: Vec<f64>,
    /// Of a replica, for what one call had it do.
    replica_cpu_ns: Vec<f64>,
}

impl Figures {
    /// All that is measured on these servers.
    fn of(setup: &Setup) -> Vec<Self> {
        let (mut all, shards) = (Vec::new(), setup.shards.len());
        let asks = if setup.replicas.is_empty() { 2 } else { 3 };
        for ask in [Ask::Lookup, Ask::RecordCommit, Ask::KeyRo].into_iter().take(asks) {
            for way in [Way::Pipelined, Way::Parallel] {
                // One shard alone is at work in turn, too.
                for when in [When::InTurn, When::Together].into_iter().take(shards.min(2)) {
                    let (wall_ns, cpu_ns, replica_cpu_ns) = (Vec::new(), Vec::new(), Vec::new());
                    let setup = setup.name;
                    all.push(Self { setup, ask, way, when, shards, wall_ns, cpu_ns, replica_cpu_ns });
                }
            }
        }
        all
    }
}

pub(crate) fn run(rounds: usize) -> Result<()> {
    let setups = [
        Setup::alone(ALONE, 0)?,
        Setup::alone(ONE_REPLICA, 1)?,
        Setup::alone(TWO_REPLICAS, 2)?,
        Setup::cluster(ONE_SHARD, 1)?,
        Setup::cluster(TWO_SHARDS, 2)?,
        Setup::cluster(THREE_SHARDS, 3)?,
    ];
    let mut figures: Vec<_> = setups.iter().flat_map(Figures::of).collect();
    let mut order = fastrand::Rng::with_seed(1);
    for round in 0..rounds {
        progress::show(&format!("replicas and shards, round {} of {rounds}", round + 1));
        // Drawn anew, so that none always comes after the same.
        order.shuffle(&mut figures);
        for figures in &mut figures {
            let setup = setups.iter().find(|setup| setup.name == figures.setup);
            measure(setup.context("each figure has its servers")?, figures, round)?;
        }
    }
    progress::done(&format!("measured replicas and shards in {rounds} rounds"));
    let page = page::write(&figures, rounds, &machine::describe()?)?;
    let path = paths::document("scaling.md");
    std::fs::write(&path, page).with_context(|| format!("can't write {}", path.display()))?;
    progress::done(&format!("wrote {}", path.display()));
    Ok(())
}

/// What the connections to a shard send.
#[derive(Default)]
struct Streams {
    loads: Vec<Load>,
    connections: Vec<Connection>,
}

fn measure(setup: &Setup, figures: &mut Figures, round: usize) -> Result<()> {
    let mut shards = streams(setup, figures.ask, figures.way, round)?;
    setup.catch_up()?;
    let cpu_of_replica = || setup.replicas.first().map_or(Ok(0), Server::cpu_ns);
    let (cpu, replica_cpu, start) = (setup.cpu_ns()?, cpu_of_replica()?, Instant::now());
    match figures.when {
        When::InTurn => shards.iter_mut().try_for_each(|streams| streams.send(figures.way))?,
        When::Together => send_together(figures.way, &mut shards)?,
    }
    let wall = start.elapsed();
    setup.catch_up()?;
    figures.wall_ns.push(wall.as_nanos() as f64 / CALLS as f64);
    figures.cpu_ns.push((setup.cpu_ns()? - cpu) as f64 / CALLS as f64);
    figures.replica_cpu_ns.push((cpu_of_replica()? - replica_cpu) as f64 / CALLS as f64);
    Ok(())
}

fn send_together(way: Way, shards: &mut [Streams]) -> Result<()> {
    thread::scope(|scope| {
        let senders: Vec<_> =
            shards.iter_mut().map(|streams| scope.spawn(move || streams.send(way))).collect();
        senders.into_iter().try_for_each(|sender| sender.join().map_err(|_| anyhow!("a client panicked"))?)
    })
}

/// The streams of each shard, or of the first replica.
fn streams(setup: &Setup, ask: Ask, way: Way, round: usize) -> Result<Vec<Streams>> {
    let shards = setup.shards.len();
    let connections = if way == Way::Pipelined { 1 } else { CONNECTIONS };
    let mut rows = Rows::new(ROWS, 1);
    let shard = |(server, namespaces): &(Server, Vec<String>)| -> Result<Streams> {
        let server = if ask == Ask::KeyRo { setup.replicas.first().context("a replica")? } else { server };
        let mut streams = Streams::default();
        for stream in 0..connections {
            let mut load = Load::default();
            for (call, namespace) in (0..CALLS / shards / connections).zip(namespaces.iter().cycle()) {
                let transaction = format!("{namespace}:tx:{round}-{stream}-{call}");
                push(&mut load, ask, namespace, &transaction, rows.take(ROWS_PER_CALL));
            }
            streams.loads.push(load);
            streams.connections.push(server.connect()?);
        }
        Ok(streams)
    };
    setup.shards.iter().map(shard).collect()
}

fn push(load: &mut Load, ask: Ask, namespace: &str, transaction: &str, rows: &[u32]) {
    let identifiers: Vec<_> = names(namespace, rows).collect();
    match ask {
        Ask::Lookup => load.push(cmd("ALKEY.LOOKUP").arg(identifiers)),
        Ask::KeyRo => load.push(cmd("ALKEY.KEY_RO").arg(identifiers)),
        Ask::RecordCommit => {
            load.push(cmd("ALKEY.RECORD").arg(transaction).arg(&identifiers));
            load.push(cmd("ALKEY.COMMIT").arg(transaction).arg(&identifiers));
        }
    }
}

impl Streams {
    fn send(&mut self, way: Way) -> Result<()> {
        let Self { loads, connections } = self;
        match way {
            Way::Pipelined => {
                let mut both = loads.iter().zip(connections);
                both.try_for_each(|(load, connection)| load.send_pipelined(connection).map(drop))
            }
            Way::Parallel => send_in_parallel(loads, connections),
        }
    }
}
