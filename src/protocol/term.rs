//! Terms, and the time within them.

/// A moment, on both clocks. Milliseconds, rounded down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Now {
    /// Since 1970: the wall clock at the start of the term, plus the monotonic time since. Stamps are taken from
    /// it. A wall clock that is set within a term doesn't move it.
    pub(crate) unix_ms: u64,
    /// Since this process started, on the monotonic clock. Leases and grace run on it, across terms.
    pub(crate) uptime_ms: u64,
}

/// The time during which this process has been the primary, or standalone, without a break. Times are
/// [`Now::uptime_ms`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    /// Counts the terms of this process, from 1. A namespace carries the number of the one it belongs to.
    pub(crate) number: u64,
    started_ms: u64,
    /// Until then a transaction that was recorded with an earlier primary may still commit.
    pub(crate) grace_until_ms: u64,
}

impl Term {
    /// A term that starts now, while leases are of this length.
    pub(crate) fn start(number: u64, now_ms: u64, lease_ms: u64) -> Self {
        Self { number, started_ms: now_ms, grace_until_ms: now_ms.saturating_add(lease_ms) }
    }

    /// Leases are of another length from now on. Grace that still runs may become longer, since the operator says
    /// how long leases were meant to be; once it is over nothing brings it back.
    pub(crate) fn set_lease(&mut self, now_ms: u64, lease_ms: u64) {
        if now_ms <= self.grace_until_ms {
            self.grace_until_ms = self.grace_until_ms.max(self.started_ms.saturating_add(lease_ms));
        }
    }
}

/// The number of no term: that of state that came from elsewhere (a dump, a primary, an append-only file), which
/// may lack the last commits.
pub(crate) const ELSEWHERE: u64 = 0;
