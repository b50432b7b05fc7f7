//! A set of identifiers of one namespace, in the order in which they were added.
//!
//! Transactions are made and dropped all the time, so the bytes of all identifiers lie in one allocation.

use super::allocated::allocated;
use core::hash::BuildHasher;
use hashbrown::{DefaultHashBuilder, HashTable};

/// Below so many, comparing with each is cheaper than hashing.
const LINEAR_MAX: usize = 8;

/// The parts of identifiers after the namespace, `table#row`, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdentifierSet {
    bytes: Vec<u8>,
    /// Where each identifier ends in `bytes`.
    ends: Vec<usize>,
    /// Positions by hash; empty up to [`LINEAR_MAX`].
    positions: HashTable<usize>,
    hasher: DefaultHashBuilder,
}

impl IdentifierSet {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn get(&self, position: usize) -> Option<&[u8]> {
        let start = position.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.bytes.get(start..*self.ends.get(position)?)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|position| self.get(position))
    }

    /// Where the identifier stands.
    pub(crate) fn position(&self, identifier: &[u8]) -> Option<usize> {
        if self.positions.is_empty() {
            return self.iter().position(|known| known == identifier);
        }
        let hash = self.hasher.hash_one(identifier);
        self.positions.find(hash, |position| self.get(*position) == Some(identifier)).copied()
    }

    /// Adds an identifier that is not in the set.
    pub(crate) fn push(&mut self, identifier: &[u8]) {
        debug_assert_eq!(self.position(identifier), None);
        self.bytes.extend_from_slice(identifier);
        self.ends.push(self.bytes.len());
        if self.len() > LINEAR_MAX {
            let first_missing = if self.positions.is_empty() { 0 } else { self.len() - 1 };
            for position in first_missing..self.len() {
                self.index(position);
            }
        }
    }

    fn index(&mut self, position: usize) {
        // Apart from the table, so that both may be used at once.
        let Self { bytes, ends, positions, hasher } = self;
        let hash_at = |position: usize| {
            let start = position.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
            let end = ends.get(position).copied().unwrap_or(start);
            hasher.hash_one(bytes.get(start..end).unwrap_or_default())
        };
        positions.insert_unique(hash_at(position), position, |position| hash_at(*position));
    }

    /// Bytes held on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        allocated(self.bytes.capacity())
            + allocated(self.ends.capacity() * size_of::<usize>())
            + allocated(self.positions.allocation_size())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_keeps_each_identifier_once_and_in_order(
            identifiers in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..3), 0..60),
        ) {
            let mut set = IdentifierSet::default();
            let mut oracle: Vec<Vec<u8>> = Vec::new();
            for identifier in &identifiers {
                prop_assert_eq!(set.position(identifier), oracle.iter().position(|known| known == identifier));
                if set.position(identifier).is_none() {
                    set.push(identifier);
                    oracle.push(identifier.clone());
                }
            }
            prop_assert_eq!(set.iter().map(<[u8]>::to_vec).collect::<Vec<_>>(), oracle);
        }
    }
}
