//! A cluster: primaries that share the slots, and as many replicas, on this machine.

use super::{Builder, DEADLINE, Server, wait_until};

const SLOTS: usize = 16384;

/// A node that does not answer for so long is taken for dead. While a cluster comes together, how often its nodes
/// talk follows from it; later, in a test where none is killed, none shall be given up because the machine is busy.
const NODE_TIMEOUT_MS_SHORT: u32 = 1000;
const NODE_TIMEOUT_MS_LONG: u32 = 60_000;

/// A running cluster. Which of its nodes are primaries may change.
pub(crate) struct Cluster {
    nodes: Vec<Server>,
}

impl Cluster {
    /// So many primaries, each with its share of the slots and a replica of its own. All have the configuration of
    /// the builder, and what makes a server a node.
    #[track_caller]
    pub(crate) fn start(builder: &Builder, primaries: usize) -> Self {
        let node = || {
            builder
                .clone()
                .config("cluster-enabled", "yes")
                .config("cluster-node-timeout", &NODE_TIMEOUT_MS_SHORT.to_string())
                // A shard that fails leaves the others at work.
                .config("cluster-require-full-coverage", "no")
                // A replica is promoted however much it lacks, and stays with its primary.
                .config("cluster-replica-validity-factor", "0")
                .config("cluster-allow-replica-migration", "no")
                .start()
        };
        let cluster = Self { nodes: (0..2 * primaries).map(|_| node()).collect() };
        cluster.share_slots(primaries);
        cluster.introduce();
        for (primary, replica) in (0..primaries).zip(primaries..) {
            let id = cluster.id(primary);
            wait_until(DEADLINE, "a node is a replica", || cluster.is_ok(replica, &["REPLICATE", &id]));
        }
        for node in 0..cluster.nodes.len() {
            wait_until(DEADLINE, "a node knows all primaries and replicas, and serves", || {
                let (info, nodes) = (cluster.ask(node, &["INFO"]), cluster.ask(node, &["NODES"]));
                let knows = |role: &str| nodes.matches(role).count() == primaries;
                let serves = info.contains("cluster_state:ok") && knows("master") && knows("slave");
                if serves { Ok(()) } else { Err((info, nodes)) }
            });
        }
        for (primary, replica) in (0..primaries).zip(primaries..) {
            cluster.nodes[replica].wait_for_sync_with(&cluster.nodes[primary]);
        }
        cluster.set_node_timeout(NODE_TIMEOUT_MS_LONG);
        cluster
    }

    /// Gives each primary its share of the slots, and each node an epoch of its own, so that no two must agree on one.
    fn share_slots(&self, primaries: usize) {
        for node in 0..self.nodes.len() {
            if node < primaries {
                let (first, end) = (node * SLOTS / primaries, (node + 1) * SLOTS / primaries);
                self.ok(node, &["ADDSLOTSRANGE", &first.to_string(), &(end - 1).to_string()]);
            }
            self.ok(node, &["SET-CONFIG-EPOCH", &(node + 1).to_string()]);
        }
    }

    /// Has all nodes meet each other, since to hear of each other takes longer.
    fn introduce(&self) {
        for (nth, node) in self.nodes.iter().enumerate() {
            for other in nth + 1..self.nodes.len() {
                self.ok(other, &["MEET", "127.0.0.1", &node.port().to_string()]);
            }
        }
        for node in 0..self.nodes.len() {
            wait_until(DEADLINE, "a node has met all others", || {
                let nodes = self.ask(node, &["NODES"]);
                let connected = nodes.matches(" connected").count();
                let met = connected == self.nodes.len() && !nodes.contains("handshake");
                if met { Ok(()) } else { Err(nodes) }
            });
        }
    }

    pub(crate) fn node(&self, node: usize) -> &Server {
        &self.nodes[node]
    }

    /// To kill a node, or to start it again.
    pub(crate) fn node_mut(&mut self, node: usize) -> &mut Server {
        &mut self.nodes[node]
    }

    pub(crate) fn ports(&self) -> Vec<u16> {
        self.nodes.iter().map(Server::port).collect()
    }

    /// The name that the other nodes know a node by.
    pub(crate) fn id(&self, node: usize) -> String {
        let reply = self.ask(node, &["MYID"]);
        reply.lines().nth(1).expect("a string").to_owned()
    }

    /// The node that answers for a key without sending anybody elsewhere, if there is one.
    pub(crate) fn owner(&self, key: &str) -> Option<usize> {
        self.nodes.iter().position(|node| {
            node.process_id().is_some() && node.resp2().text(&["EXISTS", key]).starts_with(':')
        })
    }

    /// Waits until this node answers for a key.
    #[track_caller]
    pub(crate) fn wait_for_owner(&self, key: &str, expected: usize) {
        wait_until(DEADLINE, "the node owns the slot", || {
            let owner = self.owner(key);
            if owner == Some(expected) { Ok(()) } else { Err(owner) }
        });
    }

    /// The replica of a primary.
    #[track_caller]
    pub(crate) fn replica_of(&self, primary: usize) -> usize {
        let port = self.nodes[primary].port().to_string();
        let follows = |node: &Server| {
            node.process_id().is_some() && node.info("replication", "master_port").as_ref() == Some(&port)
        };
        self.nodes.iter().position(follows).expect("each primary has a replica")
    }

    /// The slot of a key.
    pub(crate) fn slot(&self, key: &str) -> String {
        let reply = self.nodes[0].resp2().text(&["CLUSTER", "KEYSLOT", key]);
        reply.trim_start_matches(':').trim_end().to_owned()
    }

    /// Whether this server moves a slot as a whole. If not, says so.
    pub(crate) fn can_move_atomically(&self) -> bool {
        let can = self.knows("migration") || self.knows("migrateslots");
        if !can {
            eprintln!("skipped: this server has neither CLUSTER MIGRATION nor CLUSTER MIGRATESLOTS");
        }
        can
    }

    /// Moves the slot of a key as a whole: on Redis from 8.4 on by the node that shall have it, on Valkey from 9 on by
    /// the node that has it.
    #[track_caller]
    pub(crate) fn move_atomically(&self, key: &str, from: usize, to: usize) {
        let slot = self.slot(key);
        if self.knows("migration") {
            let task = self.ask(to, &["MIGRATION", "IMPORT", &slot, &slot]);
            assert!(task.starts_with('$'), "CLUSTER MIGRATION IMPORT: {task}");
        } else {
            self.ok(from, &["MIGRATESLOTS", "SLOTSRANGE", &slot, &slot, "NODE", &self.id(to)]);
        }
        self.wait_for_owner(key, to);
    }

    fn knows(&self, subcommand: &str) -> bool {
        let about = self.nodes[0].resp2().call(&["COMMAND", "INFO", &format!("cluster|{subcommand}")]);
        matches!(about, redis::Value::Array(about) if about != [redis::Value::Nil])
    }

    /// A namespace in the slots of each primary, in their order.
    pub(crate) fn namespaces(&self, primaries: usize) -> Vec<String> {
        let candidates: Vec<_> = (0..100).map(|tag| format!("alkey{{{tag}}}")).collect();
        let slots_each = SLOTS.div_ceil(primaries);
        let primary_of =
            |namespace: &String| self.slot(namespace).parse::<usize>().expect("a slot") / slots_each;
        let of = |primary| candidates.iter().find(|namespace| primary_of(namespace) == primary).cloned();
        (0..primaries).map(|primary| of(primary).expect("one of a hundred is there")).collect()
    }

    /// Has nodes be taken for dead soon, or not.
    pub(crate) fn takes_the_silent_for_dead(&self, soon: bool) {
        self.set_node_timeout(if soon { NODE_TIMEOUT_MS_SHORT } else { NODE_TIMEOUT_MS_LONG });
    }

    fn set_node_timeout(&self, ms: u32) {
        for node in self.nodes.iter().filter(|node| node.process_id().is_some()) {
            let reply = node.resp2().text(&["CONFIG", "SET", "cluster-node-timeout", &ms.to_string()]);
            assert_eq!(reply, "+OK\r\n");
        }
    }

    /// The reply to `CLUSTER …`.
    #[track_caller]
    pub(crate) fn ask(&self, node: usize, arguments: &[&str]) -> String {
        self.nodes[node].resp2().text(&[&["CLUSTER"], arguments].concat())
    }

    /// `CLUSTER …`, which must do.
    #[track_caller]
    pub(crate) fn ok(&self, node: usize, arguments: &[&str]) {
        let reply = self.ask(node, arguments);
        assert_eq!(reply, "+OK\r\n", "CLUSTER {}", arguments.join(" "));
    }

    fn is_ok(&self, node: usize, arguments: &[&str]) -> Result<(), String> {
        let reply = self.ask(node, arguments);
        if reply == "+OK\r\n" { Ok(()) } else { Err(reply) }
    }
}
