//! What callgrind has counted between two moments.
//!
//! Valgrind does not know the CPU's instructions for SHA-256, so the module falls back on software, which takes some
//! 20 times as many instructions a block as it does on a CPU that has them. Each block is counted as what it takes
//! there. How many blocks there were is told by the cost of the functions whose name says that they compress.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// The instructions of one block of SHA-256 with those of the CPU: the loop of `sha2::sha256::x86_sha::compress`, as
/// `objdump -d` shows it.
const BLOCK_ON_CPU: u64 = 164;

/// Instructions, those of SHA-256 in software apart.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Profile {
    total: u64,
    hashing: u64,
}

impl Profile {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| {
            format!("callgrind wrote no {}: does the server know echoCommand?", path.display())
        })?;
        Self::parse(&text)
            .with_context(|| format!("{} is no profile as callgrind 3.19 writes it", path.display()))
    }

    /// Adds up the lines with a cost of its own of each function. They follow a line `fn=name`, and are two
    /// numbers, the second of which is the cost; but the line after one that begins with `calls=` is what a function
    /// called, which is counted where that function is.
    fn parse(text: &str) -> Option<Self> {
        let (mut profile, mut is_hashing, mut is_of_called) = (Self::default(), false, false);
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("fn=") {
                is_hashing = name.contains("compress") && !name.contains("decompress");
            } else if line.starts_with("calls=") {
                is_of_called = true;
            } else if line.starts_with(|first: char| first.is_ascii_digit()) {
                let cost: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
                if !std::mem::take(&mut is_of_called) {
                    profile.total += cost;
                    profile.hashing += if is_hashing { cost } else { 0 };
                }
            }
        }
        let told: u64 = text.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()?;
        (told == profile.total).then_some(profile)
    }

    /// How much more hashing there was than in another.
    pub(super) fn hashing_beyond(&self, other: &Self) -> u64 {
        self.hashing.saturating_sub(other.hashing)
    }

    /// What one of some calls cost beyond what is counted without any, with each block of SHA-256 as on a CPU.
    pub(super) fn per_call(&self, without: &Self, calls: u64, block_in_software: u64) -> u64 {
        let blocks = self.hashing / block_in_software;
        let counted_alike = self.total - self.hashing + blocks * BLOCK_ON_CPU;
        counted_alike.saturating_sub(without.total) / calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "version: 1\npositions: line\nevents: Ir\nsummary: 7130\n\n\
        ob=/usr/bin/redis-server\nfl=???\nfn=call\n0 100\ncob=libalkey.so\ncfi=???\ncfn=sha2::sha256::compress256\n\
        calls=2 0\n0 7000\n0 20\n\nob=libalkey.so\nfl=???\nfn=sha2::sha256::compress256\n0 7000\n\n\
        fn=miniz_oxide::decompress\n0 10\n\ntotals: 7130\n";

    #[test]
    fn a_profile_counts_each_cost_where_it_arose() {
        assert_eq!(Profile::parse(TEXT), Some(Profile { total: 7130, hashing: 7000 }));
        // A form of the file that is not understood is told by its sum.
        assert_eq!(Profile::parse(&TEXT.replace("calls=2 0\n", "")), None);
        assert_eq!(Profile::parse("nothing"), None);
    }

    #[test]
    fn blocks_cost_what_they_do_on_a_cpu() {
        let two_blocks = Profile { total: 7130, hashing: 7000 };
        let without = Profile { total: 30, hashing: 0 };
        assert_eq!(two_blocks.per_call(&without, 1, 3500), 100 + 2 * BLOCK_ON_CPU);
        assert_eq!(two_blocks.per_call(&without, 2, 3500), 50 + BLOCK_ON_CPU);
    }
}
