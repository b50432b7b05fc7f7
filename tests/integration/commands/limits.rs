//! The limits: what is just allowed, and what is one too much. And what the server itself refuses.

use super::client::{Client, LEASE_MS_LONG, settled_server};
use crate::harness::Server;

const NAME_BYTES_MAX: usize = 4096;
const PARTS_MAX: usize = 100_000;
const NAMESPACES_MAX: usize = 16;
const TRANSACTIONS_MAX: i64 = 100_000;

#[test]
fn names_have_a_longest_length() {
    let (_server, mut client) = settled_server();
    let too_long = "-ERR a name of 4097 bytes is too long: expected at most 4096\r\n";
    let identifier = |length: usize| format!("{:x<length$}", "alkey:users#");
    let transaction = |length: usize| format!("{:x<length$}", "alkey:tx:");
    let (fits, exceeds) = (identifier(NAME_BYTES_MAX), identifier(NAME_BYTES_MAX + 1));
    let before = client.digest();
    for command in ["KEY", "LOOKUP", "KEY_RO", "EXPLAIN", "TOUCH", "TOKEN", "RECORD tx", "COMMIT tx"] {
        assert_eq!(client.text(&format!("ALKEY.{command} {exceeds}")), too_long, "{command}");
    }
    let exceeds = transaction(NAME_BYTES_MAX + 1);
    for command in ["RECORD", "COMMIT", "DISCARD", "PENDING"] {
        let identifier = if command == "RECORD" { " alkey:users#1" } else { "" };
        assert_eq!(client.text(&format!("ALKEY.{command} {exceeds}{identifier}")), too_long, "{command}");
    }
    assert_eq!((client.digest(), client.pending()), (before, vec![]));

    let name = transaction(NAME_BYTES_MAX);
    assert_eq!(client.integer(&format!("ALKEY.RECORD {name} {fits}")), 1);
    assert_eq!(client.pending(), [(name.clone(), 1)]);
    assert_eq!(client.settled(&fits), -1);
    assert_eq!(client.integer(&format!("ALKEY.COMMIT {name}")), 1);
    assert!(client.token(&fits).is_some());
    // A value may be of any length.
    client.key(&"x".repeat(1 << 20));
}

#[test]
fn only_a_few_parts_are_explained() {
    let (_server, mut client) = settled_server();
    let explain = |count| [vec!["ALKEY.EXPLAIN"], vec!["alkey:users#1"; count]].concat();
    assert!(client.raw().text(&explain(16)).starts_with("*16\r\n"));
    assert_eq!(
        client.raw().text(&explain(17)),
        "-ERR 17 arguments are too many for one call: expected at most 16\r\n"
    );
}

#[test]
fn a_call_has_so_many_parts_at_most() {
    let (_server, mut client) = settled_server();
    let calls: [(&[&str], &str); 6] = [
        (&["ALKEY.KEY"], "de"),
        (&["ALKEY.KEY_RO"], "alkey:users#1"),
        (&["ALKEY.LOOKUP"], "alkey:users#1"),
        (&["ALKEY.TOUCH"], "alkey:users#1"),
        (&["ALKEY.RECORD", "alkey:tx:1"], "alkey:users#1"),
        (&["ALKEY.COMMIT", "alkey:tx:1"], "alkey:users#1"),
    ];
    let before = client.digest();
    for (head, argument) in calls {
        let mut call = head.to_vec();
        call.resize(PARTS_MAX + 2, argument);
        assert_eq!(
            client.raw().text(&call),
            "-ERR 100001 arguments are too many for one call: expected at most 100000\r\n",
            "{head:?}"
        );
    }
    assert_eq!((client.digest(), client.pending()), (before, vec![]));
    for (head, argument) in calls {
        let mut call = head.to_vec();
        call.resize(PARTS_MAX + 1, argument);
        assert!(!client.raw().text(&call).starts_with('-'), "{head:?}");
    }
}

#[test]
fn a_call_has_so_many_namespaces_at_most() {
    let (_server, mut client) = settled_server();
    let identifiers = |count: usize| -> String {
        let namespaces: Vec<String> = (0..count).map(|tag| format!("alkey{{{tag}}}:users#1")).collect();
        namespaces.join(" ")
    };
    let before = client.digest();
    for command in ["KEY", "LOOKUP", "KEY_RO", "TOUCH"] {
        assert_eq!(
            client.text(&format!("ALKEY.{command} {}", identifiers(NAMESPACES_MAX + 1))),
            "-ERR identifiers of too many namespaces in one call: expected at most 16\r\n",
            "{command}"
        );
    }
    assert_eq!(client.digest(), before);
    assert_eq!(client.integer(&format!("ALKEY.TOUCH {}", identifiers(NAMESPACES_MAX))), 16);
    let fits = identifiers(NAMESPACES_MAX);
    client.key(&format!("{fits} {fits}"));
}

#[test]
fn so_many_transactions_are_in_flight_at_most() {
    let (_server, mut client) = settled_server();
    // In a script: a round trip for each would take long.
    let record = "for i = ARGV[1], ARGV[2] do redis.call('ALKEY.RECORD', 'tx' .. i, 'alkey:users#1') end";
    for first in (1..=TRANSACTIONS_MAX).step_by(10_000) {
        let (first, last) = (first.to_string(), (first + 9_999).to_string());
        assert_eq!(client.raw().text(&["EVAL", record, "0", &first, &last]), "$-1\r\n");
    }
    let key = client.key("alkey:*#*");
    let too_many = "-ERR too many transactions are in flight: expected at most 100000 in a namespace\r\n";
    assert_eq!(client.text("ALKEY.RECORD alkey:tx:1 alkey:users#1"), too_many);
    assert_eq!(client.text("ALKEY.PENDING alkey:tx:1"), "*0\r\n");
    assert_eq!(client.key("alkey:*#*"), key);
    // One that is in flight may go on, another namespace has a count of its own, and so it goes on after a COMMIT.
    assert_eq!(client.integer("ALKEY.RECORD tx1 alkey:users#1 alkey:users#2"), 1);
    assert_eq!(client.integer("ALKEY.RECORD alkey{shop}:tx alkey{shop}:users#1"), 1);
    assert_eq!(client.integer("ALKEY.COMMIT tx1"), 2);
    assert_eq!(client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1"), 1);
    assert_eq!(client.text("ALKEY.RECORD alkey:tx:2 alkey:users#1"), too_many);
}

#[test]
fn only_recording_is_refused_when_memory_is_full() {
    let (_server, mut client) = settled_server();
    client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1");
    client.integer("ALKEY.RECORD alkey:tx:2 alkey:users#2");
    client.ok("CONFIG SET maxmemory 1");
    assert_eq!(
        client.text("ALKEY.RECORD alkey:tx:1 alkey:users#3"),
        "-OOM command not allowed when used memory > 'maxmemory'.\r\n"
    );
    client.key("alkey:users#1");
    client.key("alkey{new}:users#1");
    assert_eq!(client.settled("alkey:users#1"), -1);
    assert_eq!(client.integer("ALKEY.COMMIT alkey:tx:1 alkey:users#4"), 2);
    assert_eq!(client.integer("ALKEY.DISCARD alkey:tx:2"), 1);
    assert_eq!(client.integer("ALKEY.TOUCH alkey:users#5"), 1);
    assert!(client.token("alkey:users#1").is_some());
    assert!(client.pending().is_empty());
}

#[test]
fn a_primary_without_its_replicas_refuses_to_write() {
    let server = Server::builder().config("min-replicas-to-write", "1").start();
    let mut client = Client::of(&server);
    client.lease_ms(LEASE_MS_LONG);
    let refused = "-NOREPLICAS Not enough good replicas to write.\r\n";
    for command in [
        "RECORD tx alkey:users#1",
        "COMMIT tx",
        "DISCARD tx",
        "TOUCH alkey:users#1",
        "KEY alkey:users#1",
        "LOOKUP alkey:users#1",
        "KEY de",
    ] {
        assert_eq!(client.text(&format!("ALKEY.{command}")), refused, "{command}");
    }
    assert_eq!(client.token("alkey:users#1"), None);
    assert!(client.pending().is_empty());
}
