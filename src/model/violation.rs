//! The properties, as what breaks them.

use super::database::Versions;
use core::fmt;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Violation {
    /// A strict reader got a value from the cache that is older than a commit before its look-up.
    StaleHit { reader: usize, got: Versions, committed: Versions },
    /// A strict reader was told that its snapshot is as good as the look-up's moment, and it isn't.
    StaleSnapshot { reader: usize, got: Versions, committed: Versions },
    /// A strict reader got a value that the database never committed, or not yet.
    Uncommitted { reader: usize },
    /// A relaxed reader got a value that was outdated for longer than a lease before its KEY.
    StaleForLong { reader: usize, got: Versions, committed: Versions },
    /// All is quiet, and a key still leads to an old value.
    StaleForEver { is_strict: bool, got: Versions, committed: Versions },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::StaleHit { reader, got, committed } => {
                write!(
                    f,
                    "STALE: strict reader {reader} got {got:?} from the cache; its look-up came after {committed:?}"
                )
            }
            Self::StaleSnapshot { reader, got, committed } => {
                write!(
                    f,
                    "STALE: strict reader {reader} may store {got:?}; its look-up came after {committed:?}"
                )
            }
            Self::Uncommitted { reader } => {
                write!(f, "WRONG: strict reader {reader} got a value that the database hasn't committed")
            }
            Self::StaleForLong { reader, got, committed } => {
                write!(
                    f,
                    "STALE: relaxed reader {reader} got {got:?}; {committed:?} came too long before its KEY"
                )
            }
            Self::StaleForEver { is_strict, got, committed } => {
                let whose = if *is_strict { "strict" } else { "relaxed" };
                write!(
                    f,
                    "STALE: all is quiet, and the {whose} key leads to {got:?} instead of {committed:?}"
                )
            }
        }
    }
}
