//! What came of a test: printed for people, and held to what is promised.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::world::{Counts, PHASES, Phase, World};

/// The server counts milliseconds and drops what is less, so a lease can be one longer than it says.
const ROUNDING_US: u64 = 1000;

/// Strict reads of a long test, at the least. There are fifteen, so all of them together are more than a million.
const LONG_READS: u64 = 80_000;

/// Hits among strict reads, in percent, when nothing fails; and beside faults, outside grace.
const CALM_HITS_PERCENT: u64 = 80;
/// The same of a short test, which ends before a busy machine has shared its time evenly.
const CALM_HITS_PERCENT_SHORT: u64 = 50;
const FAULT_HITS_PERCENT: u64 = 30;

pub(super) struct Report {
    world: World,
}

impl Report {
    pub(super) fn new(world: World) -> Self {
        let report = Self { world };
        report.print();
        report
    }

    fn print(&self) {
        let tally = &self.world.tally;
        let name = self.world.setup.name;
        for phase in PHASES {
            let counts = tally.of(phase);
            let of = |count: &AtomicU64| count.load(Relaxed);
            eprintln!(
                "faults: {name}: {phase}: strict {} reads, {} hits ({} %), {} told -1, {} with data too old, \
                 {} stale; relaxed {} reads, {} hits, {} stale",
                of(&counts.strict),
                of(&counts.strict_hits),
                percent(of(&counts.strict_hits), of(&counts.strict)),
                of(&counts.waits),
                of(&counts.too_old),
                of(&counts.stale),
                of(&counts.relaxed),
                of(&counts.relaxed_hits),
                of(&counts.relaxed_stale),
            );
        }
        eprintln!(
            "faults: {name}: {} commits of the database, {} ALKEY.COMMITs answered, {} writers died between them; \
             {} faults, {} transactions recorded before one and committed after it; \
             relaxed stale for at most {} ms, lease {} ms",
            self.world.database.last_commit(),
            tally.commits.load(Relaxed),
            tally.deaths.load(Relaxed),
            tally.faults.load(Relaxed),
            tally.spanning.load(Relaxed),
            tally.longest_stale_us.load(Relaxed).div_ceil(1000),
            self.world.setup.lease.as_millis(),
        );
        if let Some(story) = self.first_stale() {
            eprintln!("faults: {name}: the first stale strict read: {story}");
        }
    }

    fn first_stale(&self) -> Option<String> {
        self.world.tally.first_stale.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is promised held, and the test was not vacuous.
    pub(super) fn expect_sound(&self) {
        let tally = &self.world.tally;
        assert_eq!(tally.stale(), 0, "stale strict reads, the first: {:?}", self.first_stale());
        let longest_us = tally.longest_stale_us.load(Relaxed);
        let lease_us = u64::try_from(self.world.setup.lease.as_micros()).expect("a short lease");
        assert!(longest_us <= lease_us + ROUNDING_US, "a relaxed read was stale for {longest_us} us");
        for phase in PHASES {
            if let Err(percent) = hits_are_enough(tally.of(phase), phase, self.world.setup.is_long(), 0) {
                panic!("only {percent} % of strict reads were hits in the phase {phase}");
            }
        }
        assert!(tally.commits.load(Relaxed) > 0, "nobody wrote");
        let reads = tally.total(|counts| &counts.strict);
        assert!(!self.world.setup.is_long() || reads >= LONG_READS, "only {reads} strict reads");
    }

    /// A mechanism was missing, and the test found out.
    pub(super) fn expect_found_out(&self) {
        assert!(self.world.tally.stale() > 0, "without {:?} no read was stale", self.world.setup.without);
    }
}

/// Whether enough strict reads were hits, and some percent more; else how many percent were.
pub(super) fn hits_are_enough(
    counts: &Counts,
    phase: Phase,
    is_long: bool,
    more_percent: u64,
) -> Result<(), u64> {
    let expected = match phase {
        Phase::Calm if is_long => CALM_HITS_PERCENT,
        Phase::Calm => CALM_HITS_PERCENT_SHORT,
        Phase::Cold | Phase::Grace => 0,
        Phase::After => FAULT_HITS_PERCENT,
    };
    let reads = counts.strict.load(Relaxed);
    let hits = percent(counts.strict_hits.load(Relaxed), reads);
    if reads == 0 || hits >= expected + more_percent { Ok(()) } else { Err(hits) }
}

fn percent(part: u64, whole: u64) -> u64 {
    (100 * part).checked_div(whole).unwrap_or_default()
}
