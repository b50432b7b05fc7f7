//! Writers: what one may do next, and what that does.
//!
//! The rules asked of a writer are the guards here: a RECORD that names all its identifiers was answered before the
//! database decides, and the database decides within the lease of that RECORD. Everything else is free: COMMIT may
//! come at any time, with or without the identifiers, or never; messages may come once more, late.

use super::database::{Value, rows_of};
use super::log::Log;
use super::plan::{Mechanism, Named, Plan, WriterPlan};
use super::world::World;
use crate::protocol::identifier::{Identifier, Member};
use core::hash::{Hash, Hasher};
use smallvec::SmallVec;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// The database has not decided.
    Open,
    Committed,
    RolledBack,
    /// All its transactions are over.
    Done,
}

/// What a writer knows.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    /// Counts its transactions.
    transaction: usize,
    phase: Phase,
    records_left: usize,
    may_read: bool,
    /// The last millisecond in which the database may commit.
    may_commit_until_ms: Option<u64>,
    /// The messages that it sent in this transaction and in the one before, in one order.
    sent: [SmallVec<[Message; 4]>; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Message {
    Record(Named),
    Commit(Named),
    Discard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriterStep {
    Send(Message),
    DatabaseCommits,
    DatabaseRollsBack,
    /// It asks for a key after its own writes.
    Reads,
    /// It dies, and another process takes up the next transaction.
    Dies,
}

/// A message that is delivered once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stray {
    writer: usize,
    transaction: usize,
    message: Message,
}

impl Writer {
    pub(super) fn new(plan: &WriterPlan) -> Self {
        Self {
            transaction: 0,
            phase: Phase::Open,
            records_left: plan.records,
            may_read: plan.reads,
            may_commit_until_ms: None,
            sent: [SmallVec::new(), SmallVec::new()],
        }
    }

    pub(super) fn steps(&self, plan: &WriterPlan, now_ms: u64) -> SmallVec<[WriterStep; 6]> {
        let mut steps = SmallVec::new();
        let is_last = self.transaction + 1 == plan.transactions;
        match self.phase {
            Phase::Open => {
                if self.records_left > 0 {
                    steps.push(WriterStep::Send(Message::Record(Named::All)));
                    if plan.records_some {
                        steps.push(WriterStep::Send(Message::Record(Named::Some)));
                    }
                }
                if self.may_commit_until_ms.is_some_and(|until_ms| now_ms <= until_ms) {
                    steps.push(WriterStep::DatabaseCommits);
                }
                // Before it has recorded anything, it may just as well not have begun.
                if !self.sent[0].is_empty() {
                    if plan.rolls_back {
                        steps.push(WriterStep::DatabaseRollsBack);
                    }
                    if !is_last {
                        steps.push(WriterStep::Dies);
                    }
                }
                if self.may_read {
                    steps.push(WriterStep::Reads);
                }
            }
            Phase::Committed => {
                for named in plan.commit_names {
                    steps.push(WriterStep::Send(Message::Commit(*named)));
                }
                if !is_last {
                    steps.push(WriterStep::Dies);
                }
            }
            Phase::RolledBack => steps.push(WriterStep::Send(Message::Discard)),
            Phase::Done => (),
        }
        steps
    }

    /// Whether the database will commit nothing more of it.
    pub(super) fn is_past_changes(&self, plan: &WriterPlan) -> bool {
        let is_last = self.transaction + 1 == plan.transactions;
        let may_commit =
            self.phase == Phase::Open && (self.records_left > 0 || self.may_commit_until_ms.is_some());
        self.phase == Phase::Done || is_last && !may_commit
    }

    /// What is over is forgotten, so that worlds differ only in what matters.
    pub(super) fn forget_permission(&mut self, now_ms: u64) {
        self.may_commit_until_ms = self.may_commit_until_ms.filter(|until_ms| now_ms <= *until_ms);
    }

    /// Decided: what it might still have recorded is moot.
    fn decide(&mut self, phase: Phase) {
        self.phase = phase;
        self.records_left = 0;
        self.may_read = false;
        self.may_commit_until_ms = None;
    }

    fn remember(&mut self, message: Message) {
        if let Err(position) = self.sent[0].binary_search(&message) {
            self.sent[0].insert(position, message);
        }
    }

    fn next_transaction(&mut self, plan: &WriterPlan) {
        let sent = core::mem::take(&mut self.sent[0]);
        if self.transaction + 1 == plan.transactions {
            self.decide(Phase::Done);
            self.sent[0] = sent;
        } else {
            *self = Self { transaction: self.transaction + 1, ..Self::new(plan) };
            self.sent[1] = sent;
        }
    }

    pub(super) fn hash_into(&self, with_strays: bool, hasher: &mut impl Hasher) {
        let Self { transaction, phase, records_left, may_read, may_commit_until_ms, sent } = self;
        (transaction, phase, records_left, may_read, may_commit_until_ms).hash(hasher);
        if with_strays {
            sent.hash(hasher);
        } else {
            sent[0].is_empty().hash(hasher);
        }
    }
}

impl World {
    pub(super) fn writer_acts(&mut self, plan: &Plan, index: usize, step: WriterStep, log: &mut Log) {
        let own = &plan.writers[index];
        let rows = rows_of(own.identifiers);
        match step {
            WriterStep::Send(message) => {
                let transaction = self.writers[index].transaction;
                self.send(plan, index, transaction, message, log);
                let until_ms = self.now_ms + self.lease_ms;
                let writer = &mut self.writers[index];
                writer.remember(message);
                match message {
                    Message::Record(named) => {
                        writer.records_left -= 1;
                        if named == Named::All || plan.without == Some(Mechanism::RecordNamesAll) {
                            writer.may_commit_until_ms = writer.may_commit_until_ms.max(Some(until_ms));
                        }
                        if plan.without == Some(Mechanism::DecisionWithinLease) {
                            writer.may_commit_until_ms = Some(u64::MAX);
                        }
                    }
                    Message::Commit(_) | Message::Discard => writer.next_transaction(own),
                }
            }
            WriterStep::DatabaseCommits => {
                self.database.commit(rows, self.now_ms);
                self.cache.became_true(index);
                self.writers[index].decide(Phase::Committed);
                log.note(|| format!("the database is at {:?}", self.database.versions([true; 2])));
            }
            WriterStep::DatabaseRollsBack => self.writers[index].decide(Phase::RolledBack),
            WriterStep::Reads => self.writer_reads(plan, index, log),
            WriterStep::Dies => self.writers[index].next_transaction(own),
        }
    }

    /// LOOKUP after its own writes. By the rules it then reads the database alone, which is no step of the model's.
    fn writer_reads(&mut self, plan: &Plan, index: usize, log: &mut Log) {
        self.writers[index].may_read = false;
        let identifiers = plan.readers[0].identifiers;
        let answer = self.ask(plan, identifiers, true, log);
        if plan.without != Some(Mechanism::WriterAbstains) || answer.settled_ms.is_none() {
            return;
        }
        let (own, read) = (rows_of(plan.writers[index].identifiers), rows_of(identifiers));
        let mut versions = self.database.versions(read);
        for (row, version) in versions.iter_mut().enumerate() {
            *version += u8::from(own[row] && read[row]);
        }
        log.note(|| format!("stores its own {versions:?} under key {:.4}", format!("{:016x}", answer.key)));
        self.cache.set(answer.key, Value { versions, is_after_key: true, uncommitted_by: Some(index) });
    }

    /// Has the server do what a message says.
    fn send(&mut self, plan: &Plan, index: usize, transaction: usize, message: Message, log: &mut Log) {
        let name = format!("alkey:tx:{index}-{transaction}");
        let is_early =
            plan.without == Some(Mechanism::CommitReadsClock) && matches!(message, Message::Commit(_));
        self.now_ms -= u64::from(is_early);
        let all = plan.writers[index].identifiers.iter().map(|identifier| member(identifier));
        let count = self.on_primary(plan, log, |primary| match message {
            Message::Record(named) => primary.record(name.as_bytes(), all.take(named.count())).unwrap(),
            Message::Commit(named) => primary.commit(name.as_bytes(), all.take(named.count())),
            Message::Discard => primary.discard(name.as_bytes()),
        });
        self.now_ms += u64::from(is_early);
        log.note(|| format!("{name} answered {count}"));
    }

    /// The messages that may be delivered once more.
    pub(super) fn strays(&self) -> SmallVec<[Stray; 8]> {
        let mut strays = SmallVec::new();
        if self.strays_left == 0 {
            return strays;
        }
        for (index, writer) in self.writers.iter().enumerate() {
            for (back, sent) in writer.sent.iter().enumerate() {
                let Some(transaction) = writer.transaction.checked_sub(back) else { continue };
                strays.extend(sent.iter().map(|message| Stray {
                    writer: index,
                    transaction,
                    message: *message,
                }));
            }
        }
        strays
    }

    pub(super) fn deliver(&mut self, plan: &Plan, stray: Stray, log: &mut Log) {
        self.strays_left -= 1;
        self.send(plan, stray.writer, stray.transaction, stray.message, log);
    }
}

impl Named {
    fn count(self) -> usize {
        match self {
            Self::None => 0,
            Self::Some => 1,
            Self::All => usize::MAX,
        }
    }
}

/// What the protocol is given of an identifier: the part after the namespace.
fn member(identifier: &str) -> Member<'_> {
    Identifier::parse(identifier.as_bytes()).unwrap().member()
}
