//! Finds the module that was just built, and refuses any other.
//!
//! `cargo test` leaves the module beside the test binary, in `target/<profile>/deps/`. The one in
//! `target/<profile>/` is only renewed by `cargo build`, so it may be of any age.
//!
//! Whether the module is fresh is judged as cargo judges it: the compiler wrote the list of files that the
//! module was made from beside it (`alkey.d`), and none of them may be newer. Any other file, such as a unit
//! test of `src/` or an editor's backup, makes cargo rebuild nothing and so must not raise an alarm here. For
//! the same reason `Cargo.toml` and `Cargo.lock` are not looked at: cargo compares what they say, not when they
//! were written, and a checkout of another branch and back makes them newer than a module that is up to date.
//! What they say reaches the module as long as the run of the compiler that makes the library of the tests
//! (the rlib) makes the module too. That is checked instead.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

const HOW_TO_BUILD: &str = "`cargo test` builds it";

/// The module just built. Panics if it is missing or stale.
///
/// Judged once in a run, so that the sources can be edited while the tests run.
pub(crate) fn module_path() -> &'static Path {
    static MODULE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    MODULE
        .get_or_init(|| {
            let test_binary = env::current_exe().expect("the test binary knows where it is");
            let deps = test_binary.parent().expect("the test binary is in a directory");
            find_module(deps, Path::new(env!("CARGO_MANIFEST_DIR")))
        })
        .as_deref()
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The module in `deps`, if it is as new as the sources it was made from, whose names are relative to `root`.
pub(crate) fn find_module(deps: &Path, root: &Path) -> Result<PathBuf, String> {
    let module = deps.join("libalkey.so");
    let Ok(built) = modified(&module) else {
        return Err(format!("the module {} is missing: {HOW_TO_BUILD}", module.display()));
    };

    let list = deps.join("alkey.d");
    let listed = fs::read_to_string(&list)
        .map_err(|error| format!("can't tell what the module was made from, {}: {error}", list.display()))?;
    let sources = sources_of("libalkey.so", &listed)
        .ok_or_else(|| format!("{} says nothing about libalkey.so: {HOW_TO_BUILD}", list.display()))?;
    if sources_of("libalkey.rlib", &listed).is_none() {
        return Err(format!(
            "the module {} may be stale: `cargo test` does not rebuild it unless `crate-type` in Cargo.toml holds \"rlib\" too",
            module.display()
        ));
    }

    for source in sources {
        let source = root.join(source);
        let stale = |why: &str| {
            format!("the module {} is stale: {} {why}: {HOW_TO_BUILD}", module.display(), source.display())
        };
        match modified(&source) {
            Ok(changed) if changed <= built => {}
            Ok(_) => return Err(stale("is newer")),
            Err(error) => return Err(stale(&format!("can't be read ({error})"))),
        }
    }
    Ok(module)
}

/// The files that `product` was made from, out of the compiler's list: lines of `product: source source`, in
/// which a space inside a name is written `\ `. None if there is no line for the product.
fn sources_of(product: &str, listed: &str) -> Option<Vec<PathBuf>> {
    let sources = listed.lines().find_map(|line| {
        let (made, sources) = line.split_once(": ")?;
        (Path::new(made).file_name()? == product).then_some(sources)
    })?;
    let names = sources.replace("\\ ", "\0");
    Some(names.split_whitespace().map(|name| PathBuf::from(name.replace('\0', " "))).collect())
}

fn modified(path: &Path) -> std::io::Result<SystemTime> {
    fs::metadata(path)?.modified()
}
