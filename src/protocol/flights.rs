//! Transactions in flight, and those that were given up.
//!
//! A transaction is in flight from its RECORD to its COMMIT or DISCARD, or until its lease is over. Then its writer
//! is presumed dead; the identifiers are committed, since the database may have committed them, and remembered, so
//! that a COMMIT that comes late all the same commits them again.
//!
//! Each identifier has a lease of its own, since a RECORD renews only those it names. Invariant: `holds` counts
//! exactly the identifiers that are in flight.

use super::allocated::allocated;
use super::identifier::Target;
use super::identifier_set::IdentifierSet;
use super::limits::{REMEMBERED_BYTES_MAX, REMEMBERED_MS};
use hashbrown::HashMap;
use std::collections::BTreeSet;
use std::rc::Rc;

#[cfg(test)]
mod canonical;
mod holds;
use holds::Holds;

/// All that one process knows of the transactions of a namespace in one database. Times are
/// [`super::term::Now::uptime_ms`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Flights {
    transactions: HashMap<Rc<[u8]>, Transaction>,
    /// When to look at a transaction again: no later than the first of its leases is over.
    deadlines: BTreeSet<(u64, Rc<[u8]>)>,
    holds: Holds,
    /// Transactions of which nothing is in flight any more, by when that came about.
    remembered: BTreeSet<(u64, Rc<[u8]>)>,
    remembered_bytes: usize,
}

/// What was recorded under one name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transaction {
    identifiers: IdentifierSet,
    /// When the lease of each identifier is over; [`LANDED`] for one that is not in flight any more.
    deadlines: Vec<u64>,
    in_flight: usize,
    recorded_ms: u64,
    /// The entry in [`Flights::deadlines`], while anything is in flight.
    look_again_ms: u64,
    /// When it was given up, if nothing is in flight.
    remembered_ms: Option<u64>,
}

const LANDED: u64 = 0;

/// An entry of [`Flights::deadlines`] or [`Flights::remembered`], whose trees' nodes are little more than half full.
const LISTED_BYTES: usize = 50;

/// The counts before what an `Rc` points to.
const RC_BYTES: usize = 2 * size_of::<usize>();

impl Transaction {
    /// Everything recorded, in flight or not.
    pub(crate) fn into_identifiers(self) -> IdentifierSet {
        self.identifiers
    }

    fn heap_bytes(&self) -> usize {
        self.identifiers.heap_bytes() + allocated(self.deadlines.capacity() * size_of::<u64>())
    }

    /// All that a transaction of this name takes: the name, where it is listed, and what was recorded under it.
    fn bytes(&self, name: &[u8]) -> usize {
        let listed = LISTED_BYTES + 2 * size_of::<(Rc<[u8]>, Self)>();
        allocated(name.len() + RC_BYTES) + listed + self.heap_bytes()
    }
}

/// A transaction in flight, as PENDING tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) name: Rc<[u8]>,
    pub(crate) age_ms: u64,
    pub(crate) lease_left_ms: u64,
    pub(crate) identifiers: usize,
}

/// For how long to hold what a RECORD names, and how much of it one by one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    pub(crate) now_ms: u64,
    pub(crate) length_ms: u64,
    pub(crate) sweep_threshold: usize,
}

impl Flights {
    /// Whether anything in flight would change this.
    #[inline]
    pub(crate) fn hold(&self, target: Target) -> bool {
        self.holds.any_on(target)
    }

    /// Transactions of which anything is in flight.
    pub(crate) fn open(&self) -> usize {
        self.deadlines.len()
    }

    pub(crate) fn is_open(&self, name: &[u8]) -> bool {
        self.transactions.get(name).is_some_and(|transaction| transaction.in_flight > 0)
    }

    /// Transactions that were given up, and are remembered for a COMMIT that may come yet.
    pub(crate) fn remembered(&self) -> usize {
        self.transactions.len().saturating_sub(self.open())
    }

    /// How long ago the oldest transaction in flight was recorded.
    pub(crate) fn oldest_ms(&self, now_ms: u64) -> u64 {
        let open = self.transactions.values().filter(|transaction| transaction.in_flight > 0);
        open.map(|transaction| now_ms.saturating_sub(transaction.recorded_ms)).max().unwrap_or_default()
    }

    /// Bytes held on the heap for transactions, as the allocator rounds them, nearly.
    pub(crate) fn heap_bytes(&self) -> usize {
        let transactions = self.transactions.iter().map(|(name, transaction)| {
            allocated(name.len() + RC_BYTES) + LISTED_BYTES + transaction.heap_bytes()
        });
        allocated(self.transactions.allocation_size()) + transactions.sum::<usize>() + self.holds.heap_bytes()
    }

    /// The names of the transactions in flight that would change this. O(N) in all that is in flight: for people.
    pub(crate) fn holders(&self, target: Target) -> Vec<Rc<[u8]>> {
        if !self.hold(target) {
            return Vec::new();
        }
        let changes_it =
            |in_flight: &[u8]| Target::parse(in_flight).is_some_and(|other| other.overlaps(target));
        let mut holders: Vec<_> = self
            .transactions
            .keys()
            .filter(|name| self.in_flight_under(name).any(changes_it))
            .cloned()
            .collect();
        holders.sort_unstable();
        holders
    }

    /// Whether there is nothing to remember.
    pub(crate) fn is_empty(&self) -> bool {
        self.transactions.is_empty()
    }

    /// Puts identifiers in flight; returns how many were not yet.
    pub(crate) fn record<'a>(
        &mut self,
        name: &[u8],
        lease: Lease,
        identifiers: impl Iterator<Item = &'a [u8]>,
    ) -> usize {
        let deadline = lease.now_ms.saturating_add(lease.length_ms).max(LANDED + 1);
        let (name, mut transaction) = self.transactions.remove_entry(name).unwrap_or_else(|| {
            (name.into(), Transaction { recorded_ms: lease.now_ms, ..Transaction::default() })
        });
        if transaction.in_flight > 0 {
            self.deadlines.remove(&(transaction.look_again_ms, name.clone()));
        } else {
            transaction.look_again_ms = u64::MAX;
            if let Some(since) = transaction.remembered_ms.take() {
                self.remembered.remove(&(since, name.clone()));
                self.remembered_bytes = self.remembered_bytes.saturating_sub(transaction.bytes(&name));
                transaction.recorded_ms = lease.now_ms;
            }
        }
        let mut new = 0;
        for identifier in identifiers {
            let position = add(&mut transaction.identifiers, identifier, lease.sweep_threshold);
            if position == transaction.deadlines.len() {
                transaction.deadlines.push(LANDED);
            }
            let Some(known) = transaction.deadlines.get_mut(position) else {
                continue;
            };
            if *known == LANDED {
                new += 1;
                transaction.in_flight += 1;
                if let Some(target) = transaction.identifiers.get(position).and_then(Target::parse) {
                    self.holds.add(target);
                }
            }
            // A lease-ms lowered since doesn't shorten a lease that was given.
            *known = deadline.max(*known);
            transaction.look_again_ms = transaction.look_again_ms.min(deadline);
        }
        if transaction.in_flight > 0 {
            self.deadlines.insert((transaction.look_again_ms, name.clone()));
        }
        self.transactions.insert(name, transaction);
        new
    }

    /// Ends a transaction; returns what was recorded under its name.
    pub(crate) fn end(&mut self, name: &[u8]) -> Option<Transaction> {
        let (name, transaction) = self.transactions.remove_entry(name)?;
        if transaction.in_flight > 0 {
            self.deadlines.remove(&(transaction.look_again_ms, name));
            for (identifier, deadline) in transaction.identifiers.iter().zip(&transaction.deadlines) {
                if let (true, Some(target)) = (*deadline != LANDED, Target::parse(identifier)) {
                    self.holds.remove(target);
                }
            }
        } else if let Some(since) = transaction.remembered_ms {
            self.remembered_bytes = self.remembered_bytes.saturating_sub(transaction.bytes(&name));
            self.remembered.remove(&(since, name));
        }
        Some(transaction)
    }

    /// Whether a lease may be over.
    #[inline]
    pub(crate) fn may_be_overdue(&self, now_ms: u64) -> bool {
        self.deadlines.first().is_some_and(|(deadline, _)| now_ms > *deadline)
    }

    /// Takes what is overdue out of flight; returns the identifiers, which are to be committed.
    pub(crate) fn take_overdue(&mut self, now_ms: u64) -> Overdue {
        let mut overdue = Overdue { transactions: 0, identifiers: IdentifierSet::default() };
        while self.may_be_overdue(now_ms) {
            let Some((_, name)) = self.deadlines.pop_first() else {
                break;
            };
            let Some(transaction) = self.transactions.get_mut(&name) else {
                continue;
            };
            let before = transaction.in_flight;
            let mut look_again_ms = u64::MAX;
            for (identifier, deadline) in transaction.identifiers.iter().zip(&mut transaction.deadlines) {
                if *deadline == LANDED {
                    continue;
                }
                if now_ms <= *deadline {
                    look_again_ms = look_again_ms.min(*deadline);
                    continue;
                }
                *deadline = LANDED;
                transaction.in_flight -= 1;
                if let Some(target) = Target::parse(identifier) {
                    self.holds.remove(target);
                }
                if overdue.identifiers.position(identifier).is_none() {
                    overdue.identifiers.push(identifier);
                }
            }
            overdue.transactions += usize::from(transaction.in_flight < before);
            if transaction.in_flight > 0 {
                transaction.look_again_ms = look_again_ms;
                self.deadlines.insert((look_again_ms, name));
            } else {
                transaction.remembered_ms = Some(now_ms);
                self.remembered_bytes += transaction.bytes(&name);
                self.remembered.insert((now_ms, name));
            }
        }
        self.forget(now_ms);
        overdue
    }

    /// Forgets transactions that were given up a day ago, and the oldest when there are too many.
    fn forget(&mut self, now_ms: u64) {
        while let Some((since, _)) = self.remembered.first() {
            if now_ms.saturating_sub(*since) <= REMEMBERED_MS && self.remembered_bytes <= REMEMBERED_BYTES_MAX
            {
                break;
            }
            let Some((_, name)) = self.remembered.pop_first() else {
                break;
            };
            let bytes = self.transactions.remove(&name).map_or(0, |transaction| transaction.bytes(&name));
            self.remembered_bytes = self.remembered_bytes.saturating_sub(bytes);
        }
    }

    /// How long the last lease now given still runs.
    pub(crate) fn longest_lease_left_ms(&self, now_ms: u64) -> u64 {
        let deadlines = self.transactions.values().flat_map(|transaction| &transaction.deadlines);
        deadlines.max().map_or(0, |deadline| deadline.saturating_sub(now_ms))
    }

    /// The transactions in flight, oldest first.
    pub(crate) fn pending(&self, now_ms: u64) -> Vec<Pending> {
        let mut pending: Vec<(u64, Pending)> = self
            .transactions
            .iter()
            .filter(|(_, transaction)| transaction.in_flight > 0)
            .map(|(name, transaction)| {
                let next_deadline =
                    transaction.deadlines.iter().filter(|deadline| **deadline != LANDED).min();
                let told = Pending {
                    name: name.clone(),
                    age_ms: now_ms.saturating_sub(transaction.recorded_ms),
                    lease_left_ms: next_deadline.map_or(0, |deadline| deadline.saturating_sub(now_ms)),
                    identifiers: transaction.in_flight,
                };
                (transaction.recorded_ms, told)
            })
            .collect();
        pending.sort_unstable_by(|(a_ms, a), (b_ms, b)| (a_ms, &a.name).cmp(&(b_ms, &b.name)));
        pending.into_iter().map(|(_, told)| told).collect()
    }

    /// What is in flight under one name.
    pub(crate) fn in_flight_under(&self, name: &[u8]) -> impl Iterator<Item = &[u8]> {
        self.transactions.get(name).into_iter().flat_map(|transaction| {
            let all = transaction.identifiers.iter().zip(&transaction.deadlines);
            all.filter(|(_, deadline)| **deadline != LANDED).map(|(identifier, _)| identifier)
        })
    }
}

/// What [`Flights::take_overdue`] took.
#[derive(Debug)]
pub(crate) struct Overdue {
    pub(crate) transactions: usize,
    pub(crate) identifiers: IdentifierSet,
}

/// The same identifiers with tables in place of rows.
pub(crate) fn tables_of(set: &IdentifierSet) -> IdentifierSet {
    let mut tables = IdentifierSet::default();
    for identifier in set.iter() {
        // A threshold of 0 makes a table of every row.
        add(&mut tables, identifier, 0);
    }
    tables
}

/// Adds an identifier to a set, or its table once the set holds `sweep_threshold`; returns where it stands.
pub(crate) fn add(set: &mut IdentifierSet, identifier: &[u8], sweep_threshold: usize) -> usize {
    if let Some(position) = set.position(identifier) {
        return position;
    }
    let end = set.len();
    match Target::parse(identifier) {
        Some(Target::Row { table, .. }) if end >= sweep_threshold => {
            let swept = [table, b"#*"].concat();
            if let Some(position) = set.position(&swept) {
                return position;
            }
            set.push(&swept);
        }
        _ => set.push(identifier),
    }
    end
}
