//! The rows of a table: a map from fingerprint to stamp that is small, quick when cold, and never stalls.
//!
//! What the design follows from:
//!
//! - A map that doubles at once stalls the server: 64 hashbrown maps of 160,000 rows each took 10 ms to grow.
//! - A map of powers of two is half empty after it grew: 45 bytes a row, with the allocator's rounding.
//! - A cold look-up costs what its cache misses cost, some 100 ns each; comparing is free beside that.
//!
//! So this is *linear hashing* (Litwin, VLDB 1980): buckets are split one at a time, in order, whenever the mean
//! bucket would grow past [`BUCKET_ROWS_MEAN`]. No insertion ever moves more than one bucket. A bucket is a plain
//! vector, sorted by fingerprint and grown in the allocator's own steps; since fingerprints are uniform, where one
//! stands is guessed from its upper half to within a few entries (interpolation search), so a cold look-up
//! touches the directory, the bucket's head and one or two cache lines of rows.
//!
//! The lower bits of a fingerprint choose the bucket and its lowest six the floor, so that with 64 buckets and
//! more all rows under a floor lie in buckets of their own, and dropping them moves vectors, not rows.

mod many;

use super::allocated::allocated;
use super::epoch::Fingerprint;
use super::stamp::Stamp;

/// Rows in the mean bucket. More save on bucket heads, fewer on moving entries when one is inserted.
const BUCKET_ROWS_MEAN: usize = 32;

/// Buckets in a piece of the directory, which is thus never moved as a whole.
const SEGMENT_BUCKETS: usize = 256;

/// Floors of a table; the lowest bits of a fingerprint choose one.
pub(crate) const FLOORS: usize = 64;
const FLOOR_MASK: u64 = FLOORS as u64 - 1;

/// A row and the stamp of the last commit that touched it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) stamp: Stamp,
}

/// Rows whose fingerprints end in the same bits, sorted.
type Bucket = Vec<Row>;

/// The rows of a table that were written since their floor was set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    /// The directory, in pieces. Bucket `i` is `segments[i / SEGMENT_BUCKETS][i % SEGMENT_BUCKETS]`.
    segments: Vec<Vec<Bucket>>,
    buckets: usize,
    /// One less than the power of two that has room for all buckets.
    mask: usize,
    len: usize,
    /// Rows for which the buckets have room, so that the memory held is known without walking them.
    capacity: usize,
}

/// Which of the 64 floors a row stands on.
#[inline]
pub(crate) fn floor_of(fingerprint: Fingerprint) -> usize {
    (fingerprint.0 & FLOOR_MASK) as usize
}

impl Rows {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn get(&self, fingerprint: Fingerprint) -> Option<Stamp> {
        let search = self.search(fingerprint);
        search.end(search.guessed())
    }

    /// Begins to look for a row: finds its bucket, and touches no rows yet.
    #[inline]
    pub(crate) fn search(&self, fingerprint: Fingerprint) -> Search<'_> {
        let bucket = self.bucket(self.bucket_index(fingerprint)).map_or([].as_slice(), Vec::as_slice);
        Search { bucket, guess: guess(bucket, fingerprint), fingerprint }
    }

    /// Gives a row a stamp, unless it has a later one.
    pub(crate) fn raise(&mut self, row: Row) {
        if self.buckets == 0 {
            self.push_bucket(Bucket::new());
        }
        let index = self.bucket_index(row.fingerprint);
        let Some(bucket) = self.bucket_mut(index) else {
            return;
        };
        let position = position(bucket, row.fingerprint);
        if let Some(known) = bucket.get_mut(position).filter(|known| known.fingerprint == row.fingerprint) {
            known.stamp = known.stamp.max(row.stamp);
            return;
        }
        let before = bucket.capacity();
        if bucket.len() == before {
            bucket.reserve_exact(capacity_for(before + 1) - before);
        }
        let grown = bucket.capacity() - before;
        bucket.insert(position, row);
        self.capacity += grown;
        self.len += 1;
        if self.len > self.buckets * BUCKET_ROWS_MEAN {
            self.split_next();
        }
    }

    /// Takes away the rows on one floor and returns them, to be freed where it stalls nobody.
    pub(crate) fn take_floor(&mut self, floor: usize) -> Vec<Vec<Row>> {
        // With fewer buckets than floors, several floors share one.
        let step = FLOORS.min(self.buckets.checked_ilog2().map_or(1, |log| 1 << log));
        let mut taken = Vec::with_capacity(self.buckets / step + 1);
        for index in (floor % step..self.buckets).step_by(step) {
            let Some(bucket) = self.bucket_mut(index) else {
                break;
            };
            let (rows_before, capacity_before) = (bucket.len(), bucket.capacity());
            if step == FLOORS {
                taken.push(core::mem::take(bucket));
            } else {
                bucket.retain(|row| floor_of(row.fingerprint) != floor);
            }
            let (rows_after, capacity_after) = (bucket.len(), bucket.capacity());
            self.len -= rows_before - rows_after;
            self.capacity -= capacity_before - capacity_after;
        }
        taken
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Row> + '_ {
        self.segments.iter().flatten().flatten().copied()
    }

    /// Bytes held on the heap, as the allocator rounds them: the rooms of buckets are sizes of its own.
    pub(crate) fn heap_bytes(&self) -> usize {
        let directory: usize =
            self.segments.iter().map(|segment| allocated(segment.capacity() * size_of::<Bucket>())).sum();
        self.capacity * size_of::<Row>()
            + directory
            + allocated(self.segments.capacity() * size_of::<Vec<Bucket>>())
    }

    /// Pieces of memory held, which is what freeing them costs.
    pub(crate) fn allocations(&self) -> usize {
        self.buckets + self.segments.len() + 1
    }

    /// The bucket of a fingerprint: its lower bits, or one bit fewer where that bucket isn't split yet.
    #[inline]
    fn bucket_index(&self, fingerprint: Fingerprint) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "the mask keeps fewer bits than the truncation")]
        let index = fingerprint.0 as usize & self.mask;
        if index < self.buckets { index } else { index & (self.mask >> 1) }
    }

    #[inline]
    fn bucket(&self, index: usize) -> Option<&Bucket> {
        self.segments.get(index / SEGMENT_BUCKETS)?.get(index % SEGMENT_BUCKETS)
    }

    #[inline]
    fn bucket_mut(&mut self, index: usize) -> Option<&mut Bucket> {
        self.segments.get_mut(index / SEGMENT_BUCKETS)?.get_mut(index % SEGMENT_BUCKETS)
    }

    /// Splits the one bucket whose turn it is into itself and a new last one.
    fn split_next(&mut self) {
        let new = self.buckets;
        // The new bucket's number is that of the one to split with one more bit in front.
        let Some(bit) = new.checked_ilog2().map(|log| 1 << log) else {
            return;
        };
        let Some(old) = self.bucket_mut(new - bit) else {
            return;
        };
        let all = core::mem::take(old);
        let (stay, leave): (Vec<&Row>, Vec<&Row>) =
            all.iter().partition(|row| row.fingerprint.0 & bit as u64 == 0);
        let (stay, leave) = (bucket_of(&stay), bucket_of(&leave));
        self.capacity = self.capacity + stay.capacity() - all.capacity();
        if let Some(old) = self.bucket_mut(new - bit) {
            *old = stay;
        }
        self.push_bucket(leave);
    }

    fn push_bucket(&mut self, bucket: Bucket) {
        self.capacity += bucket.capacity();
        let segment_count = self.buckets / SEGMENT_BUCKETS;
        if self.segments.len() == segment_count {
            self.segments.push(Vec::new());
        }
        if let Some(segment) = self.segments.last_mut() {
            if segment.len() == segment.capacity() {
                // A table of few rows has few buckets; one that has filled a segment will fill another.
                let room = if segment_count > 0 { SEGMENT_BUCKETS } else { segment.len().max(1) };
                segment.reserve_exact(room.min(SEGMENT_BUCKETS - segment.len()));
            }
            segment.push(bucket);
        }
        self.buckets += 1;
        self.mask = self.buckets.next_power_of_two() - 1;
    }
}

/// So many rows are looked for at once. Cores have room for ten to twenty cache lines that are on their way.
pub(crate) const ROWS_AT_ONCE: usize = 16;

/// A look for a row, in two steps. Whoever looks for many takes the first step for all of them before the second for
/// any: a cold row takes some 100 ns to come, and so they come together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search<'r> {
    bucket: &'r [Row],
    guess: usize,
    pub(super) fingerprint: Fingerprint,
}

impl Search<'_> {
    /// The row that stands where this one is guessed.
    #[inline]
    pub(crate) fn guessed(&self) -> Option<Row> {
        self.bucket.get(self.guess).copied()
    }

    /// The stamp of the row, which stands near what [`Self::guessed`] said.
    #[inline]
    pub(crate) fn end(&self, guessed: Option<Row>) -> Option<Stamp> {
        let is_it = |row: &Row| row.fingerprint == self.fingerprint;
        let found = guessed
            .filter(is_it)
            .or_else(|| self.bucket.get(position(self.bucket, self.fingerprint)).copied().filter(is_it));
        found.map(|row| row.stamp)
    }
}

/// A bucket of these rows, with no more room than the allocator would give anyway.
fn bucket_of(rows: &[&Row]) -> Bucket {
    let mut bucket = Bucket::with_capacity(capacity_for(rows.len()));
    bucket.extend(rows.iter().copied());
    bucket
}

/// Rows that fit what jemalloc hands out for so many: its size classes are four to a doubling.
fn capacity_for(rows: usize) -> usize {
    let step = rows.checked_ilog2().map_or(1, |log| 1_usize << log.saturating_sub(2));
    let step = if rows.is_power_of_two() { (step / 2).max(1) } else { step };
    rows.next_multiple_of(step)
}

/// About where a fingerprint stands in a sorted bucket: of `n` uniform fingerprints, `n * f / 2^64` are below `f`, give
/// or take half a root of `n`.
#[inline]
fn guess(bucket: &[Row], fingerprint: Fingerprint) -> usize {
    (((fingerprint.0 >> 32) * bucket.len() as u64) >> 32) as usize
}

/// Where a fingerprint stands in a sorted bucket, or would.
#[inline]
fn position(bucket: &[Row], fingerprint: Fingerprint) -> usize {
    let guess = guess(bucket, fingerprint);
    let (below, above) = bucket.split_at_checked(guess).unwrap_or((bucket, &[]));
    let further = above.iter().take_while(|row| row.fingerprint < fingerprint).count();
    if further > 0 {
        return guess + further;
    }
    guess - below.iter().rev().take_while(|row| row.fingerprint >= fingerprint).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::epoch::Epoch;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use uuid::Uuid;

    fn row(fingerprint: u64, stamp: u64) -> Row {
        Row { fingerprint: Fingerprint(fingerprint), stamp: Stamp::from_bits(stamp) }
    }

    fn fingerprints(count: u64) -> impl Iterator<Item = u64> {
        let fingerprints = Epoch::new(Uuid::from_u128(7)).fingerprints();
        (0..count).map(move |n| fingerprints.of(&n.to_le_bytes()).0)
    }

    #[track_caller]
    fn assert_consistent(rows: &Rows) {
        let mut count = 0;
        let mut capacity = 0;
        let mut index = 0;
        for bucket in rows.segments.iter().flatten() {
            assert!(bucket.is_sorted_by(|a, b| a.fingerprint < b.fingerprint));
            assert!(bucket.iter().all(|row| rows.bucket_index(row.fingerprint) == index));
            count += bucket.len();
            capacity += bucket.capacity();
            index += 1;
        }
        assert_eq!((index, count, capacity), (rows.buckets, rows.len, rows.capacity));
    }

    #[test]
    fn rows_are_found_again_while_the_map_grows() {
        let mut rows = Rows::default();
        for (n, fingerprint) in fingerprints(100_000).enumerate() {
            assert_eq!(rows.get(Fingerprint(fingerprint)), None);
            rows.raise(row(fingerprint, n as u64));
        }
        assert_consistent(&rows);
        for (n, fingerprint) in fingerprints(100_000).enumerate() {
            assert_eq!(rows.get(Fingerprint(fingerprint)), Some(Stamp::from_bits(n as u64)));
        }
    }

    #[test]
    fn a_row_takes_at_most_24_bytes_and_a_table_of_ten_is_small() {
        let mut rows = Rows::default();
        for (n, fingerprint) in fingerprints(1_000_000).enumerate() {
            rows.raise(row(fingerprint, 1));
            let count = n + 1;
            if count == 10 {
                assert!(rows.heap_bytes() <= 512, "{} bytes for ten rows", rows.heap_bytes());
            }
            if count >= 100_000 && count % 10_000 == 0 {
                assert!(rows.heap_bytes() <= 24 * count, "{} bytes for {count} rows", rows.heap_bytes());
            }
        }
    }

    #[test]
    fn the_rooms_of_buckets_are_the_allocators_size_classes() {
        let rooms: Vec<usize> = (1..=40).map(capacity_for).collect();
        let mut classes = rooms.clone();
        classes.dedup();
        assert_eq!(classes, [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40]);
        assert!(rooms.iter().zip(1..).all(|(room, rows)| *room >= rows));
    }

    #[test]
    fn a_floor_is_taken_whole_and_alone() {
        for count in [1, 100, 3_000, 200_000] {
            let mut rows = Rows::default();
            fingerprints(count).for_each(|fingerprint| rows.raise(row(fingerprint, 1)));
            for floor in [0, 5, 63] {
                let _ = rows.take_floor(floor);
                assert_consistent(&rows);
                assert!(rows.iter().all(|row| floor_of(row.fingerprint) != floor));
            }
            let left = fingerprints(count)
                .filter(|fingerprint| ![0, 5, 63].contains(&floor_of(Fingerprint(*fingerprint))))
                .count();
            assert_eq!(rows.len(), left);
            // A map that lost rows still takes new ones.
            fingerprints(count).for_each(|fingerprint| rows.raise(row(fingerprint, 2)));
            assert_eq!(rows.len() as u64, count);
            assert_consistent(&rows);
        }
    }

    proptest! {
        #[test]
        fn it_is_a_map_in_which_stamps_only_grow(
            // Few fingerprints, some of them extreme, so that they meet and sit at the ends of buckets.
            writes in proptest::collection::vec(
                (prop_oneof![0..200_u64, any::<u64>(), Just(u64::MAX)], 0..50_u64), 0..600,
            ),
            together in proptest::collection::vec(prop_oneof![0..200_u64, any::<u64>(), Just(u64::MAX)], 0..300),
            stamp in 0..50_u64,
            floors in proptest::collection::vec(0..FLOORS, 0..3),
        ) {
            let mut rows = Rows::default();
            let mut oracle = BTreeMap::new();
            let half = writes.len() / 2;
            let mut note = |fingerprint: u64, stamp: u64| {
                let known = oracle.entry(fingerprint).or_insert(stamp);
                *known = (*known).max(stamp);
            };
            for (number, (fingerprint, one)) in writes.iter().enumerate() {
                if number == half && !together.is_empty() {
                    let mut together: Vec<_> = together.iter().copied().map(Fingerprint).collect();
                    rows.raise_many(&mut together, Stamp::from_bits(stamp));
                    assert_consistent(&rows);
                    for fingerprint in together {
                        note(fingerprint.0, stamp);
                    }
                }
                rows.raise(row(*fingerprint, *one));
                note(*fingerprint, *one);
            }
            for floor in floors {
                let _ = rows.take_floor(floor);
                oracle.retain(|fingerprint, _| floor_of(Fingerprint(*fingerprint)) != floor);
            }
            assert_consistent(&rows);
            let held: BTreeMap<u64, u64> =
                rows.iter().map(|row| (row.fingerprint.0, row.stamp.to_bits())).collect();
            prop_assert_eq!(held, oracle.clone());
            for fingerprint in writes.iter().map(|(fingerprint, _)| *fingerprint).chain([1, 1 << 40]) {
                let stamp = rows.get(Fingerprint(fingerprint)).map(Stamp::to_bits);
                prop_assert_eq!(stamp, oracle.get(&fingerprint).copied());
            }
        }
    }
}
