//! The state of a namespace: the versions of everything that was written in this epoch.
//!
//! It knows no time, no transactions and no terms but the number of its own. Two invariants: within an epoch no
//! version gets smaller, and looking up changes nothing.

use super::allocated::allocated;
use super::effect::EffectWriter;
use super::epoch::{Epoch, Fingerprint, Fingerprints};
use super::identifier::{Identifier, Target};
use super::identifier_set::IdentifierSet;
use super::limits::TABLES_MAX;
use super::rows::{FLOORS, ROWS_AT_ONCE, Row, Search};
use super::stamp::Stamp;
use super::table::Table;
use super::term::{ELSEWHERE, Now};
use super::waste::Waste;
use hashbrown::HashMap;
use smallvec::SmallVec;

/// The tables of a namespace, by name. Boxed, so that the map moves little when it grows.
pub(crate) type Tables = HashMap<Vec<u8>, Box<Table>>;

/// Everything alkey knows of a namespace, but for the transactions in flight.
#[derive(Clone, Debug)]
pub(crate) struct Namespace {
    epoch: Epoch,
    /// Those of the epoch.
    fingerprints: Fingerprints,
    /// When the epoch began: the version of all that was not written since.
    born: Stamp,
    /// The last stamp given.
    last: Stamp,
    /// The last commit that touched anything.
    any: Stamp,
    /// The last commit that touched everything.
    sweep: Stamp,
    /// The largest lease given in this epoch, for whoever is primary next: its grace must cover it.
    lease_ms: u64,
    tables: Tables,
    /// The term of this process in which the state is known to be complete, or [`ELSEWHERE`]. In memory only.
    pub(crate) term: u64,
    /// Since when this process has seen every change, as [`Now::uptime_ms`]. In memory only.
    pub(crate) since_ms: u64,
}

/// What gives an identifier its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A commit of the row itself.
    RowCommit,
    /// A commit of anything in the table.
    TableCommit,
    /// A commit of anything in the namespace.
    AnyCommit,
    /// A commit of the whole table.
    TableSweep,
    /// A commit of the whole namespace, or too many tables.
    NamespaceSweep,
    /// Too many rows: the row's floor was raised.
    Floor,
    /// The beginning of the epoch: it was not written since.
    Epoch,
}

/// The stamps of a namespace itself, as they are saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NamespaceStamps {
    pub(crate) last: Stamp,
    pub(crate) any: Stamp,
    pub(crate) sweep: Stamp,
}

impl Namespace {
    /// A namespace in which nothing was written since `born`.
    pub(crate) fn new(epoch: Epoch, born: Stamp) -> Self {
        Self {
            epoch,
            fingerprints: epoch.fingerprints(),
            born,
            last: born,
            any: born,
            sweep: born,
            lease_ms: 0,
            tables: Tables::default(),
            term: ELSEWHERE,
            since_ms: 0,
        }
    }

    pub(crate) fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    pub(crate) fn born(&self) -> Stamp {
        self.born
    }

    pub(crate) fn stamps(&self) -> NamespaceStamps {
        NamespaceStamps { last: self.last, any: self.any, sweep: self.sweep }
    }

    /// Whether its stamps end soon, so that it needs a new epoch, in which they begin again at the clock's. A dump can
    /// make it so.
    #[inline]
    pub(crate) fn is_out_of_stamps(&self) -> bool {
        self.last.is_nearly_last()
    }

    pub(crate) fn lease_ms(&self) -> u64 {
        self.lease_ms
    }

    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The version of what an identifier names: the stamp of the last commit that touched it.
    pub(crate) fn version(&self, target: Target) -> Stamp {
        let mut reader = self.reader();
        if let Target::Row { table, .. } | Target::Table { table } = target {
            reader.turn_to(table);
        }
        match reader.begin(target) {
            Reading::Version(version) => version,
            Reading::Row(row) => reader.end(row, row.search.guessed()),
        }
    }

    /// Reads the versions of many.
    #[inline]
    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader { namespace: self, table: None }
    }

    /// Gives everything in the set one fresh stamp, and writes down what that changed.
    pub(crate) fn commit(
        &mut self,
        now: Now,
        set: &IdentifierSet,
        rows_max: usize,
        effect: &mut EffectWriter,
        waste: &mut Waste,
    ) {
        if set.len() == 0 {
            return;
        }
        let stamp = self.last.next(now);
        let fingerprints = self.fingerprints;
        let mark = effect.mark();
        // Whole tables come first: then their rows are known to be committed with them, however many are named.
        for name in set.whole_tables() {
            let Some(table) = self.table_to_write(name) else {
                return self.commit_everything(stamp, effect.back_to(mark), waste);
            };
            table.raise_sweep(stamp, waste);
            effect.table(name, table.any(), table.sweep());
        }
        let mut rows: SmallVec<[Fingerprint; ROWS_AT_ONCE]> = SmallVec::with_capacity(set.len());
        let mut targets =
            set.iter().filter(|member| !member.is_whole_table()).map(|member| member.target()).peekable();
        while let Some(target) = targets.next() {
            let Target::Row { table: name, row: first } = target else {
                return self.commit_everything(stamp, effect.back_to(mark), waste);
            };
            let Some(table) = self.table_to_write(name) else {
                return self.commit_everything(stamp, effect.back_to(mark), waste);
            };
            // Callers mostly name the rows of one table after another, so a table is looked up once for a run.
            let run = core::iter::once(first).chain(core::iter::from_fn(|| match targets.peek() {
                Some(Target::Row { table, row }) if *table == name => {
                    let row = *row;
                    targets.next();
                    Some(row)
                }
                _ => None,
            }));
            if table.sweep() >= stamp {
                run.for_each(drop);
                continue;
            }
            effect.begin_committed_rows(name, stamp);
            rows.clear();
            for row in run {
                let fingerprint = fingerprints.of(row);
                effect.committed_row(fingerprint);
                rows.push(fingerprint);
            }
            table.raise_rows(&mut rows, stamp);
            effect.end_committed_rows();
            for _ in 0..FLOORS {
                if table.rows.len() <= rows_max {
                    break;
                }
                let floor = table.lowest_floor();
                table.raise_floor(floor, stamp, waste);
                effect.floor(name, floor, stamp);
            }
        }
        self.last = stamp;
        self.any = stamp;
        effect.stamps(self.stamps());
    }

    /// What the same commit touched beside it is superfluous.
    fn commit_everything(&mut self, stamp: Stamp, effect: &mut EffectWriter, waste: &mut Waste) {
        self.merge_stamps(NamespaceStamps { last: stamp, any: stamp, sweep: stamp }, waste);
        effect.stamps(self.stamps());
    }

    /// The table of this name, made if nothing was written to it yet. None past the limit of tables.
    fn table_to_write(&mut self, name: &[u8]) -> Option<&mut Table> {
        if !self.tables.contains_key(name) {
            if self.tables.len() >= TABLES_MAX {
                return None;
            }
            self.tables.insert(name.into(), Box::default());
        }
        self.tables.get_mut(name).map(Box::as_mut)
    }

    /// Raises the stamps of the namespace itself. A later sweep makes all tables superfluous.
    pub(super) fn merge_stamps(&mut self, stamps: NamespaceStamps, waste: &mut Waste) {
        self.last = self.last.max(stamps.last).max(stamps.any).max(stamps.sweep);
        self.any = self.any.max(stamps.any);
        if stamps.sweep > self.sweep {
            self.sweep = stamps.sweep;
            waste.add_tables(core::mem::take(&mut self.tables));
        }
    }

    /// A lease was given. Returns whether it is the largest of this epoch, which the next primary must know.
    pub(super) fn merge_lease(&mut self, lease_ms: u64) -> bool {
        let grew = lease_ms > self.lease_ms;
        self.lease_ms = self.lease_ms.max(lease_ms);
        grew
    }

    /// The table of this name, for what was replicated or saved, whatever the limits were there.
    pub(super) fn table_to_merge(&mut self, name: &[u8]) -> &mut Table {
        self.tables.entry_ref(name).or_default()
    }

    /// What came from elsewhere may be ahead of `last`, if it is damaged; stamps must still grow from here.
    pub(crate) fn merge_last(&mut self, stamp: Stamp) {
        self.last = self.last.max(stamp);
    }

    /// Begins a new epoch: every key changes, and nothing is enumerated. Its stamps begin at the clock's, however
    /// far ahead those of the last epoch were.
    pub(super) fn renew(&mut self, epoch: Epoch, now: Now, waste: &mut Waste) {
        let next = Self::new(epoch, Stamp::default().next(now));
        waste.add_namespace(core::mem::replace(self, next));
    }

    /// Rows held in all tables.
    pub(crate) fn rows(&self) -> usize {
        self.tables.values().map(|table| table.rows.len()).sum()
    }

    /// What gave this its version.
    pub(crate) fn cause(&self, target: Target) -> Cause {
        let version = self.version(target);
        let of_namespace = if self.sweep == self.born { Cause::Epoch } else { Cause::NamespaceSweep };
        match target {
            _ if version == self.sweep => of_namespace,
            Target::Everything => Cause::AnyCommit,
            Target::Table { .. } => Cause::TableCommit,
            Target::Row { table, row } => self.tables.get(table).map_or(of_namespace, |table| {
                if version == table.sweep() {
                    Cause::TableSweep
                } else if table.rows.get(self.fingerprints.of(row)).is_some() {
                    Cause::RowCommit
                } else {
                    Cause::Floor
                }
            }),
        }
    }

    /// Bytes held, this struct included, as the allocator rounds them.
    pub(crate) fn bytes(&self) -> usize {
        let tables: usize = self
            .tables
            .iter()
            .map(|(name, table)| {
                allocated(name.capacity()) + allocated(size_of::<Table>()) + table.heap_bytes()
            })
            .sum();
        size_of::<Self>() + allocated(self.tables.allocation_size()) + tables
    }

    /// Pieces of memory held, which is what freeing them costs.
    pub(crate) fn allocations(&self) -> usize {
        allocations_of(&self.tables) + 1
    }

    /// What is held of a single row; for tests of what is stored.
    #[cfg(test)]
    pub(crate) fn held(&self, table: &[u8], row: &[u8]) -> Option<Stamp> {
        self.tables.get(table)?.rows.get(self.fingerprints.of(row))
    }
}

/// Reads versions in one table after another.
#[derive(Debug)]
pub(crate) struct Reader<'n> {
    namespace: &'n Namespace,
    table: Option<&'n Table>,
}

/// What [`Reader::next`] found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reading<'n> {
    Version(Stamp),
    /// A row that is still to be looked for.
    Row(RowReading<'n>),
}

/// A row that is being looked for in its table: see [`Search`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowReading<'n> {
    table: &'n Table,
    pub(crate) search: Search<'n>,
}

impl<'n> Reader<'n> {
    /// Begins to read the version of one of many identifiers, all of which are shown in turn.
    #[inline]
    pub(crate) fn next(&mut self, identifier: &Identifier) -> Reading<'n> {
        if !identifier.continues() {
            self.turn_to(identifier.table());
        }
        self.begin(identifier.target())
    }

    fn turn_to(&mut self, table: &[u8]) {
        self.table = self.namespace.tables.get(table).map(Box::as_ref);
    }

    /// Begins to read the version of something in this table, or of everything.
    #[inline]
    fn begin(&self, target: Target) -> Reading<'n> {
        // `sweep` begins at `born`, so it is also the version of all that was never written.
        let sweep = self.namespace.sweep;
        match (target, self.table) {
            (Target::Everything, _) => Reading::Version(self.namespace.any.max(sweep)),
            (_, None) => Reading::Version(sweep),
            (Target::Table { .. }, Some(table)) => Reading::Version(table.any().max(sweep)),
            (Target::Row { row, .. }, Some(table)) => {
                let search = table.rows.search(self.namespace.fingerprints.of(row));
                Reading::Row(RowReading { table, search })
            }
        }
    }

    /// The version of a row, given what its search guessed.
    #[inline]
    pub(crate) fn end(&self, row: RowReading, guessed: Option<Row>) -> Stamp {
        row.table.row_version(row.search.fingerprint, row.search.end(guessed)).max(self.namespace.sweep)
    }
}

/// Pieces of memory held by tables.
pub(super) fn allocations_of(tables: &Tables) -> usize {
    tables.values().map(|table| table.allocations() + 1).sum::<usize>() + 1
}
