//! What a change left to free. Freeing a large table takes milliseconds, so whoever holds the waste hands it to
//! a thread that stalls nobody.

use super::namespace::{Namespace, Tables, allocations_of};
use super::rows::{Row, Rows};

/// Memory that nothing refers to any more.
#[derive(Debug, Default)]
pub(crate) struct Waste {
    namespaces: Vec<Namespace>,
    tables: Vec<Tables>,
    rows: Vec<Rows>,
    buckets: Vec<Vec<Row>>,
}

impl Waste {
    pub(crate) fn add_tables(&mut self, tables: Tables) {
        self.tables.push(tables);
    }

    pub(crate) fn add_namespace(&mut self, namespace: Namespace) {
        self.namespaces.push(namespace);
    }

    pub(crate) fn add_rows(&mut self, rows: Rows) {
        if rows.len() > 0 {
            self.rows.push(rows);
        }
    }

    pub(crate) fn add_buckets(&mut self, buckets: Vec<Vec<Row>>) {
        if self.buckets.is_empty() {
            self.buckets = buckets;
        } else {
            self.buckets.extend(buckets);
        }
    }

    /// Pieces of memory to free, each some 50 ns.
    pub(crate) fn allocations(&self) -> usize {
        let namespaces: usize = self.namespaces.iter().map(Namespace::allocations).sum();
        let tables: usize = self.tables.iter().map(allocations_of).sum();
        let rows: usize = self.rows.iter().map(Rows::allocations).sum();
        namespaces + tables + rows + self.buckets.len()
    }
}
