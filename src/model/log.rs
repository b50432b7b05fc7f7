//! What is noted while the checker runs: counts that show that a run was not vacuous, and words for a trace.

use crate::protocol::outcome::Outcome;

/// How often what happened, over all transitions explored.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) strict_hits: u64,
    /// Of these, with a snapshot that was older than the look-up.
    pub(super) snapshot_hits: u64,
    /// Of the strict hits, in an epoch that wasn't the first: after a fault.
    pub(super) later_hits: u64,
    pub(super) relaxed_hits: u64,
    /// Of these, on a replica.
    pub(super) replica_hits: u64,
    pub(super) bypasses: u64,
    pub(super) created: u64,
    pub(super) renewed: u64,
    pub(super) graces_over: u64,
    pub(super) expired: u64,
    /// Commands that left a namespace in which a floor was raised.
    pub(super) floors_raised: u64,
    /// States in which something in the cache was old, so that it was worth asking where the keys lead.
    pub(super) probes: u64,
}

/// A tally, and the words for one step while a trace is told.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) tally: Tally,
    /// None unless somebody will read them.
    notes: Option<String>,
}

impl Log {
    /// One that also takes notes.
    pub(super) fn telling() -> Self {
        Self { tally: Tally::default(), notes: Some(String::new()) }
    }

    pub(super) fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(notes) = &mut self.notes {
            if !notes.is_empty() {
                notes.push_str(", ");
            }
            notes.push_str(&text());
        }
    }

    pub(super) fn take_notes(&mut self) -> String {
        self.notes.as_mut().map(core::mem::take).unwrap_or_default()
    }

    /// A write command entered the namespace.
    pub(super) fn entered(&mut self, is_new: bool, outcome: &Outcome, grace_is_over: bool) {
        self.tally.created += u64::from(is_new);
        self.tally.renewed += u64::from(outcome.is_new_epoch && !is_new);
        self.tally.graces_over += u64::from(grace_is_over);
        self.tally.expired += outcome.expired as u64;
        if is_new {
            self.note(|| "namespace created".into());
        } else if outcome.is_new_epoch {
            self.note(|| "new epoch".into());
        }
        if grace_is_over {
            self.note(|| "grace is over".into());
        }
        if outcome.expired > 0 {
            self.note(|| format!("{} overdue committed", outcome.expired));
        }
    }
}
