//! Another module calls alkey from threads of its own, under the server's lock as the module API allows: what they do is
//! done to the same state.

use std::path::Path;
use std::process::Command;

use crate::commands::client::{Client, LEASE_MS_LONG};
use crate::harness::{DEADLINE, Server, wait_until};

/// A server with alkey and with `on_thread.c`, each of whose calls has a thread of its own.
fn server_with_threads(directory: &Path) -> Server {
    let library = directory.join("on_thread.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/module_life/on_thread.c");
    let mut compiler = Command::new("cc");
    compiler
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .arg(&library)
        .arg(source)
        .arg("-lpthread");
    assert!(compiler.status().expect("a C compiler, as the build needs").success(), "cc on_thread.c");
    let library = library.to_str().expect("a path in UTF-8");
    Server::builder().module_arg("lease-ms", "1").config("loadmodule", library).start()
}

#[test]
fn calls_from_other_threads_work_on_the_same_state() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = server_with_threads(directory.path());
    let mut client = Client::of(&server);
    client.settle(&["alkey"]);
    let on_thread = |client: &mut Client, command: &str| client.text(&format!("ONTHREAD {command}"));

    // Recorded on one thread, in flight on all.
    let (before, _) = client.lookup("alkey:t#1");
    assert_eq!(on_thread(&mut client, "ALKEY.RECORD alkey:tx:1 alkey:t#1"), ":1\r\n");
    assert_eq!(client.settled("alkey:t#1"), -1);
    assert_eq!(client.pending(), [("alkey:tx:1".into(), 1)]);
    assert!(on_thread(&mut client, "ALKEY.LOOKUP alkey:t#1").ends_with(":-1\r\n"));
    assert!(on_thread(&mut client, "ALKEY.EXPLAIN alkey:t#1").contains("alkey:tx:1"));
    assert!(on_thread(&mut client, "INFO alkey").contains("alkey_transactions_in_flight:1\r\n"));
    // Committed on another one, and the other way round.
    assert_eq!(on_thread(&mut client, "ALKEY.COMMIT alkey:tx:1"), ":1\r\n");
    let (after, settled) = client.lookup("alkey:t#1");
    assert!(after != before && settled >= Some(0));
    assert!(client.pending().is_empty());
    client.integer("ALKEY.RECORD alkey:tx:2 alkey:t#1");
    assert_eq!(on_thread(&mut client, "ALKEY.DISCARD alkey:tx:2"), ":1\r\n");
    assert_eq!(client.lookup("alkey:t#1").0, after);

    // Keys, settings and the clock are the same, too.
    assert!(on_thread(&mut client, "ALKEY.KEY alkey:t#1").contains(&client.key("alkey:t#1")));
    assert_eq!(on_thread(&mut client, "CONFIG SET alkey.lease-ms 1"), "+OK\r\n");
    assert_eq!(on_thread(&mut client, "ALKEY.RECORD alkey:tx:3 alkey:t#1"), ":1\r\n");
    client.lease_ms(LEASE_MS_LONG);
    wait_until(DEADLINE, "the lease of a thread's transaction is over", || match client.pending() {
        none if none.is_empty() => Ok(()),
        left => Err(left),
    });
    // So is the term: what began on one thread counts on all.
    client.ok("SWAPDB 1 2");
    assert!(on_thread(&mut client, "ALKEY.LOOKUP alkey:t#1").ends_with(":-1\r\n"));
    let key = client.key("alkey:t#1");
    assert!(on_thread(&mut client, "ALKEY.KEY_RO alkey:t#1").contains(&key));
}
