//! docs/scaling.md: the prose of `bench/scaling.md`, with what was measured in its places.

use super::{
    ALONE, Ask, Figures, ONE_REPLICA, ONE_SHARD, THREE_SHARDS, TWO_REPLICAS, TWO_SHARDS, Way, When, push,
};
use crate::load::Load;
use crate::report::fill;
use crate::report::tables::{table, thousands};
use crate::statistics::summary;
use anyhow::{Context, Result};

/// What is assumed of the application in the estimate: look-ups for each transaction that writes, the part of a
/// second for which a shard is busy, and how many shards there are.
const LOOKUPS_PER_WRITE: f64 = 20.0;
const BUSY: f64 = 0.5;
const SHARDS: f64 = 100.0;
/// Of LOOKUP's reply: names, key, number and the marks of the protocol.
const REPLY_BYTES: f64 = 108.0;

pub(super) fn write(figures: &[Figures], rounds: usize, machine: &[(String, String)]) -> Result<String> {
    let machine = machine.iter().map(|(name, value)| vec![name.clone(), value.clone()]);
    let mut places = vec![
        ("machine", table(&["", ""], "-", machine)),
        ("rounds", rounds.to_string()),
        ("replicas", replicas(figures)?),
        ("shards, many connections", shards(figures, Way::Parallel)?),
        ("shards, pipelined", shards(figures, Way::Pipelined)?),
    ];
    places.extend(estimate(figures)?);
    fill("bench/scaling.md", include_str!("../../scaling.md"), &places)
}

impl Figures {
    /// Medians in nanoseconds: of the wall, of the shards' CPU, and of the first replica's.
    fn medians(&self) -> Result<[f64; 3]> {
        let median = |ns: &[f64]| -> Result<f64> { Ok(summary(ns).context("nothing was measured")?.median) };
        Ok([median(&self.wall_ns)?, median(&self.cpu_ns)?, median(&self.replica_cpu_ns)?])
    }
}

/// The figures of these calls. Those of shards together, if they were together.
fn find<'a>(figures: &'a [Figures], setup: &str, ask: Ask, way: Way, when: When) -> Result<&'a Figures> {
    let fits = |of: &&Figures| of.setup == setup && of.ask == ask && of.way == way;
    let is_so = |of: &&Figures| of.when == when || of.shards == 1;
    figures.iter().filter(fits).find(is_so).context("it was not measured")
}

fn replicas(figures: &[Figures]) -> Result<String> {
    let mut lines = Vec::new();
    for setup in [ALONE, ONE_REPLICA, TWO_REPLICAS] {
        let mut line = vec![setup.to_owned()];
        for way in [Way::Parallel, Way::Pipelined] {
            let [_, primary, replica] =
                find(figures, setup, Ask::RecordCommit, way, When::InTurn)?.medians()?;
            line.push(us(primary));
            if setup == ALONE {
                line.extend(["–".to_owned(), "–".to_owned()]);
            } else {
                let [_, _, key] = find(figures, setup, Ask::KeyRo, way, When::InTurn)?.medians()?;
                line.extend([us(replica), us(key)]);
            }
        }
        lines.push(line);
    }
    let head = ["µs", "primary", "each replica", "KEY_RO", "pipelined: primary", "each replica", "KEY_RO"];
    Ok(table(&head, "-:", lines.into_iter()))
}

fn shards(figures: &[Figures], way: Way) -> Result<String> {
    let mut lines = Vec::new();
    for setup in [ALONE, ONE_SHARD, TWO_SHARDS, THREE_SHARDS] {
        let mut line = vec![setup.to_owned()];
        for ask in [Ask::Lookup, Ask::RecordCommit] {
            let in_turn = find(figures, setup, ask, way, When::InTurn)?;
            let [_, cpu, _] = in_turn.medians()?;
            let [wall, cpu_together, _] = find(figures, setup, ask, way, When::Together)?.medians()?;
            let on_paper = in_turn.shards as f64 * 1e9 / cpu;
            line.extend([us(cpu), us(cpu_together), rounded(1e9 / wall), rounded(on_paper)]);
        }
        lines.push(line);
    }
    let columns = ["together, µs", "a second, here", "a second, a core each"];
    let head =
        [&["", "LOOKUP in turn, µs"][..], &columns, &["RECORD + COMMIT in turn, µs"], &columns].concat();
    Ok(table(&head, "-:", lines.into_iter()))
}

/// The figures of the estimate, each under the name that the arithmetic in the text has for it.
fn estimate(figures: &[Figures]) -> Result<Vec<(&'static str, String)>> {
    let cpu_us = |setup, ask, way| -> Result<f64> {
        let [_, cpu, _] = find(figures, setup, ask, way, When::InTurn)?.medians()?;
        Ok(cpu / 1000.0)
    };
    let lookup = cpu_us(THREE_SHARDS, Ask::Lookup, Way::Parallel)?;
    let shard = cpu_us(THREE_SHARDS, Ask::RecordCommit, Way::Parallel)?;
    // In a pipeline, where nothing else of a call varies as much.
    let replicated = cpu_us(ONE_REPLICA, Ask::RecordCommit, Way::Pipelined)?;
    let replication = replicated - cpu_us(ALONE, Ask::RecordCommit, Way::Pipelined)?;
    let write = shard + replication.max(0.0);
    let unit = LOOKUPS_PER_WRITE * lookup + write;
    let writes = BUSY * 1e6 / unit;
    let lookups = LOOKUPS_PER_WRITE * writes;
    let mut request = Load::default();
    push(&mut request, Ask::Lookup, "alkey{100}", "", &[100; super::ROWS_PER_CALL]);
    let request_bytes: usize = request.commands().map(<[u8]>::len).sum();
    let bytes = request_bytes as f64 + REPLY_BYTES;
    let megabits = lookups * bytes * 8.0 / 1e6;
    let text = |number: f64| format!("{number:.1}");
    Ok(vec![
        ("lookup", text(lookup)),
        ("shard write", text(shard)),
        ("replication", text(replication)),
        ("write", text(write)),
        ("unit", format!("{unit:.0}")),
        ("writes", rounded(writes)),
        ("lookups", rounded(lookups)),
        ("all writes", rounded(SHARDS * writes)),
        ("all lookups", rounded(SHARDS * lookups)),
        ("bytes", format!("{bytes:.0}")),
        ("megabits", format!("{megabits:.0}")),
    ])
}

fn us(ns: f64) -> String {
    format!("{:.2}", ns / 1000.0)
}

/// With two digits that count, since the rest changes from run to run.
fn rounded(number: f64) -> String {
    let digits = 10_f64.powf(number.log10().floor() - 1.0);
    // A figure has a few digits before its point, so it is a whole number that fits.
    thousands(format!("{:.0}", (number / digits).round() * digits).parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn two_digits_are_told() {
        assert_eq!(rounded(123_456.0), "120,000");
        assert_eq!(rounded(99_600.0), "100,000");
        assert_eq!(rounded(87.4), "87");
    }
}
