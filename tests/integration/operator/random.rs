//! Numbers drawn from a seed, which is printed: a failure can be repeated by giving it in `ALKEY_SEED`.

use std::env;
use std::hash::{BuildHasher, RandomState};

/// The generator splitmix64: the same numbers from the same seed, on any machine.
pub(crate) struct Random(u64);

impl Random {
    /// From the seed in `ALKEY_SEED`, or one that nobody chose.
    pub(crate) fn from_seed() -> Self {
        let seed = match env::var("ALKEY_SEED") {
            Ok(given) => given.parse().expect("ALKEY_SEED is a number"),
            Err(_) => RandomState::new().hash_one(0),
        };
        println!("to repeat this run: ALKEY_SEED={seed}");
        Self(seed)
    }

    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("a size");
        usize::try_from(self.number() % end).expect("it is below a size")
    }

    pub(crate) fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    pub(crate) fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    pub(crate) fn shuffle<T>(&mut self, all: &mut [T]) {
        for position in (1..all.len()).rev() {
            all.swap(position, self.below(position + 1));
        }
    }
}
