//! Numbers that one seed determines: SplitMix64, which needs no crate.

use std::env;
use std::hash::{BuildHasher, RandomState};

/// Names the seed of a run that is to be repeated.
const SEED: &str = "ALKEY_FAULT_SEED";

/// The seed that was asked for, or any.
pub(super) fn seed() -> u64 {
    match env::var(SEED) {
        Ok(digits) => digits.parse().unwrap_or_else(|error| panic!("{SEED}={digits}: {error}")),
        Err(_) => RandomState::new().hash_one(SEED) >> 32,
    }
}

/// One sequence of numbers.
pub(super) struct Random(u64);

impl Random {
    /// Each stream of one seed is a sequence of its own.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed.wrapping_add(stream.wrapping_mul(0xd134_2543_de82_ef95)));
        random.next();
        random
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// True once in so many calls, on average.
    pub(super) fn one_in(&mut self, calls: u64) -> bool {
        self.below(calls) == 0
    }

    /// The index of one of so many things.
    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a length")
    }
}
