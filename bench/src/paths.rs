//! Where things are: the module, the server, what was measured, the documents.

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The module to measure: `ALKEY_MODULE` if it is set, else the one built beside this program.
pub(crate) fn module() -> Result<PathBuf> {
    let path = match chosen("ALKEY_MODULE") {
        Some(path) => path,
        None => env::current_exe()?.with_file_name("libalkey.so"),
    };
    path.canonicalize().with_context(|| {
        format!(
            "there is no module {}: `cargo build --release` builds it, or set ALKEY_MODULE",
            path.display()
        )
    })
}

/// The server to measure on: `ALKEY_REDIS_SERVER` if it is set, as the scripts do, else the one on PATH.
pub(crate) fn redis_server() -> Result<PathBuf> {
    if let Some(path) = chosen("ALKEY_REDIS_SERVER") {
        return Ok(path);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let Some(program) = env::split_paths(&path)
        .map(|directory| directory.join("redis-server"))
        .find(|program| program.is_file())
    else {
        bail!("no redis-server on PATH: run scripts/bench, which brings one, or set ALKEY_REDIS_SERVER");
    };
    Ok(program)
}

fn chosen(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn repository() -> &'static Path {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    bench.parent().unwrap_or(bench)
}

/// A file of the documentation.
pub(crate) fn document(name: &str) -> PathBuf {
    repository().join("docs").join(name)
}

/// The table of instructions that is committed.
pub(crate) fn instructions() -> PathBuf {
    repository().join("bench/instructions.toml")
}

/// What was measured last, until it is reported. It is beside this program, among what was built.
fn measured(job: &str) -> Result<PathBuf> {
    Ok(env::current_exe()?.with_file_name(format!("alkey-bench-{job}.toml")))
}

/// Keeps what a job has measured for the report.
pub(crate) fn keep<T: Serialize>(job: &str, measurements: &T) -> Result<()> {
    let path = measured(job)?;
    fs::write(&path, toml::to_string(measurements)?)
        .with_context(|| format!("can't write {}", path.display()))
}

/// What a job measured last.
pub(crate) fn kept<T: DeserializeOwned>(job: &str) -> Result<T> {
    let path = measured(job)?;
    let text = fs::read_to_string(&path).with_context(|| {
        format!("nothing was measured yet, {} is missing: run `scripts/bench {job}`", path.display())
    })?;
    toml::from_str(&text)
        .with_context(|| format!("{} is of another version: run `scripts/bench {job}`", path.display()))
}
