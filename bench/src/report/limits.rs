//! What must hold, and whether it does.

use super::Found;
use crate::compare::Data;
use crate::operation::Operation;

/// A figure beside the most that it may be.
struct Limit {
    figure: Option<f64>,
    most: f64,
}

/// Rows of limits, at 1, 10 and 100 rows in a call.
pub(super) fn ratios(found: &Found) -> String {
    use Operation::{FunctionKey, Key, Lookup, LookupInFlight, LuaKey, Mget, Mset, RecordCommit};
    let instructions = |of, to| move |rows| found.instructions.ratio(of, to, rows);
    let cpu = |data, of, to| move |rows| Some(found.comparison.cpu_ratio(data, (of, to), rows)?.median);
    // Of the two the one that is cheaper.
    let scripts = |rows| Some(instructions(Key, LuaKey)(rows)?.max(instructions(Key, FunctionKey)(rows)?));
    let rows = [
        (
            "KEY / MGET, instructions",
            [1.15, 0.70, 0.55],
            &instructions(Key, Mget) as &dyn Fn(usize) -> Option<f64>,
        ),
        ("KEY / MGET, server CPU, hot", [1.15, 0.70, 0.55], &cpu(Data::Hot, Key, Mget)),
        ("KEY / MGET, server CPU, cold", [0.60, 0.20, 0.15], &cpu(Data::Cold, Key, Mget)),
        ("RECORD + COMMIT / MSET, server CPU, hot", [2.0, 0.50, 0.20], &cpu(Data::Hot, RecordCommit, Mset)),
        ("KEY / Lua script or Function, instructions", [0.16, 0.11, 0.10], &scripts),
        ("LOOKUP / KEY, server CPU, hot", [1.25, 1.10, 1.10], &cpu(Data::Hot, Lookup, Key)),
        ("the same, 100 in flight", [1.25, 1.10, 1.10], &cpu(Data::Hot, LookupInFlight, Key)),
    ]
    .map(|(name, most, figure)| {
        let limits =
            [1, 10, 100].into_iter().zip(most).map(|(rows, most)| Limit { figure: figure(rows), most });
        let cells: Vec<String> = limits.map(|limit| limit.cell(2)).collect();
        format!("| {name} | {} |\n", cells.join(" | "))
    });
    format!("| | n = 1 | n = 10 | n = 100 |\n|---|---:|---:|---:|\n{}", rows.concat())
}

/// Limits of memory and of time.
pub(super) fn sizes(found: &Found) -> String {
    let scale = &found.scale;
    let bytes = scale.sizes.iter().filter(|size| size.tables == 1 && size.rows >= 100_000);
    let bytes = bytes.map(|size| size.row_bytes.max(size.told_row_bytes)).reduce(f64::max);
    let growing_us = scale.stalls.growing.iter().map(|(_, us)| *us).max().map(|us| us as f64);
    let commit_ms = |is_raised| {
        let mut commits = scale.commits.iter().filter(|commit| commit.rows == 1_000_000);
        let commit = commits.find(|commit| commit.is_raised == is_raised)?;
        Some(commit.of_new_ms.max(commit.of_known_ms))
    };
    let rows = [
        ("bytes of memory per committed row, most at any size from 10⁵ to 10⁷ rows", bytes, 40.0, 1),
        ("longest call while a table grows to 10⁷ rows, µs", growing_us, 1000.0, 0),
        ("longest call while floors rise at 10⁷ rows, µs", Some(scale.stalls.rising_us as f64), 1000.0, 0),
        ("COMMIT of 10⁶ rows, `sweep-threshold` raised, ms", commit_ms(true), 60.0, 1),
        ("COMMIT of 10⁶ rows, default `sweep-threshold`, ms", commit_ms(false), 1.0, 3),
    ]
    .map(|(name, figure, most, digits)| format!("| {name} | {} |\n", Limit { figure, most }.cell(digits)));
    format!("| | measured |\n|---|---:|\n{}", rows.concat())
}

impl Limit {
    /// The figure with its limit. One that is not reached stands out.
    fn cell(&self, digits: usize) -> String {
        match self.figure {
            None => "not measured".to_owned(),
            Some(figure) if figure <= self.most => format!("{figure:.digits$} (≤ {:.digits$})", self.most),
            Some(figure) => format!("**{figure:.digits$}** (not ≤ {:.digits$})", self.most),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_just_reached_is_reached() {
        let cell = |figure, most| Limit { figure, most }.cell(2);
        assert_eq!(cell(Some(1.15), 1.15), "1.15 (≤ 1.15)");
        assert_eq!(cell(Some(1.154), 1.15), "**1.15** (not ≤ 1.15)");
        assert_eq!(cell(None, 1.0), "not measured");
    }
}
