//! The shards of a cluster: the namespace moves from one to another, and its shard fails over.

use std::time::{Duration, Instant};

use crate::harness::{Cluster, DEADLINE, wait_until};

use super::failover::cut_off;
use super::link::Directory;
use super::random::Random;
use super::report::Report;
use super::restart::LOST_COMMITS;
use super::stage::Stage;
use super::world::Setup;

const PRIMARIES: usize = 3;
const NAMESPACE: &str = "alkey{shop}";

/// In each round the slot begins to move and is called back; moves while some reads go by, and while two leases do; and
/// moves atomically, where the server can.
pub(super) fn slot_moves(setup: Setup) -> Report {
    let setup = setup.with_namespace(NAMESPACE);
    let cluster = Cluster::start(&setup.server(), PRIMARIES);
    setup.perform(Directory::Cluster(cluster.ports()), |stage| {
        for mut random in stage.rounds() {
            let moving = Move::begin(stage, &cluster);
            all_go_on(stage, &mut random);
            moving.cancel();
            stage.recovers();

            for is_slow in [false, true] {
                let moving = Move::begin(stage, &cluster);
                all_go_on(stage, &mut random);
                if is_slow {
                    stage.world.wait_for_reads(u64::MAX / 2, Instant::now() + 2 * setup.lease);
                }
                moving.move_namespace();
                all_go_on(stage, &mut random);
                moving.end(|| all_go_on(stage, &mut random));
                stage.recovers();
            }

            if cluster.can_move_atomically() {
                let (from, to) = next_move(&cluster);
                stage.fails();
                cluster.move_atomically(NAMESPACE, from, to);
                stage.recovers();
            }
        }
    })
}

/// The time of some calls with the slot as it is: first for readers alone, then also for writers who had recorded. While
/// the slot moves, hardly any is answered.
fn all_go_on(stage: &Stage, random: &mut Random) {
    let lease_ms = u64::try_from(stage.world.setup.lease.as_millis()).expect("a short lease");
    for writers_too in [false, true] {
        if writers_too {
            stage.world.let_writers_go();
        }
        let a_while = Duration::from_millis(random.below(lease_ms / 3));
        stage.world.wait_for_reads(stage.world.setup.reads / 10, Instant::now() + a_while);
    }
}

/// From which primary to which the slot goes next.
fn next_move(cluster: &Cluster) -> (usize, usize) {
    let from = cluster.owner(NAMESPACE).expect("a node has the slot");
    (from, (from + 1) % PRIMARIES)
}

/// The classic way: step by step, with clients sent to and fro.
struct Move<'a> {
    cluster: &'a Cluster,
    slot: String,
    from: usize,
    to: usize,
}

impl<'a> Move<'a> {
    fn begin(stage: &Stage, cluster: &'a Cluster) -> Self {
        let (from, to) = next_move(cluster);
        let moving = Self { cluster, slot: cluster.slot(NAMESPACE), from, to };
        stage.fails();
        moving.set_slot(to, &["IMPORTING", &cluster.id(from)]);
        moving.set_slot(from, &["MIGRATING", &cluster.id(to)]);
        moving
    }

    fn cancel(&self) {
        self.set_slot(self.from, &["STABLE"]);
        self.set_slot(self.to, &["STABLE"]);
    }

    fn move_namespace(&self) {
        let port = self.cluster.node(self.to).port().to_string();
        let migrate = ["MIGRATE", "127.0.0.1", &port, NAMESPACE, "0", "5000"];
        assert_eq!(self.cluster.node(self.from).resp2().text(&migrate), "+OK\r\n");
    }

    fn end(&self, meanwhile: impl FnOnce()) {
        let id = self.cluster.id(self.to);
        self.set_slot(self.to, &["NODE", &id]);
        meanwhile();
        self.set_slot(self.from, &["NODE", &id]);
        self.cluster.wait_for_owner(NAMESPACE, self.to);
    }

    fn set_slot(&self, node: usize, what: &[&str]) {
        self.cluster.ok(node, &[&["SETSLOT", &self.slot], what].concat());
    }
}

/// In each round the shard's primary hands over to its replica, and the next one is killed, with a replica that lacks
/// its last commits.
pub(super) fn shard_fails_over(setup: Setup) -> Report {
    // The nodes need more than a second to agree that one is dead, and some transactions shall last from before until
    // after.
    let setup = setup.with_namespace(NAMESPACE).with_lease(6 * setup.lease);
    let mut cluster = Cluster::start(&setup.server(), PRIMARIES);
    setup.perform(Directory::Cluster(cluster.ports()), |stage| {
        for _ in stage.rounds() {
            let first = cluster.owner(NAMESPACE).expect("a node has the slot");
            let second = cluster.replica_of(first);
            stage.fails();
            // For as long as a node takes to be dead, the others do not vote again about the same primary.
            cluster.takes_the_silent_for_dead(true);
            cluster.ok(second, &["FAILOVER"]);
            cluster.wait_for_owner(NAMESPACE, second);
            cluster.takes_the_silent_for_dead(false);
            stage.recovers();
            cluster.node(first).wait_for_sync_with(cluster.node(second));

            cut_off(cluster.node(first), cluster.node(second));
            stage.until_commits(LOST_COMMITS);
            stage.fails();
            cluster.takes_the_silent_for_dead(true);
            cluster.node_mut(second).kill9();
            cluster.wait_for_owner(NAMESPACE, first);
            cluster.takes_the_silent_for_dead(false);
            stage.recovers();

            for setting in ["masteruser", "masterauth"] {
                let reply = cluster.node(first).resp2().text(&["CONFIG", "SET", setting, ""]);
                assert_eq!(reply, "+OK\r\n");
            }
            cluster.node_mut(second).restart();
            cluster.takes_the_silent_for_dead(true);
            wait_until(DEADLINE, "the old primary is known for a replica", || {
                let replicas = cluster.ask(first, &["REPLICAS", &cluster.id(first)]);
                if replicas.contains(&cluster.id(second)) { Ok(()) } else { Err(replicas) }
            });
            cluster.node(second).wait_for_sync_with(cluster.node(first));
            cluster.takes_the_silent_for_dead(false);
        }
    })
}
