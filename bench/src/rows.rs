//! Which rows the calls are about.

/// A table's rows in a random order. Calls take them one after the other, so the rows of a call differ, all are used
/// equally often, and none comes again before all others came.
pub(crate) struct Rows {
    order: Vec<u32>,
    next: usize,
}

impl Rows {
    /// The rows from 0 up, in an order that is the same for the same seed.
    pub(crate) fn new(count: u32, seed: u64) -> Self {
        let mut order: Vec<u32> = (0..count).collect();
        fastrand::Rng::with_seed(seed).shuffle(&mut order);
        Self { order, next: 0 }
    }

    /// The next rows. At most as many as there are.
    pub(crate) fn take(&mut self, count: usize) -> &[u32] {
        if self.next + count > self.order.len() {
            self.next = 0;
        }
        let first = self.next;
        self.next += count;
        self.order.get(first..self.next).unwrap_or(&self.order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_comes_once_before_any_comes_again() {
        let mut rows = Rows::new(12, 1);
        let mut seen: Vec<u32> = (0..4).flat_map(|_| rows.take(3).to_vec()).collect();
        let again = rows.take(3).to_vec();
        assert_eq!(again, seen[..3]);
        seen.sort_unstable();
        assert_eq!(seen, (0..12).collect::<Vec<_>>());
    }
}
