//! From the parts of a call to a key: the version of each identifier, read namespace by namespace, then the hash.

use super::digest::{Key, KeyHasher, Mode};
use super::epoch::Epoch;
use super::identifier::Target;
use super::namespace::Namespace;
use super::parts::{PARTS_USUAL, Part, Parts};
use super::stamp::Stamp;
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
        let stamps = SmallVec::from_elem(Stamp::default(), parts.parts.len());
        Self { parts, stamps, epochs: SmallVec::new() }
    }

    /// Reads the versions of what is in this namespace, the next of [`Parts::namespaces`], and shows each.
    pub(crate) fn read(
        &mut self,
        name: &'a [u8],
        namespace: &Namespace,
        mut seen: impl FnMut(Target<'a>, Stamp),
    ) {
        self.epochs.push((name, *namespace.epoch()));
        for (part, stamp) in self.parts.parts.iter().zip(&mut self.stamps) {
            if let Part::Identifier(identifier) = part
                && identifier.namespace() == name
            {
                let target = identifier.target();
                *stamp = namespace.version(target);
                seen(target, *stamp);
            }
        }
    }

    /// The key of the parts, once all namespaces were read.
    pub(crate) fn key(self, mode: Mode) -> Key {
        let mut hasher = KeyHasher::new(mode);
        let mut epochs = self.epochs.into_iter().peekable();
        for (part, stamp) in self.parts.parts.iter().zip(&self.stamps) {
            match part {
                Part::Value(value) => hasher.value(value),
                Part::Identifier(identifier) => {
                    if let Some((_, epoch)) = epochs.next_if(|(name, _)| *name == identifier.namespace()) {
                        hasher.epoch(&epoch);
                    }
                    hasher.identifier(identifier.bytes(), *stamp);
                }
            }
        }
        hasher.finish()
    }
}
