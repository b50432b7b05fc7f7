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

/// The time during which this process has been the primary, or standalone, without a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    /// Counts the terms of this process, from 1. A namespace carries the number of the one it belongs to.
    pub(crate) number: u64,
    /// When it started, as [`Now::uptime_ms`].
    pub(crate) started_ms: u64,
}

/// The number of no term: that of state that came from elsewhere (a dump, a primary, an append-only file), which
/// may lack the last commits.
pub(crate) const ELSEWHERE: u64 = 0;
