//! What was done since the module was loaded: the totals of INFO.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counter {
    Keys,
    Lookups,
    Records,
    Commits,
    Discards,
    Touches,
    Expired,
    Epochs,
    Errors,
}

impl Counter {
    /// All of them, with the names that INFO gives them.
    pub(super) const ALL: [(Self, &'static str); 9] = [
        (Self::Keys, "keys"),
        (Self::Lookups, "lookups"),
        (Self::Records, "records"),
        (Self::Commits, "commits"),
        (Self::Discards, "discards"),
        (Self::Touches, "touches"),
        (Self::Expired, "expired_transactions"),
        (Self::Epochs, "new_epochs"),
        (Self::Errors, "errors"),
    ];

    /// Counts some more.
    #[inline]
    pub(super) fn add(self, count: usize) {
        if let Some(total) = TOTALS.get(self as usize) {
            // Commands run on one thread, so there is nothing to race with.
            let before = total.load(Ordering::Relaxed);
            total.store(before.wrapping_add(count as u64), Ordering::Relaxed);
        }
    }

    pub(super) fn total(self) -> u64 {
        TOTALS.get(self as usize).map_or(0, |total| total.load(Ordering::Relaxed))
    }
}

static TOTALS: [AtomicU64; Counter::ALL.len()] = [const { AtomicU64::new(0) }; Counter::ALL.len()];
