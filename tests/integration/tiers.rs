//! The tiers of the tests: CI says what each stage took, fails when it took too long, and leaves out what only takes long.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs lines of bash, as the scripts do after they have sourced what runs stages.
fn with_stages(lines: &str) -> (Output, String) {
    let script =
        format!("set -euo pipefail; source scripts/lib/need.sh; source scripts/lib/stages.sh; {lines}");
    let output =
        Command::new("bash").args(["-c", &script]).current_dir(root()).output().expect("there is bash");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

#[test]
fn each_stage_is_timed_and_too_many_seconds_fail() {
    let (output, said) = with_stages("stage true; stage echo a b; SECONDS=60; end_stages 60");
    assert!(output.status.success(), "{said}");
    let lines: Vec<&str> = said.lines().map(str::trim_start).collect();
    assert_eq!(lines, ["0 s  true", "0 s  echo a b", "60 s  in all"]);

    let (output, said) = with_stages("stage true; SECONDS=61; end_stages 60");
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("this took 61 s: expected at most 60 s"), "{said}");

    // What fails ends it, and is named beside what went before.
    let (output, said) = with_stages("stage true; stage false; stage echo never");
    assert!(!output.status.success() && !said.contains("never"), "{said}");
    assert!(said.contains("0 s  true\nfalse (did not end)"), "{said}");
}

#[test]
fn ci_runs_stages_alone_and_nothing_that_takes_long() {
    let ci = fs::read_to_string(root().join(".ci/run")).expect("it can be read");
    let scripts: Vec<&str> =
        ci.lines().filter(|line| line.starts_with("stage ") || line.starts_with("scripts/")).collect();
    assert!(
        scripts.len() >= 6 && scripts.iter().all(|line| line.starts_with("stage scripts/")),
        "{scripts:?}"
    );
    assert!(scripts.contains(&"stage scripts/test --all") && !ci.contains("--long"), "{ci}");
    assert!(ci.ends_with("end_stages \"${ALKEY_CI_SECONDS:-3600}\"\n"), "{ci}");
}
