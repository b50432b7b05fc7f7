//! What all readers and writers of a test share, and what they count.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use super::database::{Database, Version};
use super::link::Directory;
use super::subject::{ROWS, Subjects};

/// A lease that many reads fit into, and that a fault and its repair mostly fit into.
pub(super) const USUAL_LEASE: Duration = Duration::from_millis(250);

/// What keeps strict readers from stale values. A test can do without one of these, and must then find stale reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    /// Readers take −1 for an answer: what is in flight, and grace.
    Flights,
    /// New epochs and grace. The server's own switch `alkey.trust-restored` turns them off.
    Epochs,
    /// Strict readers use the key that LOOKUP gives, and not that of KEY.
    StrictKey,
    /// A reader with data older than the key's last change does not use the cache.
    Age,
    /// A writer that has written does not use the cache.
    WritersKeepOff,
    /// Readers take −1 for an answer also in grace, when nothing is in flight that the server knows of.
    Grace,
}

pub(super) const WRITERS: u64 = 3;

/// How long to leave others alone before looking again whether what is awaited has come about.
pub(super) const A_MOMENT: Duration = Duration::from_micros(200);

/// How a test is to be run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    pub(super) name: &'static str,
    pub(super) seed: u64,
    /// `alkey.lease-ms`: the longest that is used in the test.
    pub(super) lease: Duration,
    /// Faults, one after another.
    pub(super) rounds: usize,
    /// Answered strict reads before the first fault, and again after each, once grace is over.
    pub(super) reads: u64,
    pub(super) without: Option<Mechanism>,
    /// In which all is recorded and looked up.
    pub(super) namespace: &'static str,
}

/// The parts of a test, which are counted separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The cache is empty, and the server in grace after its start.
    Cold,
    /// Nothing has failed yet.
    Calm,
    /// From a fault until grace is over, both in the middle of reads.
    Grace,
    /// Grace is over; faults that need no grace go on.
    After,
}

pub(super) const PHASES: [Phase; 4] = [Phase::Cold, Phase::Calm, Phase::Grace, Phase::After];

/// What was counted in a phase. A read that got no answer from the server is none: it could not be stale.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) strict: AtomicU64,
    pub(super) strict_hits: AtomicU64,
    /// Strict reads that were told −1, and those whose data was older than the key's last change.
    pub(super) waits: AtomicU64,
    pub(super) too_old: AtomicU64,
    pub(super) stale: AtomicU64,
    pub(super) relaxed: AtomicU64,
    pub(super) relaxed_hits: AtomicU64,
    pub(super) relaxed_stale: AtomicU64,
}

#[derive(Default)]
pub(super) struct Tally {
    pub(super) phases: [Counts; 4],
    /// For how long the stalest relaxed read had been stale when its key was asked for.
    pub(super) longest_stale_us: AtomicU64,
    /// What led to the first stale strict read.
    pub(super) first_stale: Mutex<Option<String>>,
    /// Commits that were answered, and transactions of which nothing more was sent after the database's commit.
    pub(super) commits: AtomicU64,
    pub(super) deaths: AtomicU64,
    /// Faults, and transactions that were recorded before one and committed by the database after it.
    pub(super) faults: AtomicU64,
    pub(super) spanning: AtomicU64,
    /// Answered reads of any kind, by which writers are paced.
    pub(super) reads: AtomicU64,
}

impl Tally {
    pub(super) fn of(&self, phase: Phase) -> &Counts {
        &self.phases[phase as usize]
    }

    pub(super) fn total(&self, count: impl Fn(&Counts) -> &AtomicU64) -> u64 {
        self.phases.iter().map(|counts| count(counts).load(Relaxed)).sum()
    }

    pub(super) fn stale(&self) -> u64 {
        self.total(|counts| &counts.stale)
    }
}

/// How much is still to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Running {
    All,
    Readers,
    Nobody,
}

pub(super) type Values = Arc<[Version]>;

pub(super) struct World {
    pub(super) setup: Setup,
    pub(super) directory: Directory,
    pub(super) database: Database,
    pub(super) subjects: Subjects,
    /// The one cache that strict and relaxed readers share. It drops nothing, which is the hardest for alkey.
    cache: RwLock<HashMap<String, Values>>,
    pub(super) tally: Tally,
    /// The lease that the servers give now. Held while a writer records, and while it is changed.
    pub(super) lease: RwLock<Duration>,
    /// Whether writers that have recorded wait for a fault to be over before they have the database commit.
    holding: AtomicBool,
    held: AtomicU64,
    phase: AtomicUsize,
    running: AtomicU8,
}

impl World {
    pub(super) fn new(setup: Setup, directory: Directory) -> Self {
        Self {
            setup,
            directory,
            database: Database::new(ROWS),
            subjects: Subjects::new(setup.namespace),
            cache: RwLock::default(),
            tally: Tally::default(),
            lease: RwLock::new(setup.lease),
            holding: AtomicBool::new(false),
            held: AtomicU64::new(0),
            phase: AtomicUsize::new(Phase::Cold as usize),
            running: AtomicU8::new(Running::All as u8),
        }
    }

    pub(super) fn does_without(&self, mechanism: Mechanism) -> bool {
        self.setup.without == Some(mechanism)
    }

    pub(super) fn phase(&self) -> Phase {
        PHASES[self.phase.load(Relaxed)]
    }

    pub(super) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as usize, Relaxed);
    }

    /// The counts of the phase that it is now.
    pub(super) fn counts(&self) -> &Counts {
        self.tally.of(self.phase())
    }

    pub(super) fn stop(&self, running: Running) {
        self.running.store(running as u8, Relaxed);
    }

    pub(super) fn runs(&self, who: Running) -> bool {
        self.running.load(Relaxed) <= who as u8
    }

    pub(super) fn cached(&self, key: &str) -> Option<Values> {
        self.cache.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub(super) fn store(&self, key: String, values: Values) {
        self.cache.write().unwrap_or_else(PoisonError::into_inner).insert(key, values);
    }

    /// Has writers wait for a fault, those that have recorded; returns when some do.
    pub(super) fn hold_writers(&self) {
        let (held, soon) = (self.held.load(Relaxed), Instant::now() + self.setup.lease / 4);
        self.holding.store(true, Relaxed);
        while self.held.load(Relaxed) < held + WRITERS - 1 && Instant::now() < soon {
            thread::sleep(A_MOMENT);
        }
    }

    pub(super) fn let_writers_go(&self) {
        self.holding.store(false, Relaxed);
    }

    /// Waits, if writers are to, but not past `until`.
    pub(super) fn wait_for_fault(&self, until: Instant) {
        self.held.fetch_add(1, Relaxed);
        while self.holding.load(Relaxed) && self.runs(Running::All) && Instant::now() < until {
            thread::sleep(A_MOMENT);
        }
    }

    /// Waits until so many more reads were answered, but not past `until`, nor when writers are to stop.
    pub(super) fn wait_for_reads(&self, reads: u64, until: Instant) {
        let enough = self.tally.reads.load(Relaxed) + reads;
        while self.tally.reads.load(Relaxed) < enough && self.runs(Running::All) && Instant::now() < until {
            thread::sleep(A_MOMENT);
        }
    }

    /// Keeps the story of the first stale strict read.
    pub(super) fn tell_first_stale(&self, story: impl FnOnce() -> String) {
        let mut first = self.tally.first_stale.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(story);
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Cold => "cold",
            Self::Calm => "calm",
            Self::Grace => "grace",
            Self::After => "after",
        })
    }
}
