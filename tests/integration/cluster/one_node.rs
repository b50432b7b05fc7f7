//! A cluster of one node: namespaces need a hash tag, and what is written under one is found again.
//!
//! Servers from Redis 7.4 on answer a write to a key outside the slot of the declared ones with OK, and lose it.

use crate::commands::client::Client;
use crate::harness::{DEADLINE, Server, wait_until};

fn node(config: &[(&str, &str)]) -> (Server, Client) {
    let builder = Server::builder().module_arg("lease-ms", "1");
    let server =
        config.iter().fold(builder, |builder, (name, value)| builder.config(name, value)).cluster().start();
    let client = Client::of(&server);
    (server, client)
}

#[test]
fn every_command_works_under_a_tag() {
    let (_server, mut client) = node(&[]);
    client.settle(&["alkey{shop}"]);
    let before = client.key("alkey{shop}:users#1 de");
    assert_eq!(client.text("EXISTS alkey{shop}"), ":1\r\n");
    assert_eq!(client.integer("ALKEY.RECORD alkey{shop}:tx:1 alkey{shop}:users#1 alkey{shop}:users#*"), 2);
    assert_eq!(client.settled("alkey{shop}:users#1"), -1);
    assert_eq!(client.pending(), [("alkey{shop}:tx:1".into(), 2)]);
    assert!(client.text("ALKEY.PENDING alkey{shop}:tx:1").starts_with("*2\r\n"));
    assert_eq!(client.integer("ALKEY.COMMIT alkey{shop}:tx:1"), 2);
    let committed = client.key("alkey{shop}:users#1 de");
    assert_ne!(committed, before);
    assert_eq!(client.string("ALKEY.KEY_RO alkey{shop}:users#1 de"), Some(committed.clone()));
    assert!(client.token("alkey{shop}:users#1").is_some());
    assert!(client.text("ALKEY.EXPLAIN alkey{shop}:users#1").starts_with("*1\r\n"));
    assert!(client.settled("alkey{shop}:users#1") >= 0);
    assert_eq!(client.integer("ALKEY.RECORD alkey{shop}:tx:2 alkey{shop}:users#1"), 1);
    assert_eq!(client.integer("ALKEY.DISCARD alkey{shop}:tx:2"), 1);
    assert_eq!(client.key("alkey{shop}:users#1 de"), committed);
    assert_eq!(client.integer("ALKEY.TOUCH alkey{shop}:*#*"), 1);
    assert_ne!(client.key("alkey{shop}:users#1 de"), committed);
    // A key that spans namespaces is made of one key in each, and needs none itself.
    assert_eq!(client.key("-- k1 k2").len(), 64);
    assert_eq!(client.text("DBSIZE"), ":1\r\n");
}

#[test]
fn every_write_is_found_again() {
    for (config, save) in [
        (&[][..], "SAVE"),
        (&[("appendonly", "yes"), ("appendfsync", "always")], "PING"),
        (&[("appendonly", "yes"), ("aof-use-rdb-preamble", "no")], "BGREWRITEAOF"),
    ] {
        let builder = Server::builder().module_arg("trust-restored", "yes");
        let builder = config.iter().fold(builder, |builder, (name, value)| builder.config(name, value));
        let mut server = builder.cluster().start();
        let mut client = Client::of(&server);
        // Each of these makes its namespace, in the slot of what it names.
        for (nth, command) in [
            "KEY alkey{0}:users#1",
            "LOOKUP alkey{1}:users#1",
            "RECORD alkey{2}:tx alkey{2}:users#1",
            "COMMIT alkey{3}:tx alkey{3}:users#1",
            "COMMIT alkey{4}:tx",
            "DISCARD alkey{5}:tx",
            "TOUCH alkey{6}:users#1",
            // The tag is what stands between the first brace and the next that closes, whatever else is in it.
            "TOUCH alkey{{7}:users#1 alkey{{7}:us{x}ers#{1}",
        ]
        .into_iter()
        .enumerate()
        {
            let key = if nth == 7 { "alkey{{7}".into() } else { format!("alkey{{{nth}}}") };
            client.call(&format!("ALKEY.{command}"));
            assert_eq!(client.text(&format!("EXISTS {key}")), ":1\r\n", "{command}");
            let slot = client.integer(&format!("CLUSTER KEYSLOT {key}"));
            assert_eq!(client.integer(&format!("CLUSTER COUNTKEYSINSLOT {slot}")), 1, "{command}");
        }
        let digest = client.digest();
        client.call(save);
        wait_until(DEADLINE, "it is saved", || match server.info("persistence", "aof_rewrite_in_progress") {
            Some(running) if running == "0" => Ok(()),
            other => Err(other),
        });
        server.kill9();
        server.restart();
        let mut client = Client::of(&server);
        assert_eq!(client.text("DBSIZE"), ":8\r\n", "{save}");
        assert_eq!(client.digest(), digest, "{save}");
    }
}

#[test]
fn a_namespace_without_a_tag_is_refused() {
    let (_server, mut client) = node(&[]);
    let refused = "-ERR \"alkey\" has no hash tag: in cluster mode expected one right after alkey, as in \
                   alkey{TAG}:TABLE#ROW\r\n";
    for command in [
        "RECORD alkey:users#1 alkey:users#1",
        "COMMIT alkey:tx:1",
        "COMMIT alkey:users#1 alkey:users#1",
        "COMMIT tx",
        "DISCARD alkey:tx:1",
        "DISCARD {shop}",
        "TOUCH alkey:users#1",
        "KEY alkey:users#1",
        "KEY de alkey:us{shop}ers#1 alkey{shop}:users#1",
        "LOOKUP alkey:users#1",
        "KEY_RO alkey:users#1",
        "TOKEN alkey:users#1",
        "EXPLAIN alkey:users#1",
        "PENDING alkey:tx:1",
    ] {
        assert_eq!(client.text(&format!("ALKEY.{command}")), refused, "{command}");
    }
    // A name that only happens to be in the slot does not make a namespace.
    let other = client.text("ALKEY.RECORD {shop}tx alkey{shop}:users#1");
    assert!(
        other.starts_with("-ERR \"alkey{shop}:users#1\" is not in the transaction's namespace"),
        "{other}"
    );
    assert_eq!(client.text("DBSIZE"), ":0\r\n");
    assert!(client.pending().is_empty());
}

#[test]
fn the_server_refuses_a_call_over_several_slots() {
    let (_server, mut client) = node(&[]);
    let refused = "-CROSSSLOT Keys in request don't hash to the same slot\r\n";
    for command in [
        "KEY alkey{a}:users#1 alkey{b}:users#1",
        "LOOKUP alkey{a}:users#1 de alkey{b}:users#1",
        "KEY_RO alkey{a}:users#1 alkey{b}:users#1",
        "TOUCH alkey{a}:users#1 alkey{b}:users#1",
        "RECORD alkey{a}:tx alkey{b}:users#1",
        "RECORD tx alkey{a}:users#1",
        "COMMIT alkey{a}:tx alkey{a}:users#1 alkey{b}:users#1",
        "EXPLAIN alkey{a}:users#1 alkey{b}:users#1",
    ] {
        assert_eq!(client.text(&format!("ALKEY.{command}")), refused, "{command}");
    }
    // Values are no keys, whatever they look like.
    client.key("alkey{a}:users#1 -- alkey{b}:users#1");
    assert_eq!(client.text("EXISTS alkey{b}"), ":0\r\n");
}

#[test]
fn a_namespace_that_is_missing_may_have_been_elsewhere() {
    let (server, mut client) = node(&[]);
    client.settle(&["alkey{shop}"]);
    client.lease_ms(200);
    wait_until(DEADLINE, "the server's own grace is over", || {
        match server.info("alkey", "alkey_grace_left_ms") {
            Some(left) if left == "0" => Ok(()),
            left => Err(left),
        }
    });
    assert!(client.settled("alkey{shop}:users#1") >= 0);
    assert_eq!(client.integer("DEL alkey{shop}"), 1);
    // It may have been moved here, with writers that know its last node: so there is grace.
    assert_eq!(client.settled("alkey{shop}:users#1"), -1);
}
