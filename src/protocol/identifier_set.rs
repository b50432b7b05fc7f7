//! A set of identifiers of one namespace, in the order in which they were added.
//!
//! Transactions are made and dropped all the time, so the bytes of all identifiers lie in one allocation. And writers
//! mostly name the same identifiers in the same order again, in the next RECORD and in COMMIT: so whoever asks says
//! where he expects one, and the index is made only when somebody was wrong.

use super::allocated::allocated;
use super::identifier::{Member, Shape};
use core::hash::BuildHasher;
use hashbrown::{DefaultHashBuilder, HashTable};

/// Below so many, comparing with each is cheaper than an index.
const LINEAR_MAX: usize = 8;

/// The parts of identifiers after the namespace, `table#row`, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdentifierSet {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// Positions by hash, of the first so many.
    positions: HashTable<usize>,
    indexed: usize,
    /// How many name a whole table.
    tables: usize,
    hasher: DefaultHashBuilder,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where it ends in `bytes`.
    end: usize,
    hash: u64,
    shape: Shape,
}

impl IdentifierSet {
    /// An empty set whose hashes are those of this hasher.
    pub(crate) fn with_hasher(hasher: DefaultHashBuilder) -> Self {
        Self { hasher, ..Self::default() }
    }

    /// Makes room for so many more.
    pub(crate) fn reserve(&mut self, identifiers: usize) {
        self.entries.reserve(identifiers);
        self.bytes.reserve(identifiers * BYTES_USUAL);
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    #[inline]
    pub(crate) fn get(&self, position: usize) -> Option<Member<'_>> {
        let start =
            position.checked_sub(1).and_then(|before| self.entries.get(before)).map_or(0, |entry| entry.end);
        let Entry { end, shape, .. } = *self.entries.get(position)?;
        Some(Member { bytes: self.bytes.get(start..end)?, shape })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Member<'_>> {
        self.iter_hashed().map(|(member, _)| member)
    }

    /// How many tables are in it as a whole.
    pub(crate) fn tables(&self) -> usize {
        self.tables
    }

    /// The tables that are in it as a whole.
    pub(crate) fn whole_tables(&self) -> impl Iterator<Item = &[u8]> {
        // Mostly there are none, and then nobody looks.
        let looked_at = if self.tables > 0 { self.len() } else { 0 };
        self.iter().take(looked_at).filter(Member::is_whole_table).map(|member| member.table())
    }

    /// All of them, with their hashes.
    pub(crate) fn iter_hashed(&self) -> impl Iterator<Item = (Member<'_>, u64)> {
        let mut start = 0;
        self.entries.iter().map(move |Entry { end, hash, shape }| {
            let bytes = self.bytes.get(start..*end).unwrap_or_default();
            start = *end;
            (Member { bytes, shape: *shape }, *hash)
        })
    }

    /// The hash of an identifier, in this set and all that have its hasher.
    #[inline]
    pub(crate) fn hash(&self, member: Member) -> u64 {
        self.hasher.hash_one(member.bytes)
    }

    /// Where an identifier stands. Whoever asks expects it there.
    #[inline]
    pub(crate) fn position(&mut self, expected: usize, member: Member) -> Option<usize> {
        if self.get(expected).is_some_and(|known| known.bytes == member.bytes) {
            return Some(expected);
        }
        self.search(member)
    }

    fn search(&mut self, member: Member) -> Option<usize> {
        if self.len() <= LINEAR_MAX {
            return self.iter().position(|known| known.bytes == member.bytes);
        }
        self.index();
        let is_it = |position: &usize| self.get(*position).is_some_and(|known| known.bytes == member.bytes);
        self.positions.find(self.hash(member), is_it).copied()
    }

    fn index(&mut self) {
        let Self { entries, positions, indexed, .. } = self;
        let hash_at = |position: &usize| entries.get(*position).map_or(0, |entry| entry.hash);
        for position in *indexed..entries.len() {
            positions.insert_unique(hash_at(&position), position, hash_at);
        }
        *indexed = entries.len();
    }

    /// Adds an identifier that is not in the set.
    #[inline]
    pub(crate) fn push(&mut self, member: Member, hash: u64) {
        self.bytes.extend_from_slice(member.bytes);
        self.tables += usize::from(member.is_whole_table());
        self.entries.push(Entry { end: self.bytes.len(), hash, shape: member.shape });
    }

    /// Bytes held on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        allocated(self.bytes.capacity())
            + allocated(self.entries.capacity() * size_of::<Entry>())
            + allocated(self.positions.allocation_size())
    }
}

/// The set of these, each once.
#[cfg(test)]
pub(crate) fn set_of<'a>(members: impl IntoIterator<Item = Member<'a>>) -> IdentifierSet {
    let mut set = IdentifierSet::default();
    for member in members {
        if set.position(set.len(), member).is_none() {
            set.push(member, set.hash(member));
        }
    }
    set
}

/// Bytes of an identifier as it mostly is, without its namespace.
const BYTES_USUAL: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_keeps_each_identifier_once_and_in_order(
            rows in proptest::collection::vec((0..60_u8, 0..4_usize), 0..120),
        ) {
            let mut set = IdentifierSet::default();
            let mut oracle: Vec<String> = Vec::new();
            for (row, expected) in rows {
                let text = format!("t#{row}");
                let member = Member::parse(text.as_bytes()).unwrap();
                let position = set.position(oracle.len().saturating_sub(expected), member);
                prop_assert_eq!(position, oracle.iter().position(|known| *known == text));
                if position.is_none() {
                    set.push(member, set.hash(member));
                    oracle.push(text);
                }
            }
            let known = set.iter().map(|member| String::from_utf8(member.bytes.to_vec()).unwrap());
            prop_assert_eq!(known.collect::<Vec<_>>(), oracle);
            prop_assert!(set.iter_hashed().all(|(member, hash)| hash == set.hash(member)));
        }
    }
}
