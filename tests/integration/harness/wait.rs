//! Waiting for a condition until a deadline.

use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for a busy machine to do anything that a test asks of it. No passing test waits for it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// How long to leave the server alone between two attempts.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(5);

/// Repeats `attempt` until it is `Ok`. Past the deadline, panics with what was awaited and the last `Err`.
#[track_caller]
pub(crate) fn wait_until<T, E: Debug>(
    deadline: Duration,
    awaited: &str,
    mut attempt: impl FnMut() -> Result<T, E>,
) -> T {
    let start = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(last) if start.elapsed() >= deadline => {
                panic!("waited {deadline:?} in vain until {awaited}; at last: {last:?}")
            }
            Err(_) => thread::sleep(BETWEEN_ATTEMPTS),
        }
    }
}
