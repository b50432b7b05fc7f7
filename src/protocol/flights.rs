//! Transactions in flight, and those that were given up.
//!
//! A transaction is in flight from its RECORD to its COMMIT or DISCARD, or until its lease is over. Then its writer
//! is presumed dead; the identifiers are committed, since the database may have committed them, and remembered, so
//! that a COMMIT that comes late all the same commits them again.
//!
//! Each identifier has a lease of its own, since a RECORD renews only those it names. Invariant: `holds` counts
//! exactly the identifiers that are in flight.

use super::allocated::allocated;
use super::identifier::Member;
use super::identifier_set::IdentifierSet;
use super::limits::{REMEMBERED_BYTES_MAX, REMEMBERED_MS, TABLES_MAX};
use hashbrown::{DefaultHashBuilder, HashMap};
use std::collections::BTreeSet;
use std::sync::Arc;

#[cfg(test)]
mod canonical;
mod holds;
use holds::Holds;
pub(crate) use holds::HoldsReader;

/// All that one process knows of the transactions of a namespace in one database. Times are
/// [`super::term::Now::uptime_ms`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Flights {
    transactions: HashMap<Arc<[u8]>, Transaction>,
    /// When to look at a transaction again: no later than the first of its leases is over.
    deadlines: BTreeSet<(u64, Arc<[u8]>)>,
    holds: Holds,
    /// Transactions of which nothing is in flight any more, by when that came about.
    remembered: BTreeSet<(u64, Arc<[u8]>)>,
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

/// The counts before what an `Arc` points to.
const ARC_BYTES: usize = 2 * size_of::<usize>();

impl Transaction {
    fn new(now_ms: u64, hasher: DefaultHashBuilder) -> Self {
        let identifiers = IdentifierSet::with_hasher(hasher);
        Self { identifiers, recorded_ms: now_ms, ..Self::default() }
    }

    /// Puts identifiers in flight until a deadline; returns how many were not yet.
    fn put_in_flight<'a>(
        &mut self,
        identifiers: impl Iterator<Item = Member<'a>>,
        deadline: u64,
        sweep_threshold: usize,
        holds: &mut Holds,
    ) -> usize {
        let room = identifiers.size_hint().0.min(sweep_threshold.saturating_sub(self.identifiers.len()));
        if self.identifiers.len() == 0 {
            self.identifiers.reserve(room);
            self.deadlines.reserve(room);
        }
        let before = self.in_flight;
        let mut expected = 0;
        // Rows of one table that nobody else holds: their table is looked up once for all.
        let mut run: (&[u8], usize) = (b"", 0);
        for member in identifiers {
            // A lease-ms lowered since doesn't shorten a lease that was given.
            self.look_again_ms = self.look_again_ms.min(deadline);
            let end = self.identifiers.len();
            let hash = self.identifiers.hash(member);
            let none_landed = self.in_flight == end;
            // What nobody holds this transaction doesn't hold either, so nothing is to be searched.
            if member.is_row() && none_landed && end < sweep_threshold && holds.add_first_of_row(hash) {
                self.identifiers.push(member, hash);
                self.deadlines.push(deadline);
                self.in_flight += 1;
                if run.0 != member.table() {
                    holds.add_rows_of(run.0, run.1);
                    run = (member.table(), 0);
                }
                run.1 += 1;
                continue;
            }
            let position = add(&mut self.identifiers, expected, member, sweep_threshold);
            expected = position + 1;
            if position == self.deadlines.len() {
                self.deadlines.push(LANDED);
            }
            let Some(known) = self.deadlines.get_mut(position) else { continue };
            if *known == LANDED {
                self.in_flight += 1;
                if let Some(held) = self.identifiers.get(position) {
                    holds.add(held, self.identifiers.hash(held));
                }
            }
            *known = deadline.max(*known);
        }
        holds.add_rows_of(run.0, run.1);
        self.in_flight - before
    }

    fn heap_bytes(&self) -> usize {
        self.identifiers.heap_bytes() + allocated(self.deadlines.capacity() * size_of::<u64>())
    }

    /// All that a transaction of this name takes: the name, where it is listed, and what was recorded under it.
    fn bytes(&self, name: &[u8]) -> usize {
        let listed = LISTED_BYTES + 2 * size_of::<(Arc<[u8]>, Self)>();
        allocated(name.len() + ARC_BYTES) + listed + self.heap_bytes()
    }
}

/// A transaction in flight, as PENDING tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) name: Arc<[u8]>,
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
    pub(crate) fn hold(&self, member: Member) -> bool {
        !self.deadlines.is_empty() && self.holds.any_on(member)
    }

    /// As [`Self::hold`], for many identifiers. None while nothing is in flight.
    #[inline]
    pub(crate) fn holds_reader(&self) -> Option<HoldsReader<'_>> {
        (!self.deadlines.is_empty()).then(|| HoldsReader::of(&self.holds))
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
            allocated(name.len() + ARC_BYTES) + LISTED_BYTES + transaction.heap_bytes()
        });
        allocated(self.transactions.allocation_size()) + transactions.sum::<usize>() + self.holds.heap_bytes()
    }

    /// The names of the transactions in flight that would change this. O(N) in all that is in flight: for people.
    pub(crate) fn holders(&self, member: Member) -> Vec<Arc<[u8]>> {
        if !self.hold(member) {
            return Vec::new();
        }
        let target = member.target();
        let changes_it = |in_flight: Member| in_flight.target().overlaps(target);
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
        identifiers: impl Iterator<Item = Member<'a>>,
    ) -> usize {
        let Self { transactions, deadlines, holds, remembered, remembered_bytes } = self;
        let deadline = lease.now_ms.saturating_add(lease.length_ms).max(LANDED + 1);
        let (name, transaction) = if let Some((name, known)) = transactions.get_key_value_mut(name) {
            (name.clone(), known)
        } else {
            let name: Arc<[u8]> = name.into();
            let made = Transaction::new(lease.now_ms, holds.hasher.clone());
            (name.clone(), transactions.entry(name).or_insert(made))
        };
        let looked_at_before = (transaction.in_flight > 0).then_some(transaction.look_again_ms);
        if looked_at_before.is_none() {
            transaction.look_again_ms = u64::MAX;
            if let Some(since) = transaction.remembered_ms.take() {
                remembered.remove(&(since, name.clone()));
                *remembered_bytes = remembered_bytes.saturating_sub(transaction.bytes(&name));
                transaction.recorded_ms = lease.now_ms;
            }
        }
        let new = transaction.put_in_flight(identifiers, deadline, lease.sweep_threshold, holds);
        let look_at = (transaction.in_flight > 0).then_some(transaction.look_again_ms);
        if look_at != looked_at_before {
            if let Some(before) = looked_at_before {
                deadlines.remove(&(before, name.clone()));
            }
            if let Some(look_again_ms) = look_at {
                deadlines.insert((look_again_ms, name));
            }
        }
        new
    }

    /// Ends a transaction; returns what was recorded under its name.
    pub(crate) fn end(&mut self, name: &[u8]) -> Option<IdentifierSet> {
        let (name, transaction) = self.transactions.remove_entry(name)?;
        if transaction.in_flight > 0 {
            self.deadlines.remove(&(transaction.look_again_ms, name));
            if self.deadlines.is_empty() {
                // All that is held it held: to forget it at once is far quicker than row by row.
                self.holds.clear();
                return Some(transaction.identifiers);
            }
            let all = transaction.identifiers.iter_hashed().zip(&transaction.deadlines);
            let in_flight = all.filter(|(_, deadline)| **deadline != LANDED).map(|(hashed, _)| hashed);
            self.holds.remove(in_flight);
        } else if let Some(since) = transaction.remembered_ms {
            self.remembered_bytes = self.remembered_bytes.saturating_sub(transaction.bytes(&name));
            self.remembered.remove(&(since, name));
        }
        Some(transaction.identifiers)
    }

    /// An empty set of identifiers.
    pub(crate) fn set(&self) -> IdentifierSet {
        IdentifierSet::with_hasher(self.holds.hasher.clone())
    }

    /// The last moment at which no lease is over, if anything is in flight.
    #[inline]
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Whether a lease may be over.
    #[inline]
    pub(crate) fn may_be_overdue(&self, now_ms: u64) -> bool {
        self.next_deadline_ms().is_some_and(|deadline| now_ms > deadline)
    }

    /// Takes what is overdue out of flight; returns the identifiers, which are to be committed. Past
    /// `sweep_threshold` of them, however many writers died at once, they are the tables.
    pub(crate) fn take_overdue(&mut self, now_ms: u64, sweep_threshold: usize) -> Overdue {
        let names: Vec<Arc<[u8]>> =
            core::iter::from_fn(|| self.may_be_overdue(now_ms).then(|| self.deadlines.pop_first())?)
                .map(|(_, name)| name)
                .collect();
        let mut collected = Collected::new(self.set(), sweep_threshold);
        let (mut transactions, mut landed) = (0, 0);
        for name in &names {
            let Some(transaction) = self.transactions.get_mut(name) else {
                continue;
            };
            let before = transaction.in_flight;
            let mut look_again_ms = u64::MAX;
            for (member, deadline) in transaction.identifiers.iter().zip(&transaction.deadlines) {
                if is_overdue(*deadline, now_ms) {
                    transaction.in_flight -= 1;
                    collected.add(member);
                } else if *deadline != LANDED {
                    look_again_ms = look_again_ms.min(*deadline);
                }
            }
            landed += before - transaction.in_flight;
            transactions += usize::from(transaction.in_flight < before);
            if transaction.in_flight > 0 {
                transaction.look_again_ms = look_again_ms;
                self.deadlines.insert((look_again_ms, name.clone()));
            } else {
                transaction.remembered_ms = Some(now_ms);
                self.remembered_bytes += transaction.bytes(name);
                self.remembered.insert((now_ms, name.clone()));
            }
        }
        self.land(&names, now_ms, landed);
        self.forget(now_ms);
        Overdue { transactions, identifiers: collected.set }
    }

    /// Lets what is overdue under these names land, which is so many identifiers, and takes it out of `holds`.
    fn land(&mut self, names: &[Arc<[u8]>], now_ms: u64, landed: usize) {
        // To forget all that is held and to hold again what rebuilds is far quicker than to forget much one by one.
        let rebuilds = self.deadlines.len() < landed && self.in_flight() < landed;
        for name in names {
            let Some(Transaction { identifiers, deadlines, .. }) = self.transactions.get_mut(name) else {
                continue;
            };
            if rebuilds {
                deadlines.iter_mut().filter(|deadline| is_overdue(**deadline, now_ms)).for_each(|deadline| {
                    *deadline = LANDED;
                });
                continue;
            }
            self.holds.remove(identifiers.iter_hashed().zip(deadlines).filter_map(|(hashed, deadline)| {
                is_overdue(*deadline, now_ms).then(|| {
                    *deadline = LANDED;
                    hashed
                })
            }));
        }
        if rebuilds {
            self.holds.clear();
            for (_, name) in &self.deadlines {
                let Some(transaction) = self.transactions.get(name) else { continue };
                let all = transaction.identifiers.iter_hashed().zip(&transaction.deadlines);
                for ((member, hash), _) in all.filter(|(_, deadline)| **deadline != LANDED) {
                    self.holds.add(member, hash);
                }
            }
        }
    }

    /// Identifiers in flight, counted as often as transactions have them.
    fn in_flight(&self) -> usize {
        let open = self.deadlines.iter().filter_map(|(_, name)| self.transactions.get(name));
        open.map(|transaction| transaction.in_flight).sum()
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
    pub(crate) fn in_flight_under(&self, name: &[u8]) -> impl Iterator<Item = Member<'_>> {
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

fn is_overdue(deadline: u64, now_ms: u64) -> bool {
    deadline != LANDED && deadline < now_ms
}

/// What is overdue, while it is collected.
struct Collected {
    set: IdentifierSet,
    /// The most that are collected one by one.
    sweep_threshold: usize,
    /// Whether there are more, so that tables are collected in place of rows.
    is_swept: bool,
    /// The table of the last row, since rows of one table mostly follow each other.
    last_table: Vec<u8>,
}

impl Collected {
    fn new(set: IdentifierSet, sweep_threshold: usize) -> Self {
        Self { set, sweep_threshold, is_swept: false, last_table: Vec::new() }
    }

    #[inline]
    fn add(&mut self, member: Member) {
        if !self.is_swept {
            let end = self.set.len();
            if self.set.position(end, member).is_some() {
                return;
            }
            if end < self.sweep_threshold {
                return self.set.push(member, self.set.hash(member));
            }
            self.is_swept = true;
            core::mem::take(&mut self.set).iter().for_each(|known| self.add(known));
        }
        if !member.is_row() || self.last_table != member.table() {
            // A threshold of 0 makes a table of every row.
            add(&mut self.set, 0, member, 0);
            self.last_table = if member.is_row() { member.table().to_vec() } else { Vec::new() };
        }
    }
}

/// Adds an identifier to a set, or its table once the set holds `sweep_threshold`, or everything once it holds as many
/// tables as there can be; returns where it stands. Whoever asks expects it there.
pub(crate) fn add(
    set: &mut IdentifierSet,
    expected: usize,
    identifier: Member,
    sweep_threshold: usize,
) -> usize {
    if let Some(position) = set.position(expected, identifier) {
        return position;
    }
    let end = set.len();
    if identifier.is_row() && end < sweep_threshold {
        set.push(identifier, set.hash(identifier));
        return end;
    }
    let swept = identifier.is_row().then(|| Member::whole_table(identifier.table()));
    let table = match &swept {
        _ if set.tables() >= TABLES_MAX => Member::parse(b"*#*"),
        Some(swept) => Member::parse(swept),
        None => Some(identifier),
    };
    let Some(table) = table else { return end };
    if let Some(position) = set.position(end, table) {
        return position;
    }
    set.push(table, set.hash(table));
    end
}
