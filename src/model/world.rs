//! The state of everything, the steps that are possible in it, and what a step does.

use super::database::{Cache, Database, is_older, rows_of};
use super::faults::Fault;
use super::log::Log;
use super::node::{Node, Setting, Told};
use super::plan::{Mechanism, Plan};
use super::reader::{Reader, ReaderStep};
use super::violation::Violation;
use super::writer::{Stray, Writer, WriterStep};
use crate::protocol::digest::Mode;
use crate::protocol::parts::Parts;
use crate::protocol::primary::Primary;
use crate::protocol::versions::Versions;
use core::hash::{Hash, Hasher};
use siphasher::sip::SipHasher13;
use smallvec::SmallVec;
use std::rc::Rc;

/// The one namespace.
const NAMESPACE: &[u8] = b"alkey";

/// Everything. Nodes are shared with the states before, since most steps change none.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) now_ms: u64,
    pub(super) lease_ms: u64,
    /// The primary and its replica, as it is before it has applied what is in `told`.
    pub(super) nodes: [Rc<Node>; 2],
    codes: [u64; 2],
    pub(super) told: Rc<Vec<Told>>,
    /// How many epochs there were.
    pub(super) epochs: u128,
    pub(super) database: Database,
    pub(super) cache: Cache,
    pub(super) writers: SmallVec<[Writer; 2]>,
    pub(super) readers: SmallVec<[Reader; 2]>,
    pub(super) faults_left: usize,
    pub(super) strays_left: usize,
}

/// One step of anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// A millisecond goes by.
    Tick,
    Writer(usize, WriterStep),
    Stray(Stray),
    Reader(usize, ReaderStep),
    Fault(Fault),
}

/// What KEY or LOOKUP says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// The first 64 bits of the key.
    pub(super) key: u64,
    /// None while anything is in flight.
    pub(super) settled_ms: Option<u64>,
}

impl Answer {
    fn of(versions: &Versions, mode: Mode, settled_ms: Option<u64>) -> Self {
        let key = versions.key(mode);
        let first = core::str::from_utf8(&key[..16]).unwrap();
        Self { key: u64::from_str_radix(first, 16).unwrap(), settled_ms }
    }
}

impl World {
    pub(super) fn new(plan: &Plan) -> Self {
        // A start is a fault like others; here it was long ago, and its grace is over.
        let long_ago = Setting { now_ms: 0, lease_ms: plan.lease_ms };
        let node = Rc::new(Node::start(long_ago, 0));
        let code = node.code();
        Self {
            now_ms: plan.lease_ms + 1,
            lease_ms: plan.lease_ms,
            nodes: [node.clone(), node],
            codes: [code; 2],
            told: Rc::default(),
            epochs: 0,
            database: Database::default(),
            cache: Cache::default(),
            writers: plan.writers.iter().map(Writer::new).collect(),
            readers: plan.readers.iter().map(Reader::new).collect(),
            faults_left: plan.faults_max,
            strays_left: plan.strays_max,
        }
    }

    /// What may happen next.
    pub(super) fn actions(&self, plan: &Plan) -> Vec<Action> {
        let mut actions = Vec::with_capacity(8);
        for (index, writer) in self.writers.iter().enumerate() {
            let steps = writer.steps(&plan.writers[index], self.now_ms);
            actions.extend(steps.into_iter().map(|step| Action::Writer(index, step)));
        }
        for (index, reader) in self.readers.iter().enumerate() {
            let steps = reader.steps(&plan.readers[index]);
            actions.extend(steps.into_iter().map(|step| Action::Reader(index, step)));
        }
        actions.extend(self.strays().into_iter().map(Action::Stray));
        actions.extend(self.faults(plan).into_iter().map(Action::Fault));
        if self.now_ms < plan.lease_ms + 1 + plan.milliseconds {
            actions.push(Action::Tick);
        }
        actions
    }

    /// Does a step. An error is a broken promise.
    pub(super) fn act(&mut self, plan: &Plan, action: Action, log: &mut Log) -> Result<(), Violation> {
        match action {
            Action::Tick => {
                self.now_ms += 1;
                if plan.without != Some(Mechanism::DecisionWithinLease) {
                    self.writers.iter_mut().for_each(|writer| writer.forget_permission(self.now_ms));
                }
                self.end_what_is_due(plan, log);
                Ok(())
            }
            Action::Writer(index, step) => {
                self.writer_acts(plan, index, step, log);
                Ok(())
            }
            Action::Stray(stray) => {
                self.deliver(plan, stray, log);
                Ok(())
            }
            Action::Reader(index, step) => self.reader_acts(plan, index, step, log),
            Action::Fault(fault) => {
                self.go_wrong(plan, fault, log);
                self.end_what_is_due(plan, log);
                Ok(())
            }
        }
    }

    pub(super) fn setting(&self) -> Setting {
        Setting { now_ms: self.now_ms, lease_ms: self.lease_ms }
    }

    /// A client's write command.
    pub(super) fn on_primary<T>(
        &mut self,
        plan: &Plan,
        log: &mut Log,
        work: impl FnOnce(&mut Primary) -> T,
    ) -> T {
        let setting = self.setting();
        let primary = Rc::make_mut(&mut self.nodes[0]);
        let (answer, effect) = primary.write(plan, setting, &mut self.epochs, log, work);
        if let Some(effect) = effect {
            self.tell(Told::Effect(effect));
        }
        self.codes[0] = self.nodes[0].code();
        answer
    }

    /// What the server's timer does.
    fn end_what_is_due(&mut self, plan: &Plan, log: &mut Log) {
        let setting = self.setting();
        let has_timer = plan.has_timer && plan.without != Some(Mechanism::Timer);
        if !has_timer || !self.nodes[0].is_due(plan, setting) {
            return;
        }
        if self.nodes[0].namespace.is_some() {
            self.on_primary(plan, log, |_| ());
        } else {
            let mut primary = (*self.nodes[0]).clone();
            primary.end_overdue_of_missing(plan, setting);
            self.set_primary(primary);
        }
    }

    /// KEY_RO on a replica that has all that the primary told, if it has the namespace.
    pub(super) fn ask_replica(&self, identifiers: &[&str]) -> Option<Answer> {
        let parts = Parts::parse(identifiers.iter().map(|identifier| identifier.as_bytes())).unwrap();
        let mut versions = Versions::new(&parts);
        versions.read(NAMESPACE, self.nodes[0].namespace.as_ref()?, |_, _| ());
        Some(Answer::of(&versions, Mode::Relaxed, None))
    }

    /// Tells the replica, unless it will never matter what it knows.
    pub(super) fn tell(&mut self, told: Told) {
        if self.faults_left > 0 {
            Rc::make_mut(&mut self.told).push(told);
        }
    }

    /// The nodes after a fault.
    pub(super) fn set_nodes(&mut self, primary: Node, replica: Node) {
        self.nodes = [primary, replica].map(Rc::new);
        self.codes = [self.nodes[0].code(), self.nodes[1].code()];
    }

    /// The nodes after a fault that leaves the replica with nothing to catch up with.
    pub(super) fn take_over(&mut self, primary: Node, replica: Node) {
        self.told = Rc::default();
        self.set_nodes(primary, replica);
    }

    /// The primary after a fault that the replica does not notice.
    pub(super) fn set_primary(&mut self, primary: Node) {
        self.nodes[0] = Rc::new(primary);
        self.codes[0] = self.nodes[0].code();
    }

    /// LOOKUP if strict, else KEY.
    pub(super) fn ask(
        &mut self,
        plan: &Plan,
        identifiers: &[&str],
        is_strict: bool,
        log: &mut Log,
    ) -> Answer {
        let parts = Parts::parse(identifiers.iter().map(|identifier| identifier.as_bytes())).unwrap();
        let mut versions = Versions::new(&parts);
        let mut settled_ms = Some(u64::MAX);
        let unix_ms = self.nodes[0].now(self.now_ms).unix_ms;
        self.on_primary(plan, log, |primary| {
            let mut unsettled = primary.unsettled();
            versions.read(NAMESPACE, primary.namespace, |identifier, stamp| {
                let is_unsettled = match plan.without {
                    Some(Mechanism::Flights) => primary.local.grace.is_some(),
                    _ => unsettled.is(identifier),
                };
                let own_ms = match plan.without {
                    Some(Mechanism::SettledRoundedDown) => primary.settled_ms(stamp) + 1,
                    Some(Mechanism::SettledSinceSeen) => unix_ms.saturating_sub(stamp.unix_ms() + 1),
                    _ => primary.settled_ms(stamp),
                };
                settled_ms = settled_ms.filter(|_| !is_unsettled).map(|least_ms| least_ms.min(own_ms));
            });
        });
        let is_strict = is_strict && plan.without != Some(Mechanism::StrictKey);
        Answer::of(&versions, if is_strict { Mode::Strict } else { Mode::Relaxed }, settled_ms)
    }

    /// Whether an epoch is not the first.
    pub(super) fn is_later_epoch(&self) -> bool {
        self.epochs > 1
    }

    /// If every writer died now and a lease went by, does the next command give a key that leads to an old value?
    pub(super) fn judge_quiet(&self, plan: &Plan, log: &mut Log) -> Result<(), Violation> {
        let everything = self.database.versions([true; 2]);
        if !self.cache.iter().any(|(_, value)| value.may_be_wrong(everything)) {
            return Ok(());
        }
        log.tally.probes += 1;
        let mut quiet = self.clone();
        quiet.now_ms += plan.lease_ms + 1;
        for reader in &plan.readers {
            let committed = self.database.versions(rows_of(reader.identifiers));
            for is_strict in [false, true] {
                let answer = quiet.ask(plan, reader.identifiers, is_strict, &mut Log::default());
                // With a mechanism switched off, what a strict reader returns is to tell, which makes a better story.
                let counts = !is_strict || plan.without.is_none();
                if let Some(value) = self.cache.get(answer.key)
                    && counts
                    && value.is_after_key
                    && (is_older(value.versions, committed) || value.uncommitted_by.is_some())
                {
                    return Err(Violation::StaleForEver { is_strict, got: value.versions, committed });
                }
            }
        }
        Ok(())
    }

    /// A number for everything on which what comes hangs. Two worlds of one number are explored once; that two
    /// different ones share one has a chance of about one in a hundred thousand in a run of twenty million states.
    pub(super) fn code(&self, plan: &Plan) -> u64 {
        let mut hasher = SipHasher13::new();
        (self.now_ms, self.lease_ms, self.codes[0], self.epochs).hash(&mut hasher);
        if self.faults_left > 0 {
            (self.codes[1], &self.told).hash(&mut hasher);
        }
        if plan.readers.iter().zip(&self.readers).any(|(plan, reader)| reader.may_ask_relaxed(plan)) {
            self.database.history(self.now_ms.saturating_sub(plan.relaxed_ms())).hash(&mut hasher);
        } else {
            self.database.versions([true; 2]).hash(&mut hasher);
        }
        // Once the database stays as it is, a value that is true now stays true, and harms nobody.
        let is_final =
            self.writers.iter().zip(&plan.writers).all(|(writer, plan)| writer.is_past_changes(plan));
        let everything = self.database.versions([true; 2]);
        self.cache
            .iter()
            .filter(|(_, value)| !is_final || value.may_be_wrong(everything))
            .for_each(|entry| entry.hash(&mut hasher));
        for writer in &self.writers {
            writer.hash_into(self.strays_left > 0, &mut hasher);
        }
        self.hash_readers(plan, &mut hasher);
        (self.faults_left, self.strays_left).hash(&mut hasher);
        hasher.finish()
    }

    /// Readers that do the same may be swapped.
    fn hash_readers(&self, plan: &Plan, hasher: &mut SipHasher13) {
        let mut codes: SmallVec<[u64; 2]> = self
            .readers
            .iter()
            .map(|reader| {
                let mut hasher = SipHasher13::new();
                reader.hash(&mut hasher);
                hasher.finish()
            })
            .collect();
        if plan.readers.windows(2).all(|two| two[0] == two[1]) {
            codes.sort_unstable();
        }
        codes.hash(hasher);
    }
}
