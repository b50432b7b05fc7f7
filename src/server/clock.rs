//! Time, for those who may not read a clock: see [`Now`].

use crate::protocol::stamp::CLOCK_MS_MAX;
use crate::protocol::term::{Now, Term};
use std::time::{Instant, SystemTime};

/// The clocks of this process, and the term that it is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    process_started: Instant,
    /// The wall clock when the process started, by what it said when the term did.
    process_started_unix_ms: u64,
    pub(super) term: Term,
}

impl Clock {
    /// Starts the clocks, in the first term, while leases are of this length.
    pub(super) fn start(lease_ms: u64) -> Self {
        let term = Term::start(1, 0, lease_ms);
        Self { process_started: Instant::now(), process_started_unix_ms: unix_ms(), term }
    }

    /// Starts the next term, for which the wall clock is read again.
    pub(super) fn start_term(&mut self, lease_ms: u64) {
        let uptime_ms = self.now().uptime_ms;
        // A wall clock that says the process started before 1970 was set back: stamps only need it to grow.
        self.process_started_unix_ms = unix_ms().saturating_sub(uptime_ms);
        self.term = Term::start(self.term.number + 1, uptime_ms, lease_ms);
    }

    /// The moment, never one that was read before.
    #[inline]
    pub(super) fn now(&self) -> Now {
        let passed = self.process_started.elapsed();
        // In 64 bits, which a process outlives in no way: `as_millis` divides 128.
        let uptime_ms =
            passed.as_secs().saturating_mul(1_000).saturating_add(u64::from(passed.subsec_millis()));
        Now { unix_ms: self.process_started_unix_ms.saturating_add(uptime_ms), uptime_ms }
    }
}

/// The wall clock. A clock before 1970 counts as 1970, and one of the far future as the last moment that stamps begin at:
/// they only need it to grow.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX).min(CLOCK_MS_MAX)
}
