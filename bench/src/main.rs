//! Measures alkey beside what one would do instead, on servers of its own.
//!
//! - `compare`: server CPU and waiting time of each operation and its alternatives, interleaved in rounds.
//! - `scale`: memory and stalls at size.
//! - `report`: docs/benchmarks.md and its plots, from what these two and the committed table have found.
//! - `scaling`: replicas, and namespaces spread over the shards of a cluster. Writes docs/scaling.md.
//! - `instructions`: what one call costs in instructions, counted by callgrind; checked against the committed table.
//!
//! It knows the module as a client does: nothing of its code is linked in. `scripts/bench` and
//! `scripts/bench-instructions` build the module and run this.

mod compare;
mod instructions;
mod load;
mod machine;
mod operation;
mod paths;
mod progress;
mod report;
mod rows;
mod scale;
mod scaling;
mod server;
mod statistics;
mod subject;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about, version)]
struct Arguments {
    #[command(subcommand)]
    job: Job,
}

#[derive(Subcommand)]
enum Job {
    /// Measures each operation beside its alternatives
    Compare {
        /// How often each is measured
        #[arg(long, default_value_t = 15)]
        rounds: usize,
    },
    /// Measures memory and stalls at size
    Scale,
    /// Measures replicas and shards, and writes docs/scaling.md
    Scaling {
        /// How often each is measured
        #[arg(long, default_value_t = 15)]
        rounds: usize,
    },
    /// Writes docs/benchmarks.md and its plots from what was measured last
    Report,
    /// Counts the instructions of each operation, and prints them beside the committed table
    Instructions {
        /// Fail if an operation got dearer than the committed table allows
        #[arg(long, conflicts_with = "write")]
        check: bool,
        /// Make what was counted the committed table
        #[arg(long)]
        write: bool,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().job {
        Job::Compare { rounds } => compare::run(rounds),
        Job::Scale => scale::run(),
        Job::Scaling { rounds } => scaling::run(rounds),
        Job::Report => report::run(),
        Job::Instructions { check, write } => instructions::run(check, write),
    }
}
