//! CLIENT TRACKING: a client that asked KEY_RO is told when what it named was committed by name.

use redis::{PushKind, Value};

use crate::commands::client::{Client, fields, settled_server, text_of, words};
use crate::harness::{DEADLINE, Raw, Server, wait_until};

/// A client that caches on its own side, in RESP3.
struct Tracker(Raw);

impl Tracker {
    fn of(server: &Server, options: &str) -> Self {
        let mut raw = server.resp3();
        let on = format!("CLIENT TRACKING ON{options}");
        assert_eq!(raw.text(&words(&on)), "+OK\r\n");
        Self(raw)
    }

    fn call(&mut self, command: &str) -> Value {
        self.0.call(&words(command))
    }

    /// The keys that it was told to forget since the last call, sorted.
    fn told(&mut self) -> Vec<String> {
        self.0.send(&["PING"]);
        let mut told = Vec::new();
        loop {
            match self.0.read() {
                Value::Push { kind: PushKind::Invalidate, data } => match &data[..] {
                    [Value::Nil] => told.push("everything".to_owned()),
                    [keys] => told.extend(fields(keys).iter().map(text_of)),
                    _ => panic!("{data:?}"),
                },
                reply => {
                    assert_eq!(text_of(&reply), "PONG");
                    told.sort();
                    return told;
                }
            }
        }
    }
}

#[test]
fn a_client_that_tracks_is_told_of_what_it_named() {
    let (server, mut client) = settled_server();
    client.key("alkey:users#1");
    for (asked, command, expected) in [
        ("ALKEY.KEY_RO alkey:users#1", "ALKEY.TOUCH alkey:users#1", ["alkey:users#1"].as_slice()),
        ("ALKEY.KEY_RO alkey:users#1", "ALKEY.COMMIT alkey:tx:1 alkey:users#1", &["alkey:users#1"]),
        ("ALKEY.KEY_RO alkey:users#1", "ALKEY.TOUCH alkey:users#2", &[]),
        // Of sweeps, those who named the row hear nothing: they name the table and the namespace, too.
        ("ALKEY.KEY_RO alkey:users#1", "ALKEY.TOUCH alkey:users#*", &[]),
        ("ALKEY.KEY_RO alkey:users#1 alkey:users#*", "ALKEY.TOUCH alkey:users#*", &["alkey:users#*"]),
        (
            "ALKEY.KEY_RO alkey:users#1 alkey:users#*",
            "ALKEY.TOUCH alkey:users#1",
            &["alkey:users#*", "alkey:users#1"],
        ),
        ("ALKEY.KEY_RO alkey:users#1 alkey:*#*", "ALKEY.TOUCH alkey:*#*", &["alkey:*#*"]),
        ("ALKEY.KEY_RO alkey:users#1 alkey:*#*", "ALKEY.TOUCH alkey:orders#1", &["alkey:*#*"]),
        // What is no identifier is not tracked.
        ("ALKEY.KEY_RO alkey:users#1 de -- alkey:users#2", "SET de 1", &[]),
        ("ALKEY.KEY_RO alkey:users#1 de -- alkey:users#2", "ALKEY.TOUCH alkey:users#2", &[]),
        // TOKEN and EXPLAIN read, too.
        ("ALKEY.TOKEN alkey:users#1", "ALKEY.TOUCH alkey:users#1", &["alkey:users#1"]),
        ("ALKEY.EXPLAIN alkey:users#1", "ALKEY.TOUCH alkey:users#1", &["alkey:users#1"]),
        // KEY and LOOKUP are write commands: they track nothing.
        ("ALKEY.KEY alkey:users#1", "ALKEY.TOUCH alkey:users#1", &[]),
        // Looking changes nothing, nor does what is refused or only recorded.
        ("ALKEY.KEY_RO alkey:users#1 alkey:*#*", "ALKEY.KEY alkey:users#1 alkey:*#*", &[]),
        ("ALKEY.KEY_RO alkey:users#1 alkey:*#*", "ALKEY.LOOKUP alkey:users#1 alkey:*#*", &[]),
        ("ALKEY.KEY_RO alkey:users#1 alkey:*#*", "ALKEY.RECORD alkey:tx:1 alkey:users#1", &[]),
        ("ALKEY.KEY_RO alkey:users#1 alkey:*#*", "ALKEY.DISCARD alkey:tx:1", &[]),
        ("ALKEY.KEY_RO alkey:users#1 alkey:*#*", "ALKEY.TOUCH alkey:users#1 alkey:users", &[]),
        ("ALKEY.KEY_RO alkey:users#1", "FLUSHALL", &["everything"]),
    ] {
        let mut tracker = Tracker::of(&server, "");
        tracker.call(asked);
        client.text(command);
        assert_eq!(tracker.told(), expected, "{asked}, then {command}");
    }
}

#[test]
fn a_client_that_tracks_is_told_of_a_new_epoch_by_the_name_of_everything() {
    let (server, mut client) = settled_server();
    client.key("alkey:users#1");
    let mut tracker = Tracker::of(&server, "");
    let key = tracker.call("ALKEY.KEY_RO alkey:users#1 alkey:*#*");
    client.ok("SWAPDB 1 2");
    wait_until(DEADLINE, "the tracker is told", || match tracker.told() {
        told if told == ["alkey:*#*"] => Ok(()),
        told => Err(told),
    });
    assert_ne!(tracker.call("ALKEY.KEY_RO alkey:users#1 alkey:*#*"), key);
}

#[test]
fn what_a_client_caches_by_the_notice_is_never_old() {
    let (server, mut client) = settled_server();
    client.key("alkey:users#1");
    let mut tracker = Tracker::of(&server, "");
    let mut keys = std::collections::HashSet::new();
    for _ in 0..20 {
        let key = text_of(&tracker.call("ALKEY.KEY_RO alkey:users#1"));
        assert!(keys.insert(key.clone()), "a key came back");
        assert_eq!(tracker.told(), [""; 0]);
        assert_eq!(text_of(&tracker.call("ALKEY.KEY_RO alkey:users#1")), key);
        client.integer("ALKEY.TOUCH alkey:users#1");
        assert_eq!(tracker.told(), ["alkey:users#1"]);
    }
}

#[test]
fn a_client_may_track_all_of_a_prefix() {
    let (server, mut client) = settled_server();
    client.key("alkey:users#1 alkey{a}:users#1");
    let mut tracker = Tracker::of(&server, " BCAST PREFIX alkey:users#");
    let mut everything = Tracker::of(&server, " BCAST PREFIX alkey");
    for (command, expected, of_everything) in [
        ("ALKEY.KEY alkey:users#1", [].as_slice(), [].as_slice()),
        (
            "ALKEY.TOUCH alkey:users#7",
            &["alkey:users#*", "alkey:users#7"],
            &["alkey", "alkey:*#*", "alkey:users#*", "alkey:users#7"],
        ),
        ("ALKEY.TOUCH alkey:orders#7", &[], &["alkey", "alkey:*#*", "alkey:orders#*", "alkey:orders#7"]),
        ("ALKEY.TOUCH alkey:users#*", &["alkey:users#*"], &["alkey", "alkey:*#*", "alkey:users#*"]),
        (
            "ALKEY.TOUCH alkey{a}:users#7",
            &[],
            &["alkey{a}", "alkey{a}:*#*", "alkey{a}:users#*", "alkey{a}:users#7"],
        ),
    ] {
        client.text(command);
        assert_eq!(tracker.told(), expected, "{command}");
        assert_eq!(everything.told(), of_everything, "{command}");
    }
}

#[test]
fn a_client_of_a_replica_is_told_that_something_was_applied() {
    let (primary, mut client) = settled_server();
    client.key("alkey:users#1");
    let replica = Server::start();
    replica.replica_of(&primary);
    let mut tracker = Tracker::of(&replica, "");
    tracker.call("ALKEY.KEY_RO alkey:users#1 alkey:*#*");
    client.integer("ALKEY.TOUCH alkey:users#1");
    replica.catch_up_with(&primary);
    // The effect names rows by their fingerprints alone.
    assert_eq!(tracker.told(), ["alkey:*#*"]);
    assert_eq!(
        text_of(&tracker.call("ALKEY.KEY_RO alkey:users#1")),
        Client::of(&primary).key("alkey:users#1"),
    );
}
