//! The servers that are compared: one alone, with replicas, and as the shards of a cluster.

use crate::load::{Load, call};
use crate::operation::names;
use crate::server::{Server, free_port, info};
use anyhow::{Context, Result, bail};
use redis::{Value, cmd};
use std::thread;
use std::time::{Duration, Instant};

/// Namespaces in all, spread evenly over the shards: a number that two and three divide.
pub(super) const NAMESPACES: usize = 12;
/// Rows that were committed in each.
pub(super) const ROWS: u32 = 1000;

const SLOTS: usize = 16384;
const DEADLINE: Duration = Duration::from_secs(60);

/// Servers that share the namespaces, each with its own, and replicas of the first.
pub(super) struct Setup {
    pub(super) name: &'static str,
    pub(super) shards: Vec<(Server, Vec<String>)>,
    pub(super) replicas: Vec<Server>,
}

impl Setup {
    /// One server that is no cluster, with so many replicas.
    pub(super) fn alone(name: &'static str, replicas: usize) -> Result<Self> {
        let server = Server::start_with("")?;
        let namespaces: Vec<_> = (0..NAMESPACES).map(tagged).collect();
        fill(&server, &namespaces)?;
        let replicas = (0..replicas).map(|_| replica_of(&server)).collect::<Result<_>>()?;
        Ok(Self { name, shards: vec![(server, namespaces)], replicas })
    }

    /// A cluster of so many shards without replicas.
    pub(super) fn cluster(name: &'static str, shards: usize) -> Result<Self> {
        let mut nodes: Vec<(Server, String)> = Vec::new();
        for shard in 0..shards {
            let bus = free_port()?;
            let server = Server::start_with(&format!("cluster-enabled yes\ncluster-port {bus}\n"))?;
            let mut connection = server.connect()?;
            let (first, end) = (shard * SLOTS / shards, (shard + 1) * SLOTS / shards);
            call(&mut connection, &["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &(end - 1).to_string()])?;
            call(&mut connection, &["CLUSTER", "SET-CONFIG-EPOCH", &(shard + 1).to_string()])?;
            for (other, bus) in &nodes {
                call(&mut connection, &["CLUSTER", "MEET", "127.0.0.1", &other.port().to_string(), bus])?;
            }
            nodes.push((server, bus.to_string()));
        }
        let mut all = Vec::new();
        for (shard, (server, _)) in nodes.into_iter().enumerate() {
            let namespaces = namespaces_of(&server, shard, shards)?;
            let (mut connection, size) = (server.connect()?, format!("cluster_size:{shards}\r\n"));
            until("the cluster serves", || {
                let told: String = redis::from_redis_value(call(&mut connection, &["CLUSTER", "INFO"])?)?;
                Ok(told.contains("cluster_state:ok") && told.contains(&size))
            })?;
            fill(&server, &namespaces)?;
            all.push((server, namespaces));
        }
        Ok(Self { name, shards: all, replicas: Vec::new() })
    }

    /// Server CPU of all shards so far.
    pub(super) fn cpu_ns(&self) -> Result<u64> {
        self.shards.iter().map(|(server, _)| server.cpu_ns()).sum()
    }

    /// Waits until the replicas have processed what was written.
    pub(super) fn catch_up(&self) -> Result<()> {
        let Some((primary, _)) = self.shards.first() else { return Ok(()) };
        let sent = info(&mut primary.connect()?, "replication", "master_repl_offset")?;
        for replica in &self.replicas {
            let mut connection = replica.connect()?;
            until("a replica has caught up", || {
                Ok(info(&mut connection, "replication", "slave_repl_offset")? == sent)
            })?;
        }
        Ok(())
    }
}

fn tagged(tag: usize) -> String {
    format!("alkey{{{tag}}}")
}

/// As many namespaces as each shard gets, whose slots are this shard's.
fn namespaces_of(server: &Server, shard: usize, shards: usize) -> Result<Vec<String>> {
    let mut connection = server.connect()?;
    let mut namespaces = Vec::new();
    for tag in 0.. {
        let namespace = tagged(tag);
        let Value::Int(slot) = call(&mut connection, &["CLUSTER", "KEYSLOT", &namespace])? else {
            bail!("CLUSTER KEYSLOT tells no number");
        };
        let range = shard * SLOTS / shards..(shard + 1) * SLOTS / shards;
        if range.contains(&usize::try_from(slot)?) {
            namespaces.push(namespace);
        }
        if namespaces.len() == NAMESPACES / shards {
            break;
        }
    }
    Ok(namespaces)
}

/// Commits the rows of these namespaces, and waits until they are settled.
fn fill(server: &Server, namespaces: &[String]) -> Result<()> {
    let rows: Vec<u32> = (0..ROWS).collect();
    let mut load = Load::default();
    for namespace in namespaces {
        server.settle(namespace)?;
        load.push(cmd("ALKEY.TOUCH").arg(names(namespace, &rows).collect::<Vec<_>>()));
    }
    load.send_pipelined(&mut server.connect()?).context("filling the namespaces")?;
    Ok(())
}

fn replica_of(primary: &Server) -> Result<Server> {
    let replica = Server::start_with("repl-diskless-sync-delay 0\n")?;
    let mut connection = replica.connect()?;
    call(&mut connection, &["REPLICAOF", "127.0.0.1", &primary.port().to_string()])?;
    until(
        "a replica is in sync",
        || Ok(info(&mut connection, "replication", "master_link_status")? == "up"),
    )?;
    Ok(replica)
}

fn until(awaited: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !condition()? {
        if start.elapsed() > DEADLINE {
            bail!("waited {DEADLINE:?} in vain until {awaited}");
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
