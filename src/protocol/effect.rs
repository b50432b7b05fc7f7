//! Effects: what changed in a namespace, as bytes for replicas, append-only files and dumps.
//!
//! A replica never judges a command again: it is told what came of it. One encoding serves all three, so a dump
//! is the list of effects that make the namespace from nothing, and there is one decoder to test.
//!
//! ```text
//! effect = ENCODING:u8  epoch:16 bytes  born:u64  *operation      ; integers are little-endian
//! operation = 1 last:u64 any:u64 sweep:u64                        ; the namespace's own stamps
//!           | 2 lease:u64                                         ; the largest lease of the epoch, in ms
//!           | 3 table any:u64 sweep:u64                           ; a table's own stamps
//!           | 4 table floor:u8 stamp:u64                          ; a floor raised, the rows on it dropped
//!           | 5 table count:u32 *(fingerprint:u64 stamp:u64)      ; rows with their stamps
//!           | 6 table stamp:u64 count:u32 *(fingerprint:u64)      ; rows committed together
//! table = length:u32 bytes
//! ```
//!
//! Every operation only ever raises stamps, so to apply one twice is to apply it once. An effect of another epoch
//! than the namespace's begins that epoch: all that was known is dropped.

use super::epoch::{Epoch, Fingerprint};
use super::error::{Error, Result};
use super::limits::{LEASE_MS_MAX, NAME_BYTES_MAX};
use super::namespace::{Namespace, NamespaceStamps};
use super::rows::{FLOORS, Row};
use super::stamp::Stamp;
use super::table::Table;
use super::waste::Waste;
use uuid::Uuid;

/// The version of this encoding. It changes with every change to it, and older ones stay readable.
pub(crate) const ENCODING: u8 = 1;

const STAMPS: u8 = 1;
const LEASE: u8 = 2;
const TABLE: u8 = 3;
const FLOOR: u8 = 4;
const ROWS: u8 = 5;
const COMMITTED: u8 = 6;

const ROW_BYTES: usize = 16;

/// What an effect with rows of a few tables mostly holds beside them.
const HEAD_BYTES_USUAL: usize = 128;

/// Rows in one effect of a dump: 64 KB, so that saving holds little memory.
const ROWS_PER_EFFECT: usize = 4096;

/// Writes an effect.
#[derive(Debug, Default)]
pub(crate) struct EffectWriter {
    bytes: Vec<u8>,
    /// Where the count of the rows being written stands.
    count_at: usize,
}

impl EffectWriter {
    /// Begins the effect anew, in the namespace's present epoch: to be told of an epoch is an effect of its own.
    pub(crate) fn begin(&mut self, namespace: &Namespace) {
        self.bytes.clear();
        self.bytes.push(ENCODING);
        self.bytes.extend_from_slice(namespace.epoch().as_bytes());
        self.stamp(namespace.born());
    }

    /// Makes room for so many rows that are committed together.
    pub(super) fn reserve(&mut self, rows: usize) {
        self.bytes.reserve(rows * size_of::<u64>() + HEAD_BYTES_USUAL);
    }

    /// What was written so far, to come [`EffectWriter::back_to`].
    pub(super) fn mark(&self) -> usize {
        self.bytes.len()
    }

    /// Takes back what was written since the mark.
    pub(super) fn back_to(&mut self, mark: usize) -> &mut Self {
        self.bytes.truncate(mark);
        self
    }

    /// The bytes, if anything was written.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        (!self.bytes.is_empty()).then_some(&self.bytes)
    }

    pub(super) fn stamps(&mut self, stamps: NamespaceStamps) {
        self.bytes.push(STAMPS);
        self.stamp(stamps.last);
        self.stamp(stamps.any);
        self.stamp(stamps.sweep);
    }

    pub(super) fn lease(&mut self, lease_ms: u64) {
        self.bytes.push(LEASE);
        self.bytes.extend_from_slice(&lease_ms.to_le_bytes());
    }

    pub(super) fn table(&mut self, name: &[u8], any: Stamp, sweep: Stamp) {
        self.bytes.push(TABLE);
        self.name(name);
        self.stamp(any);
        self.stamp(sweep);
    }

    pub(super) fn floor(&mut self, name: &[u8], floor: usize, stamp: Stamp) {
        self.bytes.push(FLOOR);
        self.name(name);
        self.bytes.push(u8::try_from(floor).unwrap_or_default());
        self.stamp(stamp);
    }

    fn rows(&mut self, name: &[u8], rows: &[Row]) {
        self.bytes.push(ROWS);
        self.name(name);
        self.begin_count();
        for row in rows {
            self.bytes.extend_from_slice(&row.fingerprint.0.to_le_bytes());
            self.stamp(row.stamp);
        }
        self.end_count(ROW_BYTES);
    }

    pub(super) fn begin_committed_rows(&mut self, name: &[u8], stamp: Stamp) {
        self.bytes.push(COMMITTED);
        self.name(name);
        self.stamp(stamp);
        self.begin_count();
    }

    #[inline]
    pub(super) fn committed_row(&mut self, fingerprint: Fingerprint) {
        self.bytes.extend_from_slice(&fingerprint.0.to_le_bytes());
    }

    pub(super) fn end_committed_rows(&mut self) {
        self.end_count(size_of::<u64>());
    }

    fn stamp(&mut self, stamp: Stamp) {
        self.bytes.extend_from_slice(&stamp.to_bits().to_le_bytes());
    }

    fn name(&mut self, name: &[u8]) {
        self.length(name.len());
        self.bytes.extend_from_slice(name);
    }

    fn begin_count(&mut self) {
        self.count_at = self.bytes.len();
        self.length(0);
    }

    /// Fills in how many entries of so many bytes were written since the count began.
    fn end_count(&mut self, entry_bytes: usize) {
        let entries_at = self.count_at + size_of::<u32>();
        let count = self.bytes.len().saturating_sub(entries_at) / entry_bytes;
        if let Some(place) = self.bytes.get_mut(self.count_at..entries_at) {
            place.copy_from_slice(&Self::four_bytes(count));
        }
    }

    fn length(&mut self, length: usize) {
        self.bytes.extend_from_slice(&Self::four_bytes(length));
    }

    /// Names and counts in one call are bounded far below 2^32.
    fn four_bytes(length: usize) -> [u8; 4] {
        u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
    }
}

/// Hands out the effects that make this namespace from nothing, each of bounded size.
pub(crate) fn dump(namespace: &Namespace, mut emit: impl FnMut(&[u8])) {
    let mut effect = EffectWriter::default();
    let mut emit_and_begin = |effect: &mut EffectWriter| {
        emit(&effect.bytes);
        effect.begin(namespace);
    };
    effect.begin(namespace);
    effect.stamps(namespace.stamps());
    effect.lease(namespace.lease_ms());
    let mut rows = Vec::with_capacity(ROWS_PER_EFFECT);
    for (name, table) in namespace.tables() {
        // The stamps of the table come before its rows: a sweep drops the rows that came before it.
        effect.table(name, table.any(), table.sweep());
        for (floor, stamp) in table.floors() {
            effect.floor(name, floor, stamp);
        }
        let mut held = table.rows.iter();
        loop {
            rows.clear();
            rows.extend(held.by_ref().take(ROWS_PER_EFFECT));
            if !rows.is_empty() {
                effect.rows(name, &rows);
            }
            if effect.bytes.len() >= ROWS_PER_EFFECT * ROW_BYTES {
                emit_and_begin(&mut effect);
            }
            if rows.len() < ROWS_PER_EFFECT {
                break;
            }
        }
    }
    emit(&effect.bytes);
}

/// Shows every stamp of a namespace with what it belongs to, in any order, to be compared with a copy's.
pub(crate) fn digest(namespace: &Namespace, mut add: impl FnMut(&[&[u8]])) {
    let NamespaceStamps { last, any, sweep } = namespace.stamps();
    let bytes = |stamp: Stamp| stamp.to_bits().to_le_bytes();
    let (born, lease) = (bytes(namespace.born()), namespace.lease_ms().to_le_bytes());
    add(&[namespace.epoch().as_bytes(), &born, &lease, &bytes(last), &bytes(any), &bytes(sweep)]);
    for (name, table) in namespace.tables() {
        add(&[b"table", name, &bytes(table.any()), &bytes(table.sweep())]);
        for (floor, stamp) in table.floors() {
            add(&[b"floor", name, &floor.to_le_bytes(), &bytes(stamp)]);
        }
        for row in table.rows.iter() {
            add(&[b"row", name, &row.fingerprint.0.to_le_bytes(), &bytes(row.stamp)]);
        }
    }
}

/// One operation of an effect.
enum Operation<'a> {
    Stamps(NamespaceStamps),
    Lease(u64),
    Table { name: &'a [u8], any: Stamp, sweep: Stamp },
    Floor { name: &'a [u8], floor: usize, stamp: Stamp },
    Rows { name: &'a [u8], rows: &'a [u8] },
    Committed { name: &'a [u8], stamp: Stamp, fingerprints: &'a [u8] },
}

/// An effect that was read to its end and found whole, so that applying it can't fail half-way.
#[derive(Debug)]
pub(crate) struct Effect<'a> {
    epoch: Epoch,
    born: Stamp,
    operations: &'a [u8],
}

impl<'a> Effect<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut reader = Reader { rest: bytes };
        if reader.u8()? != ENCODING {
            return Err(Error::Corrupt("expected encoding 1: it is damaged, or of a newer alkey"));
        }
        let epoch = Epoch::new(Uuid::from_bytes(reader.array()?));
        let born = reader.stamp()?;
        let operations = reader.rest;
        while reader.operation()?.is_some() {}
        Ok(Self { epoch, born, operations })
    }

    /// The tables that it tells of, one of them again where its rows stand apart.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut reader = Reader { rest: self.operations };
        let operations = core::iter::from_fn(move || reader.operation().ok().flatten());
        operations.filter_map(|operation| match operation {
            Operation::Stamps(_) | Operation::Lease(_) => None,
            Operation::Table { name, .. }
            | Operation::Floor { name, .. }
            | Operation::Rows { name, .. }
            | Operation::Committed { name, .. } => Some(name),
        })
    }

    /// Does to a namespace what was done elsewhere, and says that its state is from there.
    pub(crate) fn apply(&self, namespace: Option<&mut Namespace>, waste: &mut Waste) -> Option<Namespace> {
        let Some(namespace) = namespace else {
            let mut made = Namespace::new(self.epoch, self.born);
            self.apply_operations(&mut made, waste);
            return Some(made);
        };
        if *namespace.epoch() != self.epoch {
            let next = Namespace::new(self.epoch, self.born);
            waste.add_namespace(core::mem::replace(namespace, next));
        }
        namespace.term = super::term::ELSEWHERE;
        self.apply_operations(namespace, waste);
        None
    }

    fn apply_operations(&self, namespace: &mut Namespace, waste: &mut Waste) {
        let mut reader = Reader { rest: self.operations };
        while let Ok(Some(operation)) = reader.operation() {
            match operation {
                Operation::Stamps(stamps) => namespace.merge_stamps(stamps, waste),
                Operation::Lease(lease_ms) => {
                    namespace.merge_lease(lease_ms);
                }
                Operation::Table { name, any, sweep } => on_table(namespace, name, any.max(sweep), |table| {
                    table.raise_any(any);
                    table.raise_sweep(sweep, waste);
                }),
                Operation::Floor { name, floor, stamp } => on_table(namespace, name, stamp, |table| {
                    table.raise_floor(floor, stamp, waste);
                }),
                Operation::Rows { name, rows } => {
                    for row in rows.as_chunks::<ROW_BYTES>().0 {
                        let (fingerprint, stamp) = halves(*row);
                        let row =
                            Row { fingerprint: Fingerprint(fingerprint), stamp: Stamp::from_bits(stamp) };
                        on_table(namespace, name, row.stamp, |table| table.raise_row(row));
                    }
                }
                Operation::Committed { name, stamp, fingerprints } => {
                    on_table(namespace, name, stamp, |table| {
                        let fingerprints = fingerprints.as_chunks().0.iter().copied();
                        let mut rows: Vec<_> =
                            fingerprints.map(u64::from_le_bytes).map(Fingerprint).collect();
                        table.raise_rows(&mut rows, stamp);
                    });
                }
            }
        }
    }
}

/// Changes a table of the namespace, up to a stamp.
fn on_table(namespace: &mut Namespace, name: &[u8], stamp: Stamp, change: impl FnOnce(&mut Table)) {
    // Whatever a damaged dump holds, stamps given from here on must be later than all in it.
    namespace.merge_last(stamp);
    // A table held although a sweep is as late would only cost memory.
    if stamp > namespace.stamps().sweep {
        change(namespace.table_to_merge(name));
    }
}

/// Refuses a stamp of the far future, after which there would be no others: a stamp that repeats is a key that doesn't
/// change.
fn plausible(stamp: Stamp) -> Result<Stamp> {
    if stamp.is_plausible() {
        Ok(stamp)
    } else {
        Err(Error::Corrupt("expected a stamp before the year 2248"))
    }
}

/// A row's two numbers.
fn halves(row: [u8; ROW_BYTES]) -> (u64, u64) {
    let both = u128::from_le_bytes(row);
    #[expect(clippy::cast_possible_truncation, reason = "takes the number apart")]
    let halves = (both as u64, (both >> 64) as u64);
    halves
}

/// Reads what may be any bytes at all.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn operation(&mut self) -> Result<Option<Operation<'a>>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        Ok(Some(match self.u8()? {
            STAMPS => Operation::Stamps(NamespaceStamps {
                last: self.stamp()?,
                any: self.stamp()?,
                sweep: self.stamp()?,
            }),
            LEASE => {
                let lease_ms = u64::from_le_bytes(self.array()?);
                if lease_ms > LEASE_MS_MAX {
                    // Grace would last as long, in this epoch and all that inherit it.
                    return Err(Error::Corrupt("expected a lease of at most a day"));
                }
                Operation::Lease(lease_ms)
            }
            TABLE => Operation::Table { name: self.name()?, any: self.stamp()?, sweep: self.stamp()? },
            FLOOR => {
                let (name, floor, stamp) = (self.name()?, usize::from(self.u8()?), self.stamp()?);
                if floor >= FLOORS {
                    return Err(Error::Corrupt("expected a floor below 64"));
                }
                Operation::Floor { name, floor, stamp }
            }
            ROWS => {
                let (name, rows) = (self.name()?, self.counted(ROW_BYTES)?);
                for row in rows.as_chunks().0 {
                    plausible(Stamp::from_bits(halves(*row).1))?;
                }
                Operation::Rows { name, rows }
            }
            COMMITTED => Operation::Committed {
                name: self.name()?,
                stamp: self.stamp()?,
                fingerprints: self.counted(size_of::<u64>())?,
            },
            _ => return Err(Error::Corrupt("expected an operation that is known")),
        }))
    }

    fn name(&mut self) -> Result<&'a [u8]> {
        let length = self.length()?;
        if length == 0 || length > NAME_BYTES_MAX {
            return Err(Error::Corrupt("expected a table's name of a length that is allowed"));
        }
        self.take(length)
    }

    /// So many entries of so many bytes.
    fn counted(&mut self, entry_bytes: usize) -> Result<&'a [u8]> {
        let count = self.length()?;
        self.take(count.saturating_mul(entry_bytes))
    }

    fn length(&mut self) -> Result<usize> {
        Ok(usize::try_from(u32::from_le_bytes(self.array()?)).unwrap_or(usize::MAX))
    }

    fn stamp(&mut self) -> Result<Stamp> {
        plausible(Stamp::from_bits(u64::from_le_bytes(self.array()?)))
    }

    fn u8(&mut self) -> Result<u8> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(*array)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(taken)
    }
}

const TRUNCATED: Error = Error::Corrupt("expected more bytes: it is cut off");
