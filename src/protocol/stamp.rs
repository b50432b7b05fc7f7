//! Stamps: the versions that commits give, unique and increasing within an epoch.

use super::term::Now;

/// A version: milliseconds since 1970 in the upper 44 bits, then a counter. One per commit.
///
/// The upper bits tell when something last changed, which is what a strict reader compares with the age of its
/// data. The lower 20 bits leave room for a million commits in one millisecond; past that, stamps run ahead of
/// the clock, which makes strict readers wait and harms nobody else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Stamp(u64);

const COUNTER_BITS: u32 = 20;

/// The year 2248, in milliseconds since 1970. No stamp is so late: stamps only grow, and one near the end of its 64 bits
/// would leave no numbers for later ones.
const UNIX_MS_MAX: u64 = 1 << 43;

/// The latest moment that a clock may tell, in 2178: whatever the clock says, stamps that begin there have decades left.
pub(crate) const CLOCK_MS_MAX: u64 = UNIX_MS_MAX - (1 << 41);

impl Stamp {
    /// The first stamp after `self` that is not before `now`.
    pub(crate) fn next(self, now: Now) -> Self {
        Self(self.0.saturating_add(1).max(now.unix_ms << COUNTER_BITS))
    }

    /// When it was given, in milliseconds since 1970.
    pub(crate) fn unix_ms(self) -> u64 {
        self.0 >> COUNTER_BITS
    }

    /// Whether it is one that alkey may have given.
    pub(crate) fn is_plausible(self) -> bool {
        self.unix_ms() < UNIX_MS_MAX
    }

    /// Whether the stamps after it may not be plausible any more. Those of one command are: it takes a few.
    #[inline]
    pub(crate) fn is_nearly_last(self) -> bool {
        self.unix_ms() + 1 >= UNIX_MS_MAX
    }

    /// The number that is stored, replicated and hashed.
    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unix_ms: u64) -> Now {
        Now { unix_ms, uptime_ms: 0 }
    }

    #[test]
    fn stamps_follow_the_clock_and_never_repeat() {
        let first = Stamp::default().next(at(1_000));
        assert_eq!(first.unix_ms(), 1_000);
        let same_millisecond = first.next(at(1_000));
        assert!(same_millisecond > first);
        assert_eq!(same_millisecond.unix_ms(), 1_000);
        assert_eq!(same_millisecond.next(at(2_000)).unix_ms(), 2_000);
    }

    #[test]
    fn stamps_are_plausible_until_the_year_2248() {
        let last = Stamp::from_bits((UNIX_MS_MAX << COUNTER_BITS) - 1);
        assert!(last.is_plausible() && last.is_nearly_last());
        assert!(!last.next(at(0)).is_plausible());
        let earlier = Stamp::from_bits(((UNIX_MS_MAX - 1) << COUNTER_BITS) - 1);
        assert!(earlier.is_plausible() && !earlier.is_nearly_last());
        assert!(!Stamp::default().next(at(CLOCK_MS_MAX)).is_nearly_last());
    }

    #[test]
    fn a_clock_set_back_does_not_bring_a_stamp_back() {
        let first = Stamp::default().next(at(5_000));
        assert!(first.next(at(1)) > first);
    }
}
