//! How many identifiers in flight would change what: the answer to "is anything in this key in flight?", in
//! constant time however many transactions are.

use crate::protocol::allocated::allocated;
use crate::protocol::identifier::{Identifier, Member, Target};
use core::hash::BuildHasher;
use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

/// Counts of identifiers in flight.
#[derive(Clone, Debug, Default)]
pub(super) struct Holds {
    /// Those that name everything.
    everything: usize,
    /// Those in which anything is held, and some in which nothing is any more.
    tables: HashMap<Vec<u8>, TableHolds>,
    /// Those that name one row, by the hash of its identifier. Two that share one make a reader wait for nothing once
    /// in 2^64.
    rows: HashTable<(u64, u32)>,
    /// Of identifiers, in all sets of flights.
    pub(super) hasher: DefaultHashBuilder,
}

#[derive(Clone, Debug, Default)]
struct TableHolds {
    /// Those that name anything in the table.
    any: usize,
    /// Those that name the whole table.
    sweep: usize,
}

/// Room for so many rows is kept while nothing is in flight, and so many tables: they will be written again.
const ROWS_KEPT_MAX: usize = 4_096;
const TABLES_KEPT_MAX: usize = 64;

impl Holds {
    /// Counts a row if nobody else holds it; returns whether so. Its table is to be counted by [`Self::add_rows_of`].
    #[inline]
    pub(super) fn add_first_of_row(&mut self, hash: u64) -> bool {
        let entry = self.rows.entry(hash, |(known, _)| *known == hash, |(known, _)| *known);
        let Entry::Vacant(vacant) = entry else { return false };
        vacant.insert((hash, 1));
        true
    }

    /// Counts so many rows for their table.
    pub(super) fn add_rows_of(&mut self, table: &[u8], rows: usize) {
        if rows > 0 {
            self.tables.entry_ref(table).or_default().any += rows;
        }
    }

    pub(super) fn add(&mut self, member: Member, hash: u64) {
        match member.target() {
            Target::Everything => self.everything += 1,
            Target::Table { table } => {
                let held = self.tables.entry_ref(table).or_default();
                held.any += 1;
                held.sweep += 1;
            }
            Target::Row { table, .. } => {
                self.add_rows_of(table, 1);
                let entry = self.rows.entry(hash, |(known, _)| *known == hash, |(known, _)| *known);
                entry.or_insert((hash, 0)).into_mut().1 += 1;
            }
        }
    }

    /// Takes all of these out of the counts.
    pub(super) fn remove<'a>(&mut self, members: impl Iterator<Item = (Member<'a>, u64)>) {
        // Identifiers of one table mostly follow each other, so a table is looked up once for a run.
        let mut run: (&[u8], usize) = (b"", 0);
        for (member, hash) in members {
            let table = member.table();
            match member.target() {
                Target::Everything => {
                    self.everything = self.everything.saturating_sub(1);
                    continue;
                }
                Target::Table { .. } => {
                    if let Some(held) = self.tables.get_mut(table) {
                        held.sweep = held.sweep.saturating_sub(1);
                    }
                }
                Target::Row { .. } => self.remove_row(hash),
            }
            if run.0 != table {
                self.remove_from_table(run);
                run = (table, 0);
            }
            run.1 += 1;
        }
        self.remove_from_table(run);
    }

    /// Nothing is in flight any more.
    pub(super) fn clear(&mut self) {
        self.everything = 0;
        if self.tables.len() > TABLES_KEPT_MAX {
            self.tables = HashMap::default();
        } else {
            self.tables.values_mut().for_each(|held| *held = TableHolds::default());
        }
        if self.rows.capacity() > ROWS_KEPT_MAX {
            self.rows = HashTable::new();
        } else {
            self.rows.clear();
        }
    }

    #[inline]
    fn remove_row(&mut self, hash: u64) {
        if let Ok(mut known) = self.rows.find_entry(hash, |(known, _)| *known == hash) {
            let (_, count) = known.get_mut();
            *count -= 1;
            if *count == 0 {
                known.remove();
            }
        }
    }

    fn remove_from_table(&mut self, (table, count): (&[u8], usize)) {
        if count == 0 {
            return;
        }
        if let Some(held) = self.tables.get_mut(table) {
            held.any = held.any.saturating_sub(count);
            if held.any == 0 && self.tables.len() > TABLES_KEPT_MAX {
                self.tables.remove(table);
            }
        }
    }

    /// Bytes held on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let names = self.tables.keys().map(|name| allocated(name.capacity()));
        let maps = allocated(self.tables.allocation_size()) + allocated(self.rows.allocation_size());
        maps + names.sum::<usize>()
    }

    /// Whether any identifier in flight would change this one. To be asked while there is any.
    pub(super) fn any_on(&self, member: Member) -> bool {
        self.any_in(self.table(member), member)
    }

    /// What is held in the table of an identifier.
    fn table(&self, member: Member) -> Option<&TableHolds> {
        self.tables.get(member.table()).filter(|held| held.any > 0)
    }

    #[inline]
    fn any_in(&self, held: Option<&TableHolds>, member: Member) -> bool {
        if self.everything > 0 {
            return true;
        }
        match member.target() {
            // Nobody asks while nothing is in flight.
            Target::Everything => true,
            Target::Table { .. } => held.is_some(),
            Target::Row { .. } => held.is_some_and(|held| {
                let hash = self.hasher.hash_one(member.bytes);
                held.sweep > 0 || self.rows.find(hash, |(known, _)| *known == hash).is_some()
            }),
        }
    }
}

/// Tells of many identifiers whether anything in flight would change them, in one table after another.
#[derive(Debug)]
pub(crate) struct HoldsReader<'f> {
    holds: &'f Holds,
    table: Option<&'f TableHolds>,
}

impl<'f> HoldsReader<'f> {
    pub(super) fn of(holds: &'f Holds) -> Self {
        Self { holds, table: None }
    }

    /// Whether it would change this identifier, the next of many that are shown in turn.
    #[inline]
    pub(crate) fn any_on(&mut self, identifier: &Identifier) -> bool {
        let member = identifier.member();
        if !identifier.continues() {
            self.table = self.holds.table(member);
        }
        self.holds.any_in(self.table, member)
    }
}
