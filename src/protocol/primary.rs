//! The primary's side of the protocol: what a write command does to a namespace.
//!
//! Every write command first *enters* the namespace: that creates it if it is missing, gives it a new epoch if
//! its state may be behind the truth, and commits what is overdue. Then it does what it was asked. What both
//! changed is left in one effect, to be replicated.
//!
//! Three mechanisms keep a strict reader from stale values, and each is here: flights (what is in flight is never
//! settled), a new epoch in every term (state from elsewhere may lack commits), and grace (a writer that recorded
//! with an earlier primary may commit yet).

use super::epoch::Epoch;
use super::error::{Error, Result};
use super::flights::{HoldsReader, Lease, add};
use super::identifier::{Identifier, Member};
use super::identifier_set::IdentifierSet;
use super::limits::{Settings, TRANSACTIONS_OPEN_MAX};
use super::local::Local;
use super::namespace::Namespace;
use super::outcome::Outcome;
use super::stamp::Stamp;
use super::term::{Now, Term};

/// What holds for the whole process at the moment of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Now,
    pub(crate) term: Term,
    pub(crate) settings: Settings,
    /// In a cluster a namespace that is missing may have been moved here, with writers of its own.
    pub(crate) cluster: bool,
}

/// How a write command finds a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It was never made, or it was flushed, deleted or evicted.
    Missing,
    /// Its state may be behind the truth: the one mechanism by which lost commits never show.
    FromElsewhere,
    /// Grace is over: what relaxed readers cached in it is dropped.
    GraceOver,
    /// Its stamps end soon.
    OutOfStamps,
    /// Nothing is to be done but, perhaps, to commit what is overdue.
    Current,
}

impl Standing {
    /// Judges a namespace without changing anything.
    #[inline]
    pub(crate) fn of(namespace: Option<&Namespace>, local: &Local, moment: &Moment) -> Self {
        match namespace {
            None => Self::Missing,
            Some(namespace) if namespace.term != moment.term.number => {
                if moment.settings.trust_restored && namespace.is_out_of_stamps() {
                    return Self::OutOfStamps;
                }
                Self::FromElsewhere
            }
            Some(_) if local.grace.is_some_and(|grace| moment.now.uptime_ms > grace.until_ms) => {
                Self::GraceOver
            }
            Some(namespace) if namespace.is_out_of_stamps() => Self::OutOfStamps,
            Some(_) => Self::Current,
        }
    }

    /// Whether a write command that came now would leave all keys as they are.
    pub(crate) fn keeps_keys(self, local: &Local, moment: &Moment) -> bool {
        let keeps_epoch = match self {
            Self::Current => true,
            Self::FromElsewhere => moment.settings.trust_restored,
            Self::Missing | Self::GraceOver | Self::OutOfStamps => false,
        };
        keeps_epoch && !local.flights.may_be_overdue(moment.now.uptime_ms)
    }
}

/// A namespace, entered by a write command.
#[derive(Debug)]
pub(crate) struct Primary<'a> {
    pub(crate) namespace: &'a mut Namespace,
    pub(crate) local: &'a mut Local,
    moment: &'a Moment,
    outcome: &'a mut Outcome,
}

/// A namespace for a command that found none. `fresh` is an epoch that nobody ever had.
pub(crate) fn create(fresh: Epoch, local: &mut Local, moment: &Moment) -> Namespace {
    let now_ms = moment.now.uptime_ms;
    if local.grace.is_some_and(|grace| now_ms > grace.until_ms) {
        local.grace = None;
    }
    if !moment.settings.trust_restored {
        // Nothing says what was recorded before the term started, so one lease from there is waited for.
        if moment.cluster {
            local.extend_grace(now_ms.saturating_add(moment.settings.lease_ms));
        } else if now_ms <= moment.term.grace_until_ms {
            local.extend_grace(moment.term.grace_until_ms);
        }
    }
    let mut namespace = Namespace::new(fresh, Stamp::default().next(moment.now));
    begin_epoch(&mut namespace, local, moment);
    namespace
}

/// Ends what is over in a namespace that is gone; returns how many transactions were given up. Nobody has a key of it,
/// and whatever it is made anew with is later than what they recorded, so there is nothing to commit.
pub(crate) fn end_overdue_of_missing(local: &mut Local, moment: &Moment) -> usize {
    let now_ms = moment.now.uptime_ms;
    if local.grace.is_some_and(|grace| now_ms > grace.until_ms) {
        local.grace = None;
    }
    local.flights.take_overdue(now_ms, moment.settings.sweep_threshold).transactions
}

/// From now on this process sees every change.
fn adopt(namespace: &mut Namespace, moment: &Moment) {
    namespace.term = moment.term.number;
    namespace.since_ms = moment.now.uptime_ms;
}

/// Puts a new epoch into this term.
fn begin_epoch(namespace: &mut Namespace, local: &Local, moment: &Moment) {
    adopt(namespace, moment);
    // Transactions may be in flight that were recorded in the last epoch, here or with an earlier primary. If a
    // failover comes now, the next primary's grace must cover them.
    let now_ms = moment.now.uptime_ms;
    let grace_left_ms = local.grace.map_or(0, |grace| grace.until_ms.saturating_sub(now_ms));
    namespace.merge_lease(local.flights.longest_lease_left_ms(now_ms).max(grace_left_ms));
}

impl<'a> Primary<'a> {
    /// Enters a namespace that exists; `is_new` if [`create`] has just made it. `fresh` gives an epoch that nobody
    /// ever had.
    pub(crate) fn enter(
        namespace: &'a mut Namespace,
        is_new: bool,
        local: &'a mut Local,
        moment: &'a Moment,
        fresh: impl FnOnce() -> Epoch,
        outcome: &'a mut Outcome,
    ) -> Self {
        if moment.settings.trust_restored {
            // It may have been switched on in the middle.
            local.grace = None;
        }
        let standing = Standing::of(Some(namespace), local, moment);
        let mut primary = Self { namespace, local, moment, outcome };
        if is_new {
            primary.tell_epoch();
        } else if standing != Standing::Current {
            primary.renew(standing, fresh);
        }
        if primary.local.flights.may_be_overdue(moment.now.uptime_ms) {
            primary.commit_overdue();
        }
        primary
    }

    fn renew(&mut self, standing: Standing, fresh: impl FnOnce() -> Epoch) {
        match standing {
            Standing::GraceOver => self.local.grace = None,
            Standing::FromElsewhere if self.moment.settings.trust_restored => {
                return adopt(self.namespace, self.moment);
            }
            Standing::FromElsewhere => {
                let lease_ms = self.moment.settings.lease_ms.max(self.namespace.lease_ms());
                self.local.extend_grace(self.moment.now.uptime_ms.saturating_add(lease_ms));
            }
            Standing::Missing | Standing::OutOfStamps | Standing::Current => (),
        }
        self.namespace.renew(fresh(), self.moment.now, &mut self.outcome.waste);
        begin_epoch(self.namespace, self.local, self.moment);
        self.tell_epoch();
    }

    /// Writes down that the namespace is in a new epoch, and the lease that a next primary must know.
    fn tell_epoch(&mut self) {
        self.outcome.is_new_epoch = true;
        self.outcome.effect.begin(self.namespace);
        if self.namespace.lease_ms() > 0 {
            self.outcome.effect.lease(self.namespace.lease_ms());
        }
    }

    /// Presumes dead the writers whose leases are over, and commits what they recorded: the database may have.
    fn commit_overdue(&mut self) {
        let Moment { now, settings, .. } = self.moment;
        let overdue = self.local.flights.take_overdue(now.uptime_ms, settings.sweep_threshold);
        self.outcome.expired += overdue.transactions;
        self.commit_set(overdue.identifiers);
    }

    /// Puts identifiers in flight under a name; returns how many were not yet.
    pub(crate) fn record<'t>(
        &mut self,
        name: &[u8],
        identifiers: impl Iterator<Item = Member<'t>>,
    ) -> Result<usize> {
        if self.local.flights.open() >= TRANSACTIONS_OPEN_MAX && !self.local.flights.is_open(name) {
            return Err(Error::TooManyTransactions);
        }
        let Settings { lease_ms, sweep_threshold, .. } = self.moment.settings;
        let lease = Lease { now_ms: self.moment.now.uptime_ms, length_ms: lease_ms, sweep_threshold };
        let new = self.local.flights.record(name, lease, identifiers);
        if self.namespace.merge_lease(lease_ms) {
            self.begin_effect();
            self.outcome.effect.lease(lease_ms);
        }
        Ok(new)
    }

    /// Commits what was recorded under a name, and these identifiers with it; returns how many that were.
    pub(crate) fn commit<'t>(&mut self, name: &[u8], identifiers: impl Iterator<Item = Member<'t>>) -> usize {
        let known = self.local.flights.end(name);
        self.commit_with(known, identifiers)
    }

    /// Commits identifiers that no transaction recorded; returns how many different ones.
    pub(crate) fn touch<'t>(&mut self, identifiers: impl Iterator<Item = Member<'t>>) -> usize {
        self.commit_with(None, identifiers)
    }

    /// Forgets a transaction; returns how many identifiers were recorded under its name.
    pub(crate) fn discard(&mut self, name: &[u8]) -> usize {
        self.local.flights.end(name).map_or(0, |known| known.len())
    }

    fn commit_with<'t>(
        &mut self,
        known: Option<IdentifierSet>,
        identifiers: impl Iterator<Item = Member<'t>>,
    ) -> usize {
        let mut set = known.unwrap_or_else(|| self.local.flights.set());
        if set.len() == 0 {
            set.reserve(identifiers.size_hint().0.min(self.moment.settings.sweep_threshold));
        }
        let mut expected = 0;
        for identifier in identifiers {
            expected = add(&mut set, expected, identifier, self.moment.settings.sweep_threshold) + 1;
        }
        self.commit_set(set)
    }

    /// Gives all identifiers of the set one stamp; returns how many they are.
    fn commit_set(&mut self, set: IdentifierSet) -> usize {
        let count = set.len();
        if count > 0 {
            self.outcome.effect.reserve(count);
            self.begin_effect();
            let Moment { now, settings, .. } = self.moment;
            let Outcome { effect, waste, committed, .. } = &mut *self.outcome;
            self.namespace.commit(*now, &set, settings.rows_max, effect, waste);
            committed.push(set);
        }
        count
    }

    fn begin_effect(&mut self) {
        if self.outcome.effect.bytes().is_none() {
            self.outcome.effect.begin(self.namespace);
        }
    }

    /// Tells on which of many identifiers a strict reader must not rely now.
    #[inline]
    pub(crate) fn unsettled(&self) -> Unsettled<'_> {
        Unsettled { in_grace: self.local.grace.is_some(), in_flight: self.local.flights.holds_reader() }
    }

    /// For at least how many milliseconds this version has been the last. A stamp that is trusted may be by a clock of
    /// another process, so it says nothing of the time before this one saw every change.
    #[inline]
    pub(crate) fn settled_ms(&self, version: Stamp) -> u64 {
        let now = self.moment.now;
        let since_stamp_ms = now.unix_ms.saturating_sub(version.unix_ms());
        let seen_ms = now.uptime_ms.saturating_sub(self.namespace.since_ms);
        since_stamp_ms.min(seen_ms).saturating_sub(1)
    }
}

/// What in a namespace is in flight or in grace.
#[derive(Debug)]
pub(crate) struct Unsettled<'p> {
    in_grace: bool,
    in_flight: Option<HoldsReader<'p>>,
}

impl Unsettled<'_> {
    /// Whether the next of many identifiers, all of which are shown in turn, is.
    #[inline]
    pub(crate) fn is(&mut self, identifier: &Identifier) -> bool {
        self.in_grace || self.in_flight.as_mut().is_some_and(|holds| holds.any_on(identifier))
    }
}
