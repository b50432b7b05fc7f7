//! Three primaries, each with a replica: every call is answered where its namespace is, and sent there from elsewhere.

use crate::commands::client::{Client, LEASE_MS_LONG};
use crate::harness::{Cluster, Server};

const PRIMARIES: usize = 3;

/// Every command that names an identifier or a transaction; `NS` stands for the namespace. Of each, whether it only
/// reads, and whether it names several keys.
const COMMANDS: [(&str, bool, bool); 17] = [
    ("KEY NS:users#1", false, false),
    ("KEY de NS:users#1 -- fr", false, false),
    ("KEY NS:users#1 NS:users#*", false, true),
    ("LOOKUP NS:users#1", false, false),
    ("LOOKUP NS:users#1 NS:*#*", false, true),
    ("RECORD NS:tx:1 NS:users#1", false, true),
    ("COMMIT NS:tx:1 NS:users#1", false, true),
    ("COMMIT NS:tx:1", false, false),
    ("DISCARD NS:tx:1", false, false),
    ("TOUCH NS:users#1", false, false),
    ("TOUCH NS:users#1 NS:users#2", false, true),
    ("KEY_RO NS:users#1", true, false),
    ("KEY_RO NS:users#1 NS:users#2 de", true, true),
    ("TOKEN NS:users#1", true, false),
    ("EXPLAIN NS:users#1", true, false),
    ("EXPLAIN NS:users#1 NS:users#*", true, true),
    ("PENDING NS:tx:1", true, false),
];

#[test]
fn every_call_is_answered_where_its_namespace_is() {
    let builder = Server::builder().module_arg("lease-ms", "1");
    let cluster = Cluster::start(&builder, PRIMARIES);
    let namespaces = cluster.namespaces(PRIMARIES);
    calls_are_sent_to_their_shard(&cluster, &namespaces);
    namespaces_are_spread_and_their_keys_combined(&cluster, &namespaces);
    calls_over_several_slots_are_refused(&cluster, &namespaces);
    replicas_answer_who_only_reads(&cluster, &namespaces);
    calls_follow_a_slot_that_moves(&cluster, &namespaces[0]);
    if cluster.can_move_atomically() {
        a_slot_moves_as_a_whole(&cluster, &namespaces[2]);
    }
}

fn calls_are_sent_to_their_shard(cluster: &Cluster, namespaces: &[String]) {
    for (owner, namespace) in namespaces.iter().enumerate() {
        let moved = redirection("MOVED", cluster, namespace, owner);
        for (command, ..) in COMMANDS {
            let command = named(command, namespace);
            // A replica, even the owner's own, answers only those who said READONLY.
            for node in 0..2 * PRIMARIES {
                let reply = Client::of(cluster.node(node)).text(&command);
                if node == owner {
                    assert!(!reply.starts_with('-'), "{command} at its owner: {reply}");
                } else {
                    assert_eq!(reply, moved, "{command} at {node}");
                }
            }
        }
    }
}

fn namespaces_are_spread_and_their_keys_combined(cluster: &Cluster, namespaces: &[String]) {
    let mut keys = Vec::new();
    for (owner, namespace) in namespaces.iter().enumerate() {
        let mut client = Client::of(cluster.node(owner));
        // It has this one namespace and no other, and so has its replica.
        assert_eq!(client.text("KEYS *"), format!("*1\r\n${}\r\n{namespace}\r\n", namespace.len()));
        cluster.node(owner + PRIMARIES).catch_up_with(cluster.node(owner));
        assert_eq!(Client::of(cluster.node(owner + PRIMARIES)).text("DBSIZE"), ":1\r\n");
        keys.push(client.key(&format!("{namespace}:users#1")));
    }
    // What names no namespace needs no slot, so any node combines keys, and all of them alike.
    let combined = |node| Client::of(cluster.node(node)).key(&format!("-- {}", keys.join(" ")));
    assert_eq!(combined(0), combined(1));
    assert_eq!(combined(0), combined(2));
}

fn calls_over_several_slots_are_refused(cluster: &Cluster, namespaces: &[String]) {
    let [a, b, _] = namespaces else { panic!("there are three") };
    for command in [
        format!("ALKEY.KEY {a}:users#1 {b}:users#1"),
        format!("ALKEY.LOOKUP {a}:users#1 de {b}:users#1"),
        format!("ALKEY.RECORD {a}:tx {a}:users#1 {b}:users#1"),
        format!("ALKEY.RECORD {a}:tx {b}:users#1"),
        format!("ALKEY.COMMIT {a}:tx {b}:users#1"),
        format!("ALKEY.TOUCH {a}:users#1 {b}:users#1"),
        format!("ALKEY.KEY_RO {a}:users#1 {b}:users#1"),
        format!("ALKEY.EXPLAIN {a}:users#1 {b}:users#1"),
    ] {
        for node in 0..2 * PRIMARIES {
            let reply = Client::of(cluster.node(node)).text(&command);
            assert!(reply.starts_with("-CROSSSLOT"), "{command} at {node}: {reply}");
        }
    }
}

fn replicas_answer_who_only_reads(cluster: &Cluster, namespaces: &[String]) {
    for (owner, namespace) in namespaces.iter().enumerate() {
        let (primary, replica) = (cluster.node(owner), cluster.node(owner + PRIMARIES));
        let mut client = Client::of(primary);
        client.settle(&[namespace]);
        let row = format!("{namespace}:users#1");
        let mut reader = Client::of(replica);
        reader.ok("READONLY");
        for _ in 0..3 {
            client.integer(&format!("ALKEY.TOUCH {row}"));
            let key = client.key(&row);
            replica.catch_up_with(primary);
            assert_eq!(reader.string(&format!("ALKEY.KEY_RO {row}")), Some(key), "{row}");
        }
        let moved = redirection("MOVED", cluster, namespace, owner);
        for (command, reads, _) in COMMANDS {
            let command = named(command, namespace);
            let reply = reader.text(&command);
            if reads {
                assert!(!reply.starts_with('-'), "{command} on a replica: {reply}");
            } else {
                assert_eq!(reply, moved, "{command} on a replica");
            }
        }
        // Of other shards it knows nothing.
        let other = &namespaces[(owner + 1) % PRIMARIES];
        let sent = redirection("MOVED", cluster, other, (owner + 1) % PRIMARIES);
        assert_eq!(reader.text(&format!("ALKEY.KEY_RO {other}:users#1")), sent);
        reader.ok("READWRITE");
        assert_eq!(reader.text(&format!("ALKEY.KEY_RO {row}")), moved);
    }
}

/// The slot is on its way from the first primary to the second. What commands declare never exists as a key, so the
/// server takes it for moved already, wherever the namespace is. The second primary answers who only reads, and makes
/// and renews no namespace before the slot is its own: it would know nothing of those who recorded with the first.
fn calls_follow_a_slot_that_moves(cluster: &Cluster, namespace: &str) {
    let (from, to) = (0, 1);
    let slot = cluster.slot(namespace);
    cluster.ok(to, &["SETSLOT", &slot, "IMPORTING", &cluster.id(from)]);
    cluster.ok(from, &["SETSLOT", &slot, "MIGRATING", &cluster.id(to)]);
    let ask = redirection("ASK", cluster, namespace, to);
    let moved = redirection("MOVED", cluster, namespace, from);
    let (mut source, mut target) = (Client::of(cluster.node(from)), Client::of(cluster.node(to)));
    for is_there in [false, true] {
        if is_there {
            source.ok(&format!("MIGRATE 127.0.0.1 {} {namespace} 0 5000", cluster.node(to).port()));
        }
        for (command, reads, names_several) in COMMANDS {
            let command = named(command, namespace);
            assert_eq!(source.text(&command), ask, "{command}");
            assert_eq!(target.text(&command), moved, "{command} of one who was not sent");
            target.ok("ASKING");
            let reply = target.text(&command);
            if names_several || !reads {
                assert!(reply.starts_with("-TRYAGAIN"), "{command} of one who was sent: {reply}");
            } else {
                assert!(!reply.starts_with('-'), "{command} of one who was sent: {reply}");
            }
        }
        target.ok("ASKING");
        assert_eq!(target.text(&format!("EXISTS {namespace}")), format!(":{}\r\n", u8::from(is_there)));
    }
    cluster.ok(to, &["SETSLOT", &slot, "NODE", &cluster.id(to)]);
    cluster.ok(from, &["SETSLOT", &slot, "NODE", &cluster.id(to)]);
    cluster.wait_for_owner(namespace, to);
    for (command, ..) in COMMANDS {
        let command = named(command, namespace);
        assert_eq!(source.text(&command), redirection("MOVED", cluster, namespace, to), "{command}");
        let reply = target.text(&command);
        assert!(!reply.starts_with('-'), "{command}: {reply}");
    }
}

/// The namespace comes along, and is taken for what it is: state from elsewhere.
fn a_slot_moves_as_a_whole(cluster: &Cluster, namespace: &str) {
    let (from, to) = (2, 1);
    let (mut source, mut target) = (Client::of(cluster.node(from)), Client::of(cluster.node(to)));
    let row = format!("{namespace}:users#1");
    let key = source.key(&row);
    cluster.move_atomically(namespace, from, to);
    assert_eq!(target.text(&format!("EXISTS {namespace}")), ":1\r\n");
    assert_eq!(target.string(&format!("ALKEY.KEY_RO {row}")), None, "a write command would renew its epoch");
    target.lease_ms(LEASE_MS_LONG);
    assert_eq!(target.settled(&row), -1, "it is in grace");
    assert_ne!(target.key(&row), key);
    assert_eq!(source.text(&format!("ALKEY.KEY {row}")), redirection("MOVED", cluster, namespace, to));
}

fn named(command: &str, namespace: &str) -> String {
    format!("ALKEY.{}", command.replace("NS", namespace))
}

fn redirection(kind: &str, cluster: &Cluster, namespace: &str, to: usize) -> String {
    format!("-{kind} {} 127.0.0.1:{}\r\n", cluster.slot(namespace), cluster.node(to).port())
}
