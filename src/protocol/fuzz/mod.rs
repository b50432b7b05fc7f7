//! Fuzzing: bytes that nobody meant to send, made by random changes to those that somebody did.
//!
//! Each target is a property with proptest, which every test run tries a few hundred times. As many times as one
//! likes it is tried by `PROPTEST_CASES` (CONTRIBUTING.md has the command). proptest runs on stable Rust and makes a
//! failing input small. What it lacks beside bolero or libFuzzer, to be led by coverage, the inputs make up for:
//! they are sound ones with a few changes, so that they get past the first byte.

mod arguments;
mod effects;
mod identifiers;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// A change to some bytes.
#[derive(Clone, Debug)]
enum Change {
    Replace(Index, u8),
    Flip(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    CutOff(Index),
    /// Sets so many bytes that whatever number is there is the largest.
    Saturate(Index),
    /// Copies some bytes to another place.
    Splice(Index, Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    prop_oneof![
        3 => (index(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        3 => (index(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, 1 << bit)),
        2 => (index(), any::<u8>()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        2 => index().prop_map(Change::Remove),
        1 => index().prop_map(Change::CutOff),
        1 => index().prop_map(Change::Saturate),
        1 => (index(), index(), index()).prop_map(|(from, to, at)| Change::Splice(from, to, at)),
    ]
}

/// A few changes, mostly few; often none.
fn changes() -> impl Strategy<Value = Vec<Change>> {
    prop_oneof![2 => Just(Vec::new()), 3 => vec(change(), 1..3), 1 => vec(change(), 1..12)]
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        match change {
            Change::Replace(at, byte) => bytes[at.index(length)] = *byte,
            Change::Flip(at, bit) => bytes[at.index(length)] ^= bit,
            Change::Insert(at, byte) => bytes.insert(at.index(length), *byte),
            Change::Remove(at) => drop(bytes.remove(at.index(length))),
            Change::CutOff(at) => bytes.truncate(at.index(length)),
            Change::Saturate(at) => {
                bytes.iter_mut().skip(at.index(length)).take(8).for_each(|byte| *byte = 0xff);
            }
            Change::Splice(from, to, at) => {
                let (from, to) = (from.index(length), to.index(length));
                let copied = bytes[from.min(to)..from.max(to)].to_vec();
                let at = at.index(length);
                bytes.splice(at..at, copied);
            }
        }
    }
    bytes
}
