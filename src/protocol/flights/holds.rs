//! How many identifiers in flight would change what: the answer to "is anything in this key in flight?", in
//! constant time however many transactions are.

use crate::protocol::allocated::allocated;
use crate::protocol::identifier::Target;
use core::hash::BuildHasher;
use hashbrown::{DefaultHashBuilder, HashMap};

/// Counts of identifiers in flight.
#[derive(Clone, Debug, Default)]
pub(super) struct Holds {
    /// All of them.
    total: usize,
    /// Those that name everything.
    everything: usize,
    tables: HashMap<Vec<u8>, TableHolds>,
    hasher: DefaultHashBuilder,
}

#[derive(Clone, Debug, Default)]
struct TableHolds {
    /// Those that name anything in the table.
    any: usize,
    /// Those that name the whole table.
    sweep: usize,
    /// Those that name one row, by its hash. Two rows that share one make a reader wait for nothing once in 2^64.
    rows: HashMap<u64, usize>,
}

impl Holds {
    pub(super) fn add(&mut self, target: Target) {
        self.total += 1;
        match target {
            Target::Everything => self.everything += 1,
            Target::Table { table } => {
                let held = self.tables.entry_ref(table).or_default();
                held.any += 1;
                held.sweep += 1;
            }
            Target::Row { table, row } => {
                let held = self.tables.entry_ref(table).or_default();
                held.any += 1;
                *held.rows.entry(self.hasher.hash_one(row)).or_default() += 1;
            }
        }
    }

    pub(super) fn remove(&mut self, target: Target) {
        self.total = self.total.saturating_sub(1);
        let (Target::Table { table } | Target::Row { table, .. }) = target else {
            self.everything = self.everything.saturating_sub(1);
            return;
        };
        let Some(held) = self.tables.get_mut(table) else {
            return;
        };
        held.any = held.any.saturating_sub(1);
        if let Target::Row { row, .. } = target {
            let hash = self.hasher.hash_one(row);
            if let Some(count) = held.rows.get_mut(&hash) {
                *count -= 1;
                if *count == 0 {
                    held.rows.remove(&hash);
                }
            }
        } else {
            held.sweep = held.sweep.saturating_sub(1);
        }
        if held.any == 0 {
            self.tables.remove(table);
        }
    }

    /// Bytes held on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let tables = self
            .tables
            .iter()
            .map(|(name, held)| allocated(name.capacity()) + allocated(held.rows.allocation_size()));
        allocated(self.tables.allocation_size()) + tables.sum::<usize>()
    }

    #[inline]
    pub(super) fn any_on(&self, target: Target) -> bool {
        if self.total == 0 {
            return false;
        }
        let table = |name| self.tables.get(name);
        self.everything > 0
            || match target {
                Target::Everything => true,
                Target::Table { table: name } => table(name).is_some(),
                Target::Row { table: name, row } => table(name)
                    .is_some_and(|held| held.sweep > 0 || held.rows.contains_key(&self.hasher.hash_one(row))),
            }
    }
}
