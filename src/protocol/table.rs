//! A table: the versions of its rows, and of "any row".
//!
//! Invariant: no version ever gets smaller. A row that is not held has the version of its floor, which is at
//! least that of every row that was ever dropped from under it.

use super::allocated::allocated;
use super::epoch::Fingerprint;
use super::rows::{FLOORS, ROWS_AT_ONCE, Row, Rows, floor_of};
use super::stamp::Stamp;
use super::waste::Waste;

/// What was written to a table in this epoch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// The last commit that touched anything in the table.
    any: Stamp,
    /// The last commit that touched rows unknown, and so all of them.
    sweep: Stamp,
    /// Versions of rows that are not held, by the lowest bits of their fingerprint. None while no floor was
    /// raised since the last sweep, which is so for nearly every table: it saves half a kilobyte in each.
    floors: Option<Box<[Stamp; FLOORS]>>,
    pub(super) rows: Rows,
}

impl Table {
    pub(crate) fn any(&self) -> Stamp {
        self.any
    }

    pub(crate) fn sweep(&self) -> Stamp {
        self.sweep
    }

    /// The floors that were raised, with their stamps.
    pub(crate) fn floors(&self) -> impl Iterator<Item = (usize, Stamp)> + '_ {
        self.floors
            .iter()
            .flat_map(|floors| floors.iter().copied().enumerate())
            .filter(|(_, stamp)| *stamp > Stamp::default())
    }

    /// The version of a row, given what is held of it: of its last commit or its floor, or of the last sweep if that is
    /// later.
    #[inline]
    pub(crate) fn row_version(&self, fingerprint: Fingerprint, held: Option<Stamp>) -> Stamp {
        held.unwrap_or_else(|| self.floor(floor_of(fingerprint))).max(self.sweep)
    }

    fn floor(&self, floor: usize) -> Stamp {
        self.floors.as_ref().and_then(|floors| floors.get(floor)).copied().unwrap_or_default()
    }

    /// Something in the table was touched.
    pub(crate) fn raise_any(&mut self, stamp: Stamp) {
        self.any = self.any.max(stamp);
    }

    /// Every row was touched, which makes what is held of single rows superfluous.
    pub(crate) fn raise_sweep(&mut self, stamp: Stamp, waste: &mut Waste) {
        self.raise_any(stamp);
        if stamp > self.sweep {
            self.sweep = stamp;
            self.floors = None;
            waste.add_rows(core::mem::take(&mut self.rows));
        }
    }

    /// One row was touched.
    pub(crate) fn raise_row(&mut self, row: Row) {
        self.raise_any(row.stamp);
        // A row held although a sweep or floor is as late would only cost memory.
        if row.stamp > self.sweep && row.stamp > self.floor(floor_of(row.fingerprint)) {
            self.rows.raise(row);
        }
    }

    /// Rows were touched together. Leaves their fingerprints in another order.
    pub(crate) fn raise_rows(&mut self, rows: &mut [Fingerprint], stamp: Stamp) {
        self.raise_any(stamp);
        if self.rows.are_many(rows.len())
            && stamp > self.sweep
            && self.floors().all(|(_, floor)| stamp > floor)
        {
            return self.rows.raise_many(rows, stamp);
        }
        for rows in rows.chunks(ROWS_AT_ONCE) {
            for fingerprint in rows {
                // Cold rows come together if all are asked for before one is needed. What is asked for is not used, as
                // rows move when others are put beside them; the black box keeps it from being left out.
                core::hint::black_box(self.rows.search(*fingerprint).guessed());
            }
            for fingerprint in rows {
                self.raise_row(Row { fingerprint: *fingerprint, stamp });
            }
        }
    }

    /// Drops the rows on one floor and gives them all this version.
    pub(crate) fn raise_floor(&mut self, floor: usize, stamp: Stamp, waste: &mut Waste) {
        self.raise_any(stamp);
        // Where a sweep or the floor is as late, all rows held are later, and must stay.
        if stamp <= self.sweep || stamp <= self.floor(floor) {
            return;
        }
        let floors = self.floors.get_or_insert_with(|| Box::new([Stamp::default(); FLOORS]));
        if let Some(known) = floors.get_mut(floor) {
            *known = stamp;
            waste.add_buckets(self.rows.take_floor(floor));
        }
    }

    /// The floor to raise next: the one that was raised longest ago.
    pub(crate) fn lowest_floor(&self) -> usize {
        (0..FLOORS).min_by_key(|floor| self.floor(*floor)).unwrap_or_default()
    }

    /// Bytes held on the heap beside this struct, as the allocator rounds them.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.rows.heap_bytes() + self.floors.as_ref().map_or(0, |_| allocated(size_of::<[Stamp; FLOORS]>()))
    }

    /// Pieces of memory held, which is what freeing them costs.
    pub(crate) fn allocations(&self) -> usize {
        self.rows.allocations() + 1
    }
}
