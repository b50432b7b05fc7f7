//! docs/benchmarks.md and its plots, from what was measured last and the committed table of instructions.
//!
//! The prose is in `bench/benchmarks.md`. What stands between double braces there is put in here, and all else is left
//! as it is: what a figure means is said by people.

mod chart;
mod limits;
mod plots;
pub(crate) mod tables;

use crate::compare::Comparison;
use crate::instructions::Table;
use crate::scale::Scale;
use crate::{paths, progress};
use anyhow::{Context, Result, ensure};
use std::fs;

/// All that was found.
pub(crate) struct Found {
    pub(crate) comparison: Comparison,
    pub(crate) scale: Scale,
    pub(crate) instructions: Table,
}

pub(crate) fn run() -> Result<()> {
    let found = Found {
        comparison: paths::kept("compare")?,
        scale: paths::kept("scale")?,
        instructions: Table::committed()?,
    };
    ensure!(
        found.comparison.machine == found.scale.machine,
        "`compare` and `scale` were measured on different machines or versions: run both again"
    );
    plots::draw_all(&found)?;
    let page = fill("bench/benchmarks.md", include_str!("../../benchmarks.md"), &tables::all(&found))?;
    let path = paths::document("benchmarks.md");
    fs::write(&path, page).with_context(|| format!("can't write {}", path.display()))?;
    progress::done(&format!("wrote {} and its plots", path.display()));
    Ok(())
}

/// The template with what belongs in its places. Each must be in it.
pub(crate) fn fill(name_of_template: &str, template: &str, tables: &[(&str, String)]) -> Result<String> {
    let mut page = template.to_owned();
    for (name, table) in tables {
        let place = format!("{{{{{name}}}}}");
        ensure!(page.contains(&place), "{name_of_template} has no place {place}");
        page = page.replace(&place, table.trim_end());
    }
    ensure!(
        !page.contains("{{"),
        "{name_of_template} has a place that nothing belongs in: it begins with {{{{"
    );
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn every_place_is_filled_and_every_table_has_one() {
        let table = |name| vec![(name, "| 1 |\n".to_owned())];
        assert_eq!(fill("t", "a\n\n{{b}}\n\nc\n", &table("b")).unwrap(), "a\n\n| 1 |\n\nc\n");
        assert!(fill("t", "a\n", &table("b")).is_err());
        assert!(fill("t", "{{b}} {{c}}\n", &table("b")).is_err());
    }
}
