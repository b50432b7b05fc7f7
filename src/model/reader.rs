//! Readers: snapshot, look-up, get from the cache, read of the database and store, each a step of its own, with
//! anything in between.

use super::database::{Value, Versions, is_older, rows_of};
use super::log::Log;
use super::plan::{Kind, Mechanism, Plan, ReaderPlan};
use super::violation::Violation;
use super::world::World;
use smallvec::SmallVec;

/// What a reader knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Reader {
    reads_left: usize,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Idle,
    /// It took a snapshot in this millisecond.
    HoldsSnapshot {
        kind: Kind,
        value: Value,
        since_ms: u64,
    },
    /// It has a key, and may use the cache.
    HasKey(Asked),
    /// The cache had nothing.
    Missed(Asked),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Asked {
    kind: Kind,
    key: u64,
    /// What it must get at least. Strict: the database at the look-up; relaxed: a lease before.
    least: Versions,
    /// What it read from the database.
    value: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReaderStep {
    Snapshot(Kind),
    Asks(Kind),
    GetsFromCache,
    ReadsDatabase,
    Stores,
}

impl Reader {
    pub(super) fn new(plan: &ReaderPlan) -> Self {
        Self { reads_left: plan.reads, phase: Phase::Idle }
    }

    pub(super) fn steps(&self, plan: &ReaderPlan) -> SmallVec<[ReaderStep; 4]> {
        match self.phase {
            Phase::Idle if self.reads_left == 0 => SmallVec::new(),
            Phase::Idle => plan
                .kinds
                .iter()
                .map(|kind| {
                    if kind.begins_with_snapshot() {
                        ReaderStep::Snapshot(*kind)
                    } else {
                        ReaderStep::Asks(*kind)
                    }
                })
                .collect(),
            Phase::HoldsSnapshot { kind, .. } => SmallVec::from_elem(ReaderStep::Asks(kind), 1),
            Phase::HasKey(_) => SmallVec::from_elem(ReaderStep::GetsFromCache, 1),
            Phase::Missed(Asked { value: None, .. }) => SmallVec::from_elem(ReaderStep::ReadsDatabase, 1),
            Phase::Missed(_) => SmallVec::from_elem(ReaderStep::Stores, 1),
        }
    }

    /// Whether it may still ask with KEY, and be owed what was committed more than a lease ago.
    pub(super) fn may_ask_relaxed(&self, plan: &ReaderPlan) -> bool {
        self.reads_left > 0
            && plan.kinds.iter().any(|kind| matches!(kind, Kind::Relaxed | Kind::RelaxedReplica))
    }

    fn finish(&mut self) {
        self.phase = Phase::Idle;
    }
}

impl World {
    pub(super) fn reader_acts(
        &mut self,
        plan: &Plan,
        index: usize,
        step: ReaderStep,
        log: &mut Log,
    ) -> Result<(), Violation> {
        match (step, self.readers[index].phase) {
            (ReaderStep::Snapshot(kind), _) => {
                self.readers[index].reads_left -= 1;
                let value = self.read_database(plan, index, kind);
                log.note(|| format!("sees {:?}", value.versions));
                self.readers[index].phase = Phase::HoldsSnapshot { kind, value, since_ms: self.now_ms };
                Ok(())
            }
            (ReaderStep::Asks(_), Phase::HoldsSnapshot { kind, value, since_ms }) => {
                // However short the time between the two was, it is rounded up.
                let age_ms = (self.now_ms - since_ms).max(1);
                self.reader_asks(plan, index, kind, Some((value, age_ms)), log)
            }
            (ReaderStep::Asks(kind), _) => {
                self.readers[index].reads_left -= 1;
                self.reader_asks(plan, index, kind, None, log)
            }
            (ReaderStep::GetsFromCache, Phase::HasKey(asked)) => self.get(index, asked, log),
            (ReaderStep::ReadsDatabase, Phase::Missed(asked)) => {
                let value = self.read_database(plan, index, asked.kind);
                log.note(|| format!("sees {:?}", value.versions));
                self.readers[index].phase = Phase::Missed(Asked { value: Some(value), ..asked });
                Ok(())
            }
            (ReaderStep::Stores, Phase::Missed(Asked { key, value: Some(value), .. })) => {
                log.note(|| format!("{:?} under {}", value.versions, short(key)));
                self.cache.set(key, value);
                self.readers[index].finish();
                Ok(())
            }
            (step, phase) => panic!("{step:?} in {phase:?}"),
        }
    }

    fn read_database(&self, plan: &Plan, index: usize, kind: Kind) -> Value {
        let versions = self.database.versions(rows_of(plan.readers[index].identifiers));
        Value { versions, is_after_key: kind != Kind::RelaxedSnapshot, uncommitted_by: None }
    }

    /// LOOKUP or KEY; with a snapshot and its age, if the reader has one.
    fn reader_asks(
        &mut self,
        plan: &Plan,
        index: usize,
        kind: Kind,
        snapshot: Option<(Value, u64)>,
        log: &mut Log,
    ) -> Result<(), Violation> {
        let identifiers = plan.readers[index].identifiers;
        let answer = if kind == Kind::RelaxedReplica {
            self.ask_replica(identifiers)
        } else {
            Some(self.ask(plan, identifiers, kind.is_strict(), log))
        };
        let Some(answer) = answer else {
            log.note(|| "there is no namespace".into());
            self.readers[index].finish();
            return Ok(());
        };
        let (value, age_ms) = snapshot.unzip();
        let may_use_cache = !kind.is_strict()
            || answer.settled_ms.is_some_and(|settled_ms| {
                settled_ms >= age_ms.unwrap_or(0) || plan.without == Some(Mechanism::AgeRule)
            });
        log.note(|| format!("key {}, settled {:?}", short(answer.key), answer.settled_ms));
        if !may_use_cache {
            log.note(|| "bypasses the cache".into());
            log.tally.bypasses += 1;
            self.readers[index].finish();
            return Ok(());
        }
        let rows = rows_of(identifiers);
        let least = match kind {
            Kind::Strict | Kind::StrictSnapshot => self.database.versions(rows),
            // A commit within this lease, or at its very end, may still be unknown to the key.
            Kind::Relaxed | Kind::RelaxedReplica => {
                self.database.versions_before(rows, self.now_ms.saturating_sub(plan.relaxed_ms()))
            }
            Kind::RelaxedSnapshot => [0; 2],
        };
        // With a mechanism switched off, only what a reader returns counts, which makes for better stories.
        if let (true, None, Some(value)) = (kind.is_strict(), plan.without, value)
            && is_older(value.versions, least)
        {
            return Err(Violation::StaleSnapshot { reader: index, got: value.versions, committed: least });
        }
        self.readers[index].phase = Phase::HasKey(Asked { kind, key: answer.key, least, value });
        Ok(())
    }

    fn get(&mut self, index: usize, asked: Asked, log: &mut Log) -> Result<(), Violation> {
        let Asked { kind, key, least, value } = asked;
        let Some(got) = self.cache.get(key) else {
            log.note(|| "a miss".into());
            self.readers[index].phase = Phase::Missed(asked);
            return Ok(());
        };
        log.note(|| format!("gets {:?} from {}", got.versions, short(key)));
        self.readers[index].finish();
        if kind.is_strict() {
            log.tally.strict_hits += 1;
            log.tally.snapshot_hits += u64::from(value.is_some());
            log.tally.later_hits += u64::from(self.is_later_epoch());
            if got.uncommitted_by.is_some() {
                return Err(Violation::Uncommitted { reader: index });
            }
            if is_older(got.versions, least) {
                return Err(Violation::StaleHit { reader: index, got: got.versions, committed: least });
            }
        } else {
            log.tally.relaxed_hits += 1;
            log.tally.replica_hits += u64::from(kind == Kind::RelaxedReplica);
            if got.is_after_key && is_older(got.versions, least) {
                return Err(Violation::StaleForLong { reader: index, got: got.versions, committed: least });
            }
        }
        Ok(())
    }
}

/// Enough of a key to tell it from others in a trace.
fn short(key: u64) -> String {
    format!("{key:016x}").chars().take(4).collect()
}
