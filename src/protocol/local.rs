//! What this process knows of a namespace beside its state: who has what in flight, and whether a transaction
//! recorded with an earlier primary may still be about to commit.
//!
//! It lies outside the keyspace, so that FLUSHALL or an eviction doesn't lose it, and is neither replicated nor
//! saved: grace covers its loss.

use super::flights::Flights;

/// One of these for each namespace of each database that has any of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Local {
    pub(crate) flights: Flights,
    /// While it runs, and until a first write command after it has renewed the epoch: strict readers wait.
    pub(crate) grace: Option<Grace>,
}

/// The time in which a writer unknown to this process may still commit. One that recorded with an earlier primary
/// has at most a lease left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grace {
    /// The last moment of it, as [`super::term::Now::uptime_ms`].
    pub(crate) until_ms: u64,
}

impl Local {
    /// When a lease or grace is over, if any runs: from then on the namespace is to be entered, though nobody asks.
    #[inline]
    pub(crate) fn due_ms(&self) -> Option<u64> {
        let grace = self.grace.map(|grace| grace.until_ms);
        let last_ms = self.flights.next_deadline_ms().into_iter().chain(grace).min()?;
        Some(last_ms.saturating_add(1))
    }

    /// Whether there is nothing here that would be missed.
    pub(crate) fn is_idle(&self) -> bool {
        self.grace.is_none() && self.flights.is_empty()
    }

    /// Grace lasts at least until then.
    pub(crate) fn extend_grace(&mut self, until_ms: u64) {
        let known = self.grace.map_or(0, |grace| grace.until_ms);
        self.grace = Some(Grace { until_ms: until_ms.max(known) });
    }
}
