//! The database: rows of which each has a version, transactions that commit as a whole, and snapshots.
//!
//! It knows of each version when it was committed, twice. Versions are numbered in the order of the commits, so that
//! whether a read is stale is decided by order alone, whatever clocks and threads do: a strict read is stale if it
//! gives a version of a row older than the last one that was committed when its look-up was sent. And each has its
//! moment on the monotonic clock, so that it can be told for how long a relaxed read was stale.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

/// The version of a row: the number of the commit that wrote it. All rows begin with version 0.
pub(super) type Version = u64;

/// Set in what a transaction sees of its own changes before it commits. No committed version has it.
pub(super) const UNCOMMITTED: Version = 1 << 63;

pub(super) type Row = usize;

struct Committed {
    version: Version,
    at: Instant,
}

/// What a transaction sees that began at some moment.
#[derive(Clone, Copy)]
pub(super) struct Snapshot {
    last: Version,
    /// A moment just before it was taken.
    pub(super) before: Instant,
}

pub(super) struct Database {
    /// For each row all that was ever committed, oldest first.
    rows: RwLock<Vec<Vec<Committed>>>,
    last: AtomicU64,
}

impl Database {
    pub(super) fn new(rows: usize) -> Self {
        let first = || vec![Committed { version: 0, at: Instant::now() }];
        Self { rows: RwLock::new((0..rows).map(|_| first()).collect()), last: AtomicU64::new(0) }
    }

    /// The number of the last commit. All versions up to it can be read.
    pub(super) fn last_commit(&self) -> Version {
        self.last.load(Ordering::Acquire)
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let before = Instant::now();
        Snapshot { last: self.last_commit(), before }
    }

    /// The versions of these rows: the last ones, or those that a snapshot shows.
    pub(super) fn read(&self, rows: &[Row], snapshot: Option<&Snapshot>) -> Vec<Version> {
        let all = self.all();
        let last = snapshot.map_or(Version::MAX, |snapshot| snapshot.last);
        rows.iter().map(|row| version_at(&all[*row], last)).collect()
    }

    /// Commits a change of these rows, unless it is later than `deadline`: then it is rolled back.
    pub(super) fn commit(&self, rows: &[Row], deadline: Instant) -> Result<Version, TooLate> {
        let mut all = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        // Judged while nobody can read: whoever reads after the deadline reads what was committed before it.
        let at = Instant::now();
        if at >= deadline {
            return Err(TooLate);
        }
        let version = self.last_commit() + 1;
        for row in rows {
            all[*row].push(Committed { version, at });
        }
        self.last.store(version, Ordering::Release);
        Ok(version)
    }

    /// Whether these versions are those of the rows when `commit` was the last one, or later ones.
    pub(super) fn are_current(&self, rows: &[Row], versions: &[Version], commit: Version) -> bool {
        let all = self.all();
        rows.iter()
            .zip(versions)
            .all(|(row, version)| version & UNCOMMITTED == 0 && *version >= version_at(&all[*row], commit))
    }

    /// When the first of these versions was replaced; none if they are the last ones.
    pub(super) fn replaced_at(&self, rows: &[Row], versions: &[Version]) -> Option<Instant> {
        let all = self.all();
        let first_newer = |(row, version): (&Row, &Version)| {
            let history: &Vec<Committed> = &all[*row];
            history
                .get(history.partition_point(|committed| committed.version <= *version))
                .map(|newer| newer.at)
        };
        rows.iter().zip(versions).filter_map(first_newer).min()
    }

    fn all(&self) -> RwLockReadGuard<'_, Vec<Vec<Committed>>> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The database rolled back instead, since the lease was over.
#[derive(Debug)]
pub(super) struct TooLate;

fn version_at(history: &[Committed], commit: Version) -> Version {
    let newer = history.partition_point(|committed| committed.version <= commit);
    history[newer - 1].version
}

#[test]
fn snapshots_and_the_judge_of_staleness_know_the_order_of_commits() {
    let database = Database::new(2);
    let (before, soon) = (database.snapshot(), Instant::now() + crate::harness::DEADLINE);
    assert_eq!(database.commit(&[0, 1], soon).unwrap(), 1);
    let between = database.snapshot();
    assert_eq!(database.commit(&[1], soon).unwrap(), 2);
    database.commit(&[0], Instant::now()).expect_err("it is too late");

    assert_eq!(database.read(&[0, 1], None), [1, 2]);
    assert_eq!(database.read(&[0, 1], Some(&between)), [1, 1]);
    assert_eq!(database.read(&[0, 1], Some(&before)), [0, 0]);
    assert!(database.are_current(&[0, 1], &[1, 2], 2));
    assert!(!database.are_current(&[0, 1], &[1, 1], 2));
    assert!(database.are_current(&[0, 1], &[1, 1], 1), "the look-up came before the second commit");
    assert!(!database.are_current(&[0], &[1 | UNCOMMITTED], 0), "this was never committed");
    assert!(database.replaced_at(&[0, 1], &[1, 2]).is_none());
    assert!(database.replaced_at(&[0, 1], &[0, 2]) < database.replaced_at(&[1], &[1]));
}
