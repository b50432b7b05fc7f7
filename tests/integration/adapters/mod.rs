//! The adapter of docs/adapters.md, taken out of the document and run: with both versions of the client that it names,
//! in both protocols, while its server dies, comes back and hangs.
//!
//! It needs Node.js and that client, which nothing else here does: scripts/test brings them. Where they are missing, the
//! test says so and is passed over.

use std::fs;
use std::io::{BufRead, BufReader, Write, stderr};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Output, Stdio};
use std::thread;

use crate::harness::Server;

/// Where `need_node` of scripts/lib/need.sh puts each.
const CLIENTS: [&str; 2] = ["target/node/redis-5", "target/node/redis-6"];
const CLIENTS_IN_DOCUMENT: &str = "npm's `redis`, version 5 or 6 (`npm install redis@6`)";
const PROTOCOLS: [&str; 2] = ["2", "3"];

/// More would not be what the document promises: something to read in one go.
const LINES_MAX: usize = 90;

/// An answer that takes a quarter of it is too late, however busy the machine is.
const LEASE_MS: &str = "1000";

const AT_ONCE: usize = 4;

#[test]
fn the_adapter_in_the_documentation_works_with_each_client_and_protocol() {
    let document = document();
    assert!(document.contains(CLIENTS_IN_DOCUMENT), "the document says {CLIENTS_IN_DOCUMENT:?}");
    let adapter = code(&document);
    assert!(adapter.lines().count() <= LINES_MAX, "the adapter has {} lines", adapter.lines().count());
    let Some(clients) = clients() else { return };
    // Side by side, since they mostly wait for leases.
    thread::scope(|scope| {
        for (client, protocol) in
            clients.iter().flat_map(|client| PROTOCOLS.map(|protocol| (client, protocol)))
        {
            scope.spawn(move || {
                let passed = try_adapter(client, protocol, adapter);
                assert!(passed.status.success(), "{}, RESP{protocol}: {}", client.display(), said(&passed));
            });
        }
    });
}

/// Lines of the adapter, and what breaks them.
const BROKEN: &[(&str, &str)] = &[
    ("      await this.#record(tx, changes)\n", ""),
    ("changes).catch(() => {}), this.leaseMs / 4)", "changes).catch(() => {}), 1e9)"),
    ("await this.#send('COMMIT', tx, ...changes)", "await this.#send('DISCARD', tx)"),
    ("await this.#send('DISCARD', tx)", "await this.#send('COMMIT', tx, ...changes)"),
    ("settled !== null && settled < age", "false"),
    ("settled !== null && ", ""),
    ("settled < age", "settled < 0"),
    ("if (changes.size > 0) ", ""),
    ("    if (performance.now() - sent > this.leaseMs / 4)", "    if (false)"),
    (".catch(() => undefined)", ""),
    ("{ key: found[1], settled: found[3] }", "found"),
    ("disableOfflineQueue: true", "disableOfflineQueue: false"),
    ("  redis.on('error', (error)", "  redis.on('terminated', (error)"),
    ("sendCommand([`ALKEY.${name}`, ...args]), late])", "sendCommand([`ALKEY.${name}`, ...args])])"),
    ("throw new Error(`ALKEY.${name} failed: ${error.message}`, { cause: error })", "throw error"),
];

#[test]
fn each_line_of_the_adapter_would_be_missed() {
    let document = document();
    let adapter = code(&document);
    let Some([_, client]) = clients() else { return };
    let client = &client;
    thread::scope(|scope| {
        for first in 0..AT_ONCE {
            scope.spawn(move || {
                for (line, without) in BROKEN.iter().skip(first).step_by(AT_ONCE) {
                    let broken = adapter.replacen(line, without, 1);
                    assert_ne!(broken, adapter, "the adapter has no {line:?}");
                    let failed = try_adapter(client, "2", &broken);
                    assert!(!failed.status.success(), "the test does not miss {line:?}: {}", said(&failed));
                }
            });
        }
    });
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document() -> String {
    fs::read_to_string(root().join("docs/adapters.md")).expect("the document is there")
}

/// The first block of code in the document.
fn code(document: &str) -> &str {
    let (_, rest) = document.split_once("```js\n").expect("the document has a block of JavaScript");
    rest.split_once("```").expect("the block ends").0
}

/// The directories in which the clients are installed; none, and a line that says why, where they are not.
fn clients() -> Option<[PathBuf; 2]> {
    let clients = CLIENTS.map(|client| root().join(client));
    let missing = clients.iter().find(|client| !client.join("node_modules/redis/package.json").is_file());
    if let Some(missing) = missing {
        // Not by a macro: what these print is only shown of tests that fail.
        let path = missing.display();
        writeln!(
            stderr(),
            "skipped: docs/adapters.md is not tried, since {path} is missing: scripts/test brings it"
        )
        .expect("there is somewhere to write to");
        return None;
    }
    Some(clients)
}

/// Runs the test of this adapter with a server of its own.
fn try_adapter(client: &Path, protocol: &str, adapter: &str) -> Output {
    let mut server =
        Server::builder().module_arg("lease-ms", LEASE_MS).config("maxmemory-policy", "noeviction").start();
    let here = tempfile::Builder::new().prefix("adapter-").tempdir_in(client).expect("a directory");
    fs::write(here.path().join("alkey.mjs"), adapter).expect("the directory is writable");
    let check = root().join("tests/integration/adapters/check.mjs");
    fs::copy(check, here.path().join("check.mjs")).expect("the directory is writable");
    let mut node = Command::new("node")
        .arg(here.path().join("check.mjs"))
        .args([&server.port().to_string(), protocol, LEASE_MS])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("there is node");
    let (mut stdin, stdout) = (node.stdin.take().expect("a pipe"), node.stdout.take().expect("a pipe"));
    for line in BufReader::new(stdout).lines() {
        obey(&line.expect("text"), &mut server, &mut stdin);
    }
    if server.process_id().is_some() {
        server.signal("CONT");
    }
    node.wait_with_output().expect("it can be waited for")
}

/// Does to the server what the program asks for, and tells it.
fn obey(line: &str, server: &mut Server, stdin: &mut ChildStdin) {
    match line {
        "kill" => server.kill9(),
        "start" => server.restart(),
        "freeze" => server.signal("STOP"),
        "thaw" => server.signal("CONT"),
        _ => panic!("the program says {line:?}"),
    }
    // It may have ended.
    drop(writeln!(stdin, "done"));
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
