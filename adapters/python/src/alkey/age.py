"""How old data can be, in the milliseconds that a strict reader compares with `settled`.

It knows nothing of sessions or of Redis. The invariant: an age is never less than the true one, whatever the
rounding and as long as two clocks drift apart by less than 0.1 %.
"""

from __future__ import annotations

import time

_DRIFT_PER_MILLE = 1
_MARGIN_MS = 2
_NS_PER_MS = 1_000_000

if hasattr(time, "CLOCK_BOOTTIME"):

    def now_ns() -> int:
        """The clock that ages are measured on. It goes on while the machine is suspended, as the server's time does."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

else:
    # Elsewhere than on Linux nothing better is at hand. macOS and Windows stop it, or not, as the machine sleeps.
    now_ns = time.monotonic_ns


def age_ms(since_ns: int | None, answered_ns: int, replica_lag_ms: int = 0) -> int:
    """The age of data that was read since `since_ns`, when LOOKUP's answer came at `answered_ns`.

    `since_ns` is None where nothing was read yet: what is read after the answer has age 0, unless it is read from a
    replica of the database, which is `replica_lag_ms` behind.
    """
    if since_ns is None:
        if replica_lag_ms == 0:
            return 0
        since_ns = answered_ns
    lived_ns = answered_ns - since_ns + replica_lag_ms * _NS_PER_MS
    # The negation twice rounds up.
    return -(-lived_ns * (1000 + _DRIFT_PER_MILLE) // (1000 * _NS_PER_MS)) + _MARGIN_MS
