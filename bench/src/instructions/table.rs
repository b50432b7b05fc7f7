//! The committed table, and how another is judged beside it.
//!
//! Another machine may have another C library and another compiler of the server, so that all operations take a little
//! more or less. So the server's own commands are the measure: what they take beside the committed figures is taken
//! for the difference of the machines.

use super::counter::Counts;
use crate::operation::{Operation, cases};
use crate::paths;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;

/// An operation may get dearer by so many percent.
const DEARER_PERCENT: f64 = 5.0;

const HEAD: &str = "# The instructions of one call, by operation and number of rows. What is counted is said in docs/benchmarks.md.\n\
    # Written by `scripts/bench-instructions --write`, in a commit that says why the figures changed.\n\n";

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Table {
    /// The version of the server that was measured on.
    pub(crate) server: String,
    /// By operation, then by number of rows.
    instructions: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Table {
    pub(super) fn new(server: String, counts: &Counts) -> Self {
        let mut instructions = BTreeMap::<String, BTreeMap<String, u64>>::new();
        for ((operation, rows), count) in counts {
            instructions.entry(operation.name().to_owned()).or_default().insert(rows.to_string(), *count);
        }
        Self { server, instructions }
    }

    /// The table that is committed.
    pub(crate) fn committed() -> Result<Self> {
        let path = paths::instructions();
        let text = fs::read_to_string(&path).with_context(|| {
            format!("{} is missing: `scripts/bench-instructions --write` makes it", path.display())
        })?;
        toml::from_str(&text).with_context(|| format!("{} is no table of instructions", path.display()))
    }

    pub(super) fn write(&self) -> Result<()> {
        let path = paths::instructions();
        fs::write(&path, format!("{HEAD}{}", toml::to_string(self)?))
            .with_context(|| format!("can't write {}", path.display()))
    }

    pub(crate) fn of(&self, operation: Operation, rows: usize) -> Option<u64> {
        self.instructions.get(operation.name())?.get(&rows.to_string()).copied()
    }

    /// One operation's cost in parts of another's.
    pub(crate) fn ratio(&self, operation: Operation, reference: Operation, rows: usize) -> Option<f64> {
        Some(self.of(operation, rows)? as f64 / self.of(reference, rows)? as f64)
    }

    /// By how many percent each operation is dearer here than in the committed table, the machines' difference apart.
    /// None for what is in one of the two alone.
    pub(super) fn changes(&self, committed: &Self) -> Vec<(Operation, usize, Option<f64>)> {
        let dearer = |(operation, rows)| {
            Some(self.of(operation, rows)? as f64 / committed.of(operation, rows)? as f64)
        };
        let own: Vec<f64> =
            cases().filter(|(operation, _)| operation.is_the_servers_own()).filter_map(dearer).collect();
        let machine = crate::statistics::summary(&own).map_or(1.0, |machine| machine.median);
        cases()
            .map(|(operation, rows)| {
                // To a tenth: what is shown is what is judged.
                let percent =
                    dearer((operation, rows)).map(|ratio| ((ratio / machine - 1.0) * 1000.0).round() / 10.0);
                (operation, rows, percent)
            })
            .collect()
    }
}

/// Whether a change fails the check: one of alkey's own that is dearer, or that nothing is known of.
pub(super) fn is_too_dear(operation: Operation, change: Option<f64>) -> bool {
    operation.is_alkeys() && change.is_none_or(|percent| percent > DEARER_PERCENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table in which everything costs 1000, times a factor for each operation.
    fn table(factor: impl Fn(Operation) -> u64) -> Table {
        let counts =
            cases().map(|(operation, rows)| ((operation, rows), 1000 * factor(operation) / 100)).collect();
        Table::new("7.0.15".to_owned(), &counts)
    }

    fn too_dear(now: &Table, committed: &Table) -> Vec<(Operation, usize)> {
        let changes = now.changes(committed).into_iter();
        changes
            .filter(|(operation, _, change)| is_too_dear(*operation, *change))
            .map(|(which, rows, _)| (which, rows))
            .collect()
    }

    #[test]
    fn five_percent_are_allowed_and_no_more() {
        let committed = table(|_| 100);
        let dearer =
            |percent| table(move |operation| if operation == Operation::KeyRo { percent } else { 100 });
        assert_eq!(too_dear(&dearer(105), &committed), []);
        assert_eq!(too_dear(&dearer(106), &committed).len(), 5);
        assert_eq!(too_dear(&dearer(50), &committed), []);
    }

    #[test]
    fn a_machine_on_which_all_is_dearer_is_no_fault_of_the_module() {
        let committed = table(|_| 100);
        assert_eq!(too_dear(&table(|_| 120), &committed), []);
        // But on a machine on which the server's own commands are cheaper, the same figure is.
        assert!(
            !too_dear(&table(|operation| if operation.is_the_servers_own() { 90 } else { 100 }), &committed)
                .is_empty()
        );
    }

    #[test]
    fn what_others_cost_is_not_judged_and_what_is_missing_is() {
        let committed = table(|_| 100);
        let dearer = table(|operation| if operation == Operation::LuaKey { 200 } else { 100 });
        assert_eq!(too_dear(&dearer, &committed), []);
        let mut lacking = table(|_| 100);
        lacking.instructions.remove(Operation::Touch.name());
        assert_eq!(too_dear(&committed, &lacking).len(), 4);
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let table = table(|_| 100);
        let text = format!("{HEAD}{}", toml::to_string(&table).unwrap());
        assert_eq!(toml::from_str::<Table>(&text).unwrap(), table);
        assert_eq!(table.ratio(Operation::Key, Operation::Mget, 100), Some(1.0));
    }
}
