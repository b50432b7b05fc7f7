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
    /// Starts the clocks, in the first term.
    pub(super) fn start() -> Self {
        let now = Instant::now();
        let term = Term { number: 1, started_ms: 0 };
        Self { process_started: now, term_started: now, term_started_unix_ms: unix_ms(), term }
    }

    /// Starts the next term, for which the wall clock is read again.
    pub(super) fn start_term(&mut self) {
        self.term_started = Instant::now();
        self.term_started_unix_ms = unix_ms();
        self.term = Term { number: self.term.number + 1, started_ms: self.now().uptime_ms };
    }

    /// The moment, never one that was read before.
    #[inline]
    pub(super) fn now(&self) -> Now {
        let now = Instant::now();
        let since = |start| u64::try_from(now.duration_since(start).as_millis()).unwrap_or(u64::MAX);
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
