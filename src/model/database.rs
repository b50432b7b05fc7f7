//! What stands around the server: a database whose every commit is numbered, and a cache.

use smallvec::SmallVec;

/// Rows of the one table, `t#1` and `t#2`.
pub(super) const ROWS: usize = 2;

/// How often each row was changed.
pub(super) type Versions = [u8; ROWS];

/// Which rows an identifier covers.
pub(super) fn rows_of(identifiers: &[&str]) -> [bool; ROWS] {
    let covers = |row: &str| {
        identifiers.iter().any(|identifier| identifier.ends_with(row) || identifier.ends_with("#*"))
    };
    [covers("#1"), covers("#2")]
}

/// Whether any of these is older than what it is compared with.
pub(super) fn is_older(versions: Versions, than: Versions) -> bool {
    versions.iter().zip(than).any(|(version, other)| *version < other)
}

/// A database with serial commits.
#[derive(Clone, Debug, Default)]
pub(super) struct Database {
    /// When each row was changed, each time.
    committed_ms: [SmallVec<[u64; 4]>; ROWS],
}

impl Database {
    pub(super) fn commit(&mut self, rows: [bool; ROWS], now_ms: u64) {
        for (row, committed_ms) in self.committed_ms.iter_mut().enumerate() {
            if rows[row] {
                committed_ms.push(now_ms);
            }
        }
    }

    /// These rows as they are; 0 for all others, so that readers of different rows do not differ by accident.
    pub(super) fn versions(&self, rows: [bool; ROWS]) -> Versions {
        self.versions_before(rows, u64::MAX)
    }

    /// These rows as they were before this millisecond.
    pub(super) fn versions_before(&self, rows: [bool; ROWS], end_ms: u64) -> Versions {
        core::array::from_fn(|row| {
            let commits = self.committed_ms[row].iter().filter(|at| **at < end_ms).count();
            if rows[row] { u8::try_from(commits).unwrap() } else { 0 }
        })
    }

    /// When each row was changed; all that is before this millisecond is the same.
    pub(super) fn history(&self, since_ms: u64) -> [SmallVec<[u64; 4]>; ROWS] {
        core::array::from_fn(|row| {
            self.committed_ms[row].iter().map(|at| if *at < since_ms { 0 } else { *at + 1 }).collect()
        })
    }
}

/// What a reader made of the rows that it read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Value {
    pub(super) versions: Versions,
    /// Whether it was read after the answer to KEY, without which relaxed readers are promised nothing.
    pub(super) is_after_key: bool,
    /// The writer that made it of its own changes, before the database committed them.
    pub(super) uncommitted_by: Option<usize>,
}

impl Value {
    /// False only if nobody can be harmed by it while the database is like this.
    pub(super) fn may_be_wrong(&self, committed: Versions) -> bool {
        !self.is_after_key || self.uncommitted_by.is_some() || is_older(self.versions, committed)
    }
}

/// The cache that strict and relaxed readers share: nothing is evicted, since a miss never harms, and the last one to
/// store a value wins.
#[derive(Clone, Debug, Default)]
pub(super) struct Cache {
    values: SmallVec<[(u64, Value); 6]>,
}

impl Cache {
    pub(super) fn get(&self, key: u64) -> Option<Value> {
        self.values.iter().find(|(known, _)| *known == key).map(|(_, value)| *value)
    }

    pub(super) fn set(&mut self, key: u64, value: Value) {
        match self.values.binary_search_by_key(&key, |(known, _)| *known) {
            Ok(position) => self.values[position].1 = value,
            Err(position) => self.values.insert(position, (key, value)),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(u64, Value)> {
        self.values.iter()
    }

    /// What a writer stored of its own changes is true now that the database committed them.
    pub(super) fn became_true(&mut self, writer: usize) {
        for (_, value) in &mut self.values {
            if value.uncommitted_by == Some(writer) {
                value.uncommitted_by = None;
            }
        }
    }
}
