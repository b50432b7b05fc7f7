//! Epochs: what tells one life of a namespace's state from another.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};
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

    /// What makes the fingerprints of this epoch.
    pub(crate) fn fingerprints(&self) -> Fingerprints {
        let (first, second) = Uuid::from_bytes(self.0).as_u64_pair();
        Fingerprints(RapidSecrets::seed(first ^ second))
    }
}

/// Makes the fingerprints of rows in one epoch.
///
/// By rapidhash 3, which is the same everywhere, as the hash of a standard map is not: replicas, dumps and later
/// versions must agree on it. SipHash took 110 instructions for a short row, and this takes 30, so that ALKEY.KEY of a
/// hundred rows is a tenth cheaper. That it is no cryptographic hash is made up for by what a collision does: a
/// spurious miss.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fingerprints(RapidSecrets);

impl Fingerprints {
    /// 64 bits that stand for a row in its table's map.
    #[inline]
    pub(crate) fn of(&self, row: &[u8]) -> Fingerprint {
        Fingerprint(rapidhash_v3_seeded(row, &self.0))
    }
}

/// A row, as its table knows it. Two rows with the same fingerprint share a version: a spurious miss, never a
/// stale hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fingerprint(pub(crate) u64);

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever changes these breaks the dumps and replicas of those who trust what was restored.
    #[test]
    fn fingerprints_are_the_same_for_ever() {
        let fingerprints =
            Epoch::new(Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff)).fingerprints();
        let long = [b'x'; 200];
        let rows: [&[u8]; 4] = [b"1", b"1234", b"d2719c3e-2f6a-4b0f-9a53-0f6f1f4ab3c2", &long];
        assert_eq!(
            rows.map(|row| fingerprints.of(row).0),
            [0x6abe_ee2f_dccc_c8ec, 0x5511_5af1_6036_d517, 0xeed9_9ce9_26ee_6c89, 0x4ed8_5fd3_2f11_7f16]
        );
    }
}
