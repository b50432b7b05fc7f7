//! Epochs: what tells one life of a namespace's state from another.

use core::hash::Hasher;
use siphasher::sip::SipHasher13;
use uuid::Uuid;

/// A random UUID that a namespace gets when it is created and whenever its state may be behind the truth.
///
/// It is part of every key, so a new epoch changes every key at once. It also keys the fingerprints of rows:
/// whoever can choose row names can't choose which of them collide, and replicas compute the same ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch([u8; 16]);

impl Epoch {
    pub(crate) const fn new(id: Uuid) -> Self {
        Self(*id.as_bytes())
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// 64 bits that stand for a row in its table's map.
    #[inline]
    pub(crate) fn fingerprint(&self, row: &[u8]) -> Fingerprint {
        // SipHash is stable across versions, processes and machines, which the hash of a standard map is not.
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write(row);
        Fingerprint(hasher.finish())
    }
}

/// A row, as its table knows it. Two rows with the same fingerprint share a version: a spurious miss, never a
/// stale hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fingerprint(pub(crate) u64);
