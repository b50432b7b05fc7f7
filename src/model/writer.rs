//! Writers: what one may do next, and what that does.
//!
//! The rules asked of a writer are the guards here: a RECORD that names all its identifiers was answered before the
//! database decides, and the database decides within the lease of that RECORD. Everything else is free: COMMIT may
//! come at any time, with or without the identifiers, or never; messages may come once more, late.

use super::database::{Value, rows_of};
use super::log::Log;
use super::plan::{Mechanism, Plan, WriterPlan};
use super::world::World;
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
    /// What it sent in this transaction and in the one before.
    sent: [Sent; 2],
}

/// Which messages were sent.
#[expect(clippy::struct_excessive_bools, reason = "one for each message that may be sent once")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Sent {
    record_all: bool,
    record_some: bool,
    commit_named: bool,
    commit_bare: bool,
    discard: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Record { all: bool },
    Commit { named: bool },
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
            sent: [Sent::default(); 2],
        }
    }

    pub(super) fn steps(&self, plan: &WriterPlan, now_ms: u64) -> SmallVec<[WriterStep; 6]> {
        let mut steps = SmallVec::new();
        let sent = self.sent[0];
        let is_last = self.transaction + 1 == plan.transactions;
        match self.phase {
            Phase::Open => {
                if self.records_left > 0 {
                    steps.push(WriterStep::Send(Message::Record { all: true }));
                    if plan.records_some {
                        steps.push(WriterStep::Send(Message::Record { all: false }));
                    }
                }
                if self.may_commit_until_ms.is_some_and(|until_ms| now_ms <= until_ms) {
                    steps.push(WriterStep::DatabaseCommits);
                }
                // Before it has recorded anything, it may just as well not have begun.
                if sent != Sent::default() {
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
                    steps.push(WriterStep::Send(Message::Commit { named: *named }));
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

    fn next_transaction(&mut self, plan: &WriterPlan) {
        let sent = self.sent[0];
        if self.transaction + 1 == plan.transactions {
            self.decide(Phase::Done);
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
            (sent[0] == Sent::default()).hash(hasher);
        }
    }
}

impl Sent {
    fn add(&mut self, message: Message) {
        match message {
            Message::Record { all: true } => self.record_all = true,
            Message::Record { all: false } => self.record_some = true,
            Message::Commit { named: true } => self.commit_named = true,
            Message::Commit { named: false } => self.commit_bare = true,
            Message::Discard => self.discard = true,
        }
    }

    fn messages(self) -> impl Iterator<Item = Message> {
        [
            (self.record_all, Message::Record { all: true }),
            (self.record_some, Message::Record { all: false }),
            (self.commit_named, Message::Commit { named: true }),
            (self.commit_bare, Message::Commit { named: false }),
            (self.discard, Message::Discard),
        ]
        .into_iter()
        .filter_map(|(was_sent, message)| was_sent.then_some(message))
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
                writer.sent[0].add(message);
                match message {
                    Message::Record { all } => {
                        writer.records_left -= 1;
                        if all || plan.without == Some(Mechanism::RecordNamesAll) {
                            writer.may_commit_until_ms = writer.may_commit_until_ms.max(Some(until_ms));
                        }
                        if plan.without == Some(Mechanism::DecisionWithinLease) {
                            writer.may_commit_until_ms = Some(u64::MAX);
                        }
                    }
                    Message::Commit { .. } | Message::Discard => writer.next_transaction(own),
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
            plan.without == Some(Mechanism::CommitReadsClock) && matches!(message, Message::Commit { .. });
        self.now_ms -= u64::from(is_early);
        let all = plan.writers[index].identifiers.iter().map(|identifier| target(identifier));
        let count = self.on_primary(plan, log, |primary| match message {
            Message::Record { all: true } => primary.record(name.as_bytes(), all).unwrap(),
            Message::Record { all: false } => primary.record(name.as_bytes(), all.take(1)).unwrap(),
            Message::Commit { named: true } => primary.commit(name.as_bytes(), all),
            Message::Commit { named: false } => primary.commit(name.as_bytes(), core::iter::empty()),
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
                strays.extend(sent.messages().map(|message| Stray { writer: index, transaction, message }));
            }
        }
        strays
    }

    pub(super) fn deliver(&mut self, plan: &Plan, stray: Stray, log: &mut Log) {
        self.strays_left -= 1;
        self.send(plan, stray.writer, stray.transaction, stray.message, log);
    }
}

/// What the protocol is given of an identifier: the part after the namespace.
fn target(identifier: &str) -> &[u8] {
    identifier.split_once(':').unwrap().1.as_bytes()
}
