//! What was measured on: the machine, and the versions of what ran.

use crate::paths;
use anyhow::{Context, Result};
use std::fs;
use std::process::Command;

/// Machine and versions, a line each.
pub(crate) fn describe() -> Result<Vec<(String, String)>> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").context("/proc/cpuinfo tells what machine this is")?;
    let field = |name: &str| {
        let mut lines = cpuinfo.lines().filter(|line| line.starts_with(name));
        lines
            .next()
            .and_then(|line| line.split_once(':'))
            .map_or("unknown", |(_, value)| value.trim())
            .to_owned()
    };
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let sha = if field("flags").split(' ').any(|flag| flag == "sha_ni") { "with" } else { "without" };
    let memory = fs::read_to_string("/proc/meminfo").context("/proc/meminfo tells the memory")?;
    let memory = memory.lines().next().unwrap_or_default().trim_start_matches("MemTotal:").trim().to_owned();
    Ok(vec![
        (
            "CPU".to_owned(),
            format!(
                "{}, family {} model {}, {cores} cores, {sha} SHA instructions",
                field("model name"),
                field("cpu family"),
                field("model")
            ),
        ),
        ("memory".to_owned(), memory),
        ("system".to_owned(), output("uname", &["-srm"])?),
        ("Redis".to_owned(), server_version()?),
        ("alkey".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("Rust".to_owned(), output("rustc", &["--version"])?),
    ])
}

/// The version of the server that is measured on, such as 7.0.15.
pub(crate) fn server_version() -> Result<String> {
    let server = paths::redis_server()?;
    let told = output(&server.display().to_string(), &["--version"])?;
    let version = told.split_whitespace().find_map(|word| word.strip_prefix("v="));
    Ok(version
        .with_context(|| format!("{} does not tell its version: {told:?}", server.display()))?
        .to_owned())
}

fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output =
        Command::new(program).args(arguments).output().with_context(|| format!("can't run {program}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
