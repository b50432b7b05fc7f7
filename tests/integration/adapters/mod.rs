//! The adapter of docs/adapters.md, taken out of the document and run.
//!
//! It needs Node.js and npm, which nothing else here does. Where they are missing, the test says so and is passed
//! over.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::harness::Server;

/// The client that the document names, in one of its versions.
const CLIENT: &str = "redis@5.9.0";
const CLIENT_IN_DOCUMENT: &str = "npm install redis@5";

/// More would not be what the document promises: something to read in one go.
const LINES_MAX: usize = 60;

const LEASE_MS: &str = "400";

#[test]
fn the_adapter_in_the_documentation_works_and_its_test_can_fail() {
    let document = fs::read_to_string(root().join("docs/adapters.md")).expect("the document is there");
    assert!(document.contains(CLIENT_IN_DOCUMENT), "the document names the client");
    let adapter = code(&document);
    assert!(adapter.lines().count() <= LINES_MAX, "the adapter has {} lines", adapter.lines().count());

    let Some(directory) = directory_with_client() else {
        eprintln!("skipped: docs/adapters.md needs node and npm to be tried, and they are not here");
        return;
    };
    let passed = try_adapter(&directory, adapter);
    assert!(passed.status.success(), "{}", said(&passed));

    // What each of these lines is for, the test must notice.
    for (line, without) in [
        ("      await this.#record(tx, changes)\n", ""),
        ("changes).catch(() => {}), this.leaseMs / 4)", "changes).catch(() => {}), 1e9)"),
        ("await this.#send('COMMIT', tx, ...changes)", "await this.#send('DISCARD', tx)"),
        ("await this.#send('DISCARD', tx)", "await this.#send('COMMIT', tx, ...changes)"),
        ("settled !== null && settled < age", "false"),
        ("settled < age", "settled < 0"),
        ("if (changes.size > 0) ", ""),
        (".catch(() => undefined)", ""),
    ] {
        let broken = adapter.replacen(line, without, 1);
        assert_ne!(broken, adapter, "the adapter has no {line:?}");
        let failed = try_adapter(&directory, &broken);
        assert!(!failed.status.success(), "the test does not miss {line:?}: {}", said(&failed));
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The first block of code in the document.
fn code(document: &str) -> &str {
    let (_, rest) = document.split_once("```js\n").expect("the document has a block of JavaScript");
    rest.split_once("```").expect("the block ends").0
}

/// A directory in which the client is installed; none where there is no npm to do it.
fn directory_with_client() -> Option<PathBuf> {
    for program in ["node", "npm"] {
        Command::new(program).arg("--version").output().ok().filter(|output| output.status.success())?;
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(CLIENT);
    if !directory.join("node_modules/redis/package.json").is_file() {
        fs::create_dir_all(&directory).expect("a directory can be made");
        let installed = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
            .arg(&directory)
            .arg(CLIENT)
            .output()
            .expect("there is npm");
        assert!(installed.status.success(), "npm can't install {CLIENT}: {}", said(&installed));
    }
    Some(directory)
}

/// Runs the test of this adapter with a server of its own.
fn try_adapter(directory: &Path, adapter: &str) -> Output {
    let server =
        Server::builder().module_arg("lease-ms", LEASE_MS).config("maxmemory-policy", "noeviction").start();
    let here = tempfile::Builder::new().prefix("adapter-").tempdir_in(directory).expect("a directory");
    fs::write(here.path().join("alkey.mjs"), adapter).expect("the directory is writable");
    let check = root().join("tests/integration/adapters/check.mjs");
    fs::copy(check, here.path().join("check.mjs")).expect("the directory is writable");
    Command::new("node")
        .arg(here.path().join("check.mjs"))
        .args([&server.port().to_string(), LEASE_MS])
        .output()
        .expect("there is node")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}
