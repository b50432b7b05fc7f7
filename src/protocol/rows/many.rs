//! Giving one stamp to many rows of a table: those of one bucket together.
//!
//! One by one, most rows of a large commit are cold, and a new bucket is moved some ten times until it is full. Bucket by
//! bucket each is read once and moved at most once: the commit of a million rows takes half the time if they are known, a
//! third if they are new, and a third of what it takes is the sort.

use super::{BUCKET_ROWS_MEAN, Bucket, Row, Rows, capacity_for};
use crate::protocol::epoch::Fingerprint;
use crate::protocol::stamp::Stamp;

/// Below so many, to sort them costs more than it saves.
const MANY: usize = 1024;

impl Rows {
    /// Whether so many rows are better raised together: if they are many, and more than one for each bucket.
    pub(crate) fn are_many(&self, rows: usize) -> bool {
        rows >= MANY && rows >= self.buckets
    }

    /// Gives rows a stamp, unless they have a later one. Leaves the fingerprints in another order.
    pub(crate) fn raise_many(&mut self, fingerprints: &mut [Fingerprint], stamp: Stamp) {
        // A new row goes at once into the bucket that it would come to be in. But they may be known, all of them.
        self.make_buckets_for(fingerprints.len());
        let mask = self.mask as u64;
        sort_by_bucket(fingerprints, mask.count_ones());
        for group in fingerprints.chunk_by(|one, other| (one.0 ^ other.0) & mask == 0) {
            self.raise_in_one_bucket(group, stamp);
        }
        self.make_buckets_for(self.len);
    }

    fn make_buckets_for(&mut self, rows: usize) {
        while self.buckets * BUCKET_ROWS_MEAN < rows {
            if self.buckets == 0 {
                self.push_bucket(Bucket::new());
            } else {
                self.split_next();
            }
        }
    }

    /// The fingerprints are sorted, and all of one bucket.
    fn raise_in_one_bucket(&mut self, fingerprints: &[Fingerprint], stamp: Stamp) {
        let index = fingerprints.first().map_or(0, |first| self.bucket_index(*first));
        let Some(bucket) = self.bucket_mut(index) else {
            return;
        };
        let mut new = 0;
        let mut held = bucket.iter_mut().peekable();
        for fingerprint in fingerprints {
            while held.next_if(|row| row.fingerprint < *fingerprint).is_some() {}
            match held.peek_mut() {
                Some(row) if row.fingerprint == *fingerprint => row.stamp = row.stamp.max(stamp),
                _ => new += 1,
            }
        }
        if new > 0 {
            let merged = merged(bucket, fingerprints, stamp, new);
            let before = core::mem::replace(bucket, merged);
            let (rows, capacity) = (bucket.len(), bucket.capacity());
            self.len = self.len + rows - before.len();
            self.capacity = self.capacity + capacity - before.capacity();
        }
    }
}

/// Sorts fingerprints by bucket, and within one by themselves: the lowest bits, which choose the bucket, become the
/// highest. To turn all of them there and back is quicker than to turn two for each comparison.
fn sort_by_bucket(fingerprints: &mut [Fingerprint], bits: u32) {
    for fingerprint in &mut *fingerprints {
        fingerprint.0 = fingerprint.0.rotate_right(bits);
    }
    fingerprints.sort_unstable();
    for fingerprint in fingerprints {
        fingerprint.0 = fingerprint.0.rotate_left(bits);
    }
}

/// The rows of a bucket and those that are new to it, `new` at most. Both are sorted.
fn merged(bucket: &[Row], fingerprints: &[Fingerprint], stamp: Stamp, new: usize) -> Bucket {
    let mut merged = Bucket::with_capacity(capacity_for(bucket.len() + new));
    let mut held = bucket.iter().copied().peekable();
    for fingerprint in fingerprints {
        merged.extend(core::iter::from_fn(|| held.next_if(|row| row.fingerprint < *fingerprint)));
        // Two rows may have one fingerprint: then they are one row here.
        let is_it = |row: &Row| row.fingerprint == *fingerprint;
        if !held.peek().is_some_and(is_it) && !merged.last().is_some_and(is_it) {
            merged.push(Row { fingerprint: *fingerprint, stamp });
        }
    }
    merged.extend(held);
    merged
}
