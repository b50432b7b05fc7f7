//! From the parts of a call to a key: the version of each identifier, read namespace by namespace, then the hash.

use super::digest::{Key, KeyHasher, Mode};
use super::epoch::Epoch;
use super::identifier::Identifier;
use super::namespace::{Namespace, Reader, Reading, RowReading};
use super::parts::{PARTS_USUAL, Part, Parts};
use super::rows::ROWS_AT_ONCE;
use super::stamp::Stamp;
use arrayvec::ArrayVec;
use smallvec::SmallVec;

/// The versions of the parts of a call. They are collected before anything is hashed, since parts of several
/// namespaces may stand in any order.
#[derive(Debug)]
pub(crate) struct Versions<'p, 'a> {
    parts: &'p Parts<'a>,
    /// One for each part; a value's is never looked at.
    stamps: SmallVec<[Stamp; PARTS_USUAL]>,
    /// In the order of [`Parts::namespaces`], which is that of their first identifiers.
    epochs: SmallVec<[(&'a [u8], Epoch); 1]>,
}

impl<'p, 'a> Versions<'p, 'a> {
    pub(crate) fn new(parts: &'p Parts<'a>) -> Self {
        let mut stamps = SmallVec::new();
        stamps.resize(parts.parts.len(), Stamp::default());
        Self { parts, stamps, epochs: SmallVec::new() }
    }

    /// Reads the versions of what is in this namespace, the next of [`Parts::namespaces`], and shows each.
    pub(crate) fn read(
        &mut self,
        name: &'a [u8],
        namespace: &Namespace,
        mut seen: impl FnMut(&Identifier<'a>, Stamp),
    ) {
        self.epochs.push((name, *namespace.epoch()));
        let is_only_one = self.parts.namespaces.len() == 1;
        let is_here = |identifier: &Identifier| is_only_one || identifier.namespace() == name;
        let mut reader = namespace.reader();
        {
            let mut rows: ArrayVec<_, ROWS_AT_ONCE> = ArrayVec::new();
            for (part, stamp) in self.parts.parts.iter().zip(&mut self.stamps) {
                if rows.is_full() {
                    end_all(&reader, &mut rows);
                }
                match part {
                    Part::Identifier(identifier) if is_here(identifier) => match reader.next(identifier) {
                        Reading::Version(version) => *stamp = version,
                        Reading::Row(row) => rows.push((row, stamp)),
                    },
                    _ => {}
                }
            }
            end_all(&reader, &mut rows);
        }
        for (part, stamp) in self.parts.parts.iter().zip(&self.stamps) {
            match part {
                Part::Identifier(identifier) if is_here(identifier) => seen(identifier, *stamp),
                _ => {}
            }
        }
    }

    /// The key of the parts, once all namespaces were read.
    pub(crate) fn key(&self, mode: Mode) -> Key {
        let mut hasher = KeyHasher::new(mode);
        let mut epochs = self.epochs.iter().peekable();
        for (part, stamp) in self.parts.parts.iter().zip(&self.stamps) {
            match part {
                Part::Value(value) => hasher.value(value),
                Part::Identifier(identifier) => {
                    if let Some((_, epoch)) = epochs.next_if(|(name, _)| *name == identifier.namespace()) {
                        hasher.epoch(epoch);
                    }
                    hasher.identifier(identifier.bytes(), *stamp);
                }
            }
        }
        hasher.finish()
    }
}

/// Ends what was begun: touches all rows before it looks at any, so that those that are cold come together.
#[inline]
fn end_all(reader: &Reader, rows: &mut ArrayVec<(RowReading, &mut Stamp), ROWS_AT_ONCE>) {
    // Filled and read in place: to move it takes 1 % of KEY of one row.
    let mut guessed: ArrayVec<_, ROWS_AT_ONCE> = ArrayVec::new();
    guessed.extend(rows.iter().map(|(row, _)| row.search.guessed()));
    for ((row, stamp), guessed) in rows.drain(..).zip(&guessed) {
        *stamp = reader.end(row, *guessed);
    }
}
