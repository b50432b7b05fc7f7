//! What goes wrong with the server.

use super::log::Log;
use super::node::{Node, Told};
use super::plan::{FaultKind, Mechanism, Plan};
use super::world::World;
use crate::protocol::local::Local;
use smallvec::SmallVec;

/// A fault, and how much of what the replica or file was told survives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    kind: FaultKind,
    survives: usize,
}

impl World {
    /// The faults that are possible now.
    pub(super) fn faults(&self, plan: &Plan) -> SmallVec<[Fault; 8]> {
        let mut faults = SmallVec::new();
        if self.faults_left == 0 {
            return faults;
        }
        for kind in &plan.faults {
            match kind {
                FaultKind::Flush if self.nodes[0].namespace.is_none() => (),
                FaultKind::LowerLease if self.lease_ms == 1 => (),
                FaultKind::RestartAtRest if self.nodes[0].local.flights.open() > 0 => (),
                FaultKind::Flush
                | FaultKind::Flip
                | FaultKind::Migrate
                | FaultKind::Reassign
                | FaultKind::CallBack
                | FaultKind::LowerLease
                | FaultKind::RestartAtRest => {
                    faults.push(Fault { kind: *kind, survives: 0 });
                }
                FaultKind::Failover | FaultKind::Restart | FaultKind::Swap | FaultKind::Restore => {
                    let all_survives = plan.nothing_is_lost && plan.without != Some(Mechanism::LeaseIsKnown);
                    let least = if all_survives { self.told.len() } else { 0 };
                    faults.extend((least..=self.told.len()).map(|survives| Fault { kind: *kind, survives }));
                }
            }
        }
        faults
    }

    pub(super) fn go_wrong(&mut self, plan: &Plan, fault: Fault, log: &mut Log) {
        self.faults_left -= 1;
        let setting = self.setting();
        let behind_ms = self.nodes[0].clock_behind_ms() + plan.clock_back_ms;
        match fault.kind {
            FaultKind::Flush => {
                let mut primary = (*self.nodes[0]).clone();
                primary.namespace = None;
                if plan.without == Some(Mechanism::FlightsOutsideKeyspace) {
                    primary.local = Local::default();
                }
                self.set_primary(primary);
                self.tell(Told::Flushed);
            }
            FaultKind::Failover => {
                let mut primary = self.replica_after(fault.survives);
                primary.start_term(setting, behind_ms);
                let replica = synchronised(Node::start(setting, behind_ms), &primary);
                self.take_over(primary, replica);
            }
            FaultKind::Restart => {
                let saved = self.replica_after(fault.survives);
                let primary = synchronised(Node::start(setting, behind_ms), &saved);
                let replica = synchronised((*self.nodes[1]).clone(), &primary);
                self.take_over(primary, replica);
            }
            FaultKind::Swap => {
                let mut primary = self.replica_after(fault.survives);
                primary.start_term(setting, behind_ms);
                let mut replica = (*self.nodes[0]).clone();
                replica.start_term(setting, behind_ms);
                let replica = synchronised(replica, &primary);
                self.take_over(primary, replica);
            }
            FaultKind::Flip => {
                let mut primary = (*self.nodes[0]).clone();
                primary.start_term(setting, behind_ms);
                self.set_primary(primary);
            }
            FaultKind::Restore => {
                let dump = self.replica_after(fault.survives).dump();
                let mut primary = (*self.nodes[0]).clone();
                primary.load(&dump);
                self.set_primary(primary);
                self.tell(Told::Restored(dump));
            }
            FaultKind::Migrate => {
                let mut primary = (*self.nodes[1]).clone();
                if self.nodes[0].namespace.is_some() {
                    primary = synchronised(primary, &self.nodes[0]);
                }
                let mut other = (*self.nodes[0]).clone();
                other.namespace = None;
                self.take_over(primary, other);
            }
            FaultKind::Reassign => {
                let [mut loser, winner] = [(*self.nodes[0]).clone(), (*self.nodes[1]).clone()];
                if plan.without != Some(Mechanism::LostSlots) {
                    loser.lose_slot();
                }
                self.take_over(winner, loser);
            }
            FaultKind::CallBack => {
                let [mut owner, mut other] = [(*self.nodes[0]).clone(), (*self.nodes[1]).clone()];
                if plan.without == Some(Mechanism::TryAgain) {
                    other.write(plan, setting, &mut self.epochs, log, |_| ());
                }
                owner = synchronised(owner.clone(), &owner);
                self.take_over(owner, other);
            }
            FaultKind::RestartAtRest => {
                let primary = synchronised(Node::start(setting, behind_ms), &self.nodes[0]);
                let replica = (*self.nodes[1]).clone();
                self.take_over(primary, replica);
            }
            FaultKind::LowerLease => {
                self.lease_ms = 1;
                let setting = self.setting();
                let [mut primary, mut replica] = [(*self.nodes[0]).clone(), (*self.nodes[1]).clone()];
                primary.set_lease(setting);
                replica.set_lease(setting);
                self.set_nodes(primary, replica);
            }
        }
    }

    /// The replica once it has applied so much of what it was told.
    fn replica_after(&self, applied: usize) -> Node {
        let mut replica = (*self.nodes[1]).clone();
        self.told.iter().take(applied).for_each(|told| replica.apply(told));
        replica
    }
}

/// A node after a full synchronisation with, or a start from a dump of, another.
fn synchronised(mut node: Node, other: &Node) -> Node {
    node.load(&other.dump());
    node
}
