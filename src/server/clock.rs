//! Time, for those who may not read a clock: see [`Now`].

use crate::protocol::term::{Now, Term};
use std::time::{Instant, SystemTime};

/// The clocks of this process, and the term that it is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    process_started: Instant,
    term_started: Instant,
    term_started_unix_ms: u64,
    pub(super) term: Term,
}

impl Clock {
    /// Starts the clocks, in the first term, while leases are of this length.
    pub(super) fn start(lease_ms: u64) -> Self {
        let now = Instant::now();
        let term = Term::start(1, 0, lease_ms);
        Self { process_started: now, term_started: now, term_started_unix_ms: unix_ms(), term }
    }

    /// Starts the next term, for which the wall clock is read again.
    pub(super) fn start_term(&mut self, lease_ms: u64) {
        self.term_started = Instant::now();
        self.term_started_unix_ms = unix_ms();
        self.term = Term::start(self.term.number + 1, self.now().uptime_ms, lease_ms);
    }

    /// The moment, never one that was read before.
    #[inline]
    pub(super) fn now(&self) -> Now {
        let now = Instant::now();
        // In 64 bits, which a process outlives in no way: `as_millis` divides 128.
        let since = |start| {
            let passed = now.duration_since(start);
            passed.as_secs().saturating_mul(1_000).saturating_add(u64::from(passed.subsec_millis()))
        };
        Now {
            unix_ms: self.term_started_unix_ms.saturating_add(since(self.term_started)),
            uptime_ms: since(self.process_started),
        }
    }
}

/// The wall clock. A clock before 1970 counts as 1970: stamps only need it to grow.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
