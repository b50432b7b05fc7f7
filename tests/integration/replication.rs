//! Replicas have what their primary has, answer no write command, and trust nothing of it when promoted.

use crate::commands::client::{Client, LEASE_MS_LONG, LEASE_MS_SHORT, quick_server};
use crate::harness::{DEADLINE, Server, wait_until};
use crate::persistence::fill;

/// A replicated command that fails must not go unseen.
const PANIC: (&str, &str) = ("propagation-error-behavior", "panic");

fn server() -> Server {
    quick_server(&[PANIC])
}

#[test]
fn a_full_sync_brings_what_the_primary_had() {
    for config in [
        &[PANIC, ("repl-diskless-sync", "no")][..],
        &[PANIC, ("repl-diskless-sync", "yes")],
        &[PANIC, ("repl-diskless-sync", "yes"), ("repl-diskless-load", "swapdb")],
    ] {
        let (primary, replica) = (quick_server(config), quick_server(config));
        let (mut client, mut copy) = (Client::of(&primary), Client::of(&replica));
        // What the replica held before must be gone.
        copy.integer("ALKEY.TOUCH alkey:users#1 alkey{other}:users#1");
        fill(&mut client);
        replica.replica_of(&primary);
        assert_eq!(copy.digest(), client.digest(), "{config:?}");
        assert_eq!(copy.text("EXISTS alkey{other}"), ":0\r\n", "{config:?}");
    }
}

#[test]
fn a_replica_follows_every_command() {
    let (primary, replica) = (server(), server());
    replica.replica_of(&primary);
    let (mut client, mut copy) = (Client::of(&primary), Client::of(&replica));
    let mut same = |client: &mut Client, what: &str| {
        replica.catch_up_with(&primary);
        assert_eq!(copy.digest(), client.digest(), "{what}");
        let identifiers =
            ["alkey:users#1", "alkey:users#*", "alkey:many#7", "alkey:*#*", "alkey{shop}:users#1"];
        for identifier in identifiers {
            // On the primary it is null until the first write command has renewed what was loaded or moved.
            if let Some(key) = client.string(&format!("ALKEY.KEY_RO {identifier}")) {
                let copied = copy.string(&format!("ALKEY.KEY_RO {identifier}"));
                assert_eq!(copied, Some(key), "{identifier} after {what}");
                assert_eq!(copy.token(identifier), client.token(identifier), "{identifier} after {what}");
            }
        }
        assert!(copy.pending().is_empty(), "{what}");
    };
    fill(&mut client);
    same(&mut client, "filling it");
    for command in [
        "ALKEY.KEY alkey:users#1 alkey{shop}:users#1",
        "ALKEY.LOOKUP alkey:users#1",
        "ALKEY.RECORD alkey:tx:1 alkey:users#1 alkey:users#*",
        "ALKEY.COMMIT alkey:tx:1 alkey:users#2",
        "ALKEY.RECORD alkey:tx:2 alkey:users#1",
        "ALKEY.DISCARD alkey:tx:2",
        "ALKEY.TOUCH alkey:users#1 alkey{shop}:users#1 alkey{new}:*#*",
        "ALKEY.TOUCH alkey:*#*",
        "ALKEY.TOUCH alkey:users#1",
        "RENAME alkey{new} alkey{newer}",
        "ALKEY.TOUCH alkey{newer}:users#1",
        "MOVE alkey{newer} 1",
        "DEL alkey",
        "ALKEY.TOUCH alkey:users#1",
        "FLUSHALL",
        "ALKEY.KEY alkey:users#1",
        "DEBUG RELOAD",
        "ALKEY.TOUCH alkey:users#1",
        "SELECT 1",
        "ALKEY.TOUCH alkey:users#1",
        "SWAPDB 0 1",
        "ALKEY.TOUCH alkey:users#1",
        "SELECT 0",
        "ALKEY.TOUCH alkey:users#1",
    ] {
        let reply = client.text(command);
        assert!(!reply.starts_with('-'), "{command}: {reply}");
        if !command.starts_with("SELECT 1") && !command.starts_with("SWAPDB") {
            client.ok("SELECT 0");
            same(&mut client, command);
        }
    }
    let lua = "redis.call('ALKEY.RECORD', KEYS[1], KEYS[2]) redis.call('ALKEY.COMMIT', KEYS[1]) \
               return redis.call('ALKEY.TOUCH', KEYS[2])";
    client.raw().text(&["EVAL", lua, "2", "alkey:tx:3", "alkey:users#1"]);
    same(&mut client, "a script");
    client.ok("MULTI");
    client.text("ALKEY.TOUCH alkey:users#1 alkey{shop}:users#1");
    client.text("ALKEY.KEY alkey:users#1");
    client.text("EXEC");
    same(&mut client, "a transaction of the server");
}

#[test]
fn a_replica_is_told_what_its_primary_judged() {
    let (primary, replica) = (server(), server());
    replica.replica_of(&primary);
    let (mut client, mut copy) = (Client::of(&primary), Client::of(&replica));
    client.settle(&["alkey"]);
    // The limits of the primary count, not those of the replica.
    client.ok("CONFIG SET alkey.max-rows 64");
    for row in 0..300 {
        client.integer(&format!("ALKEY.TOUCH alkey:users#{row}"));
    }
    replica.catch_up_with(&primary);
    assert_eq!(copy.digest(), client.digest());
    assert!(copy.integer("MEMORY USAGE alkey") < 6000);
    // A lease that is over is committed once, by the primary.
    let before = client.token("alkey:orders#1");
    client.lease_ms(LEASE_MS_SHORT);
    client.integer("ALKEY.RECORD alkey:tx:1 alkey:orders#1");
    wait_until(DEADLINE, "the lease is over", || {
        client.key("alkey:users#1");
        let token = client.token("alkey:orders#1");
        if token == before { Err(token) } else { Ok(()) }
    });
    replica.catch_up_with(&primary);
    assert_eq!(copy.digest(), client.digest());
    // Past the limit of tables the namespace is swept, on both.
    let tables: Vec<String> = (0..14_010).map(|table| format!("alkey:table{table}#1")).collect();
    for tables in tables.chunks(1000) {
        client.integer(&format!("ALKEY.TOUCH {}", tables.join(" ")));
    }
    replica.catch_up_with(&primary);
    assert_eq!(copy.digest(), client.digest());
    assert!(copy.integer("MEMORY USAGE alkey") < 100_000);
}

#[test]
fn a_partial_sync_brings_what_was_missed() {
    let (primary, replica) = (server(), server());
    replica.replica_of(&primary);
    let (mut client, mut copy) = (Client::of(&primary), Client::of(&replica));
    fill(&mut client);
    replica.catch_up_with(&primary);
    let partial = || primary.info("stats", "sync_partial_ok").and_then(|count| count.parse::<u32>().ok());
    let full = primary.info("stats", "sync_full");
    let before = partial().expect("it is counted");
    // The replica can't read while it sleeps, so what is committed meanwhile comes with the partial sync.
    assert_eq!(client.integer("CLIENT KILL TYPE replica"), 1);
    client.integer("ALKEY.TOUCH alkey:users#1 alkey:users#2 alkey{shop}:*#*");
    wait_until(DEADLINE, "the replica is back", || match partial() {
        Some(count) if count > before => Ok(()),
        other => Err(other),
    });
    client.integer("ALKEY.TOUCH alkey:users#1");
    replica.catch_up_with(&primary);
    assert_eq!(copy.digest(), client.digest());
    assert_eq!(primary.info("stats", "sync_full"), full);
}

#[test]
fn a_replica_passes_on_what_it_is_told() {
    let (primary, last) = (server(), server());
    let mut middle = quick_server(&[PANIC, ("appendonly", "yes"), ("appendfsync", "always")]);
    middle.replica_of(&primary);
    last.replica_of(&middle);
    let mut client = Client::of(&primary);
    fill(&mut client);
    client.integer("ALKEY.TOUCH alkey:users#1 alkey{shop}:users#1");
    middle.catch_up_with(&primary);
    last.catch_up_with(&middle);
    let digest = client.digest();
    assert_eq!(Client::of(&last).digest(), digest);
    // Its own append-only file has all of it, too.
    middle.kill9();
    middle.restart();
    assert_eq!(middle.info("replication", "role").as_deref(), Some("master"));
    assert_eq!(Client::of(&middle).digest(), digest);
}

#[test]
fn a_replica_answers_no_write_command() {
    let (primary, replica) = (server(), server());
    Client::of(&primary).integer("ALKEY.TOUCH alkey:users#1 alkey{shop}:users#1");
    replica.replica_of(&primary);
    let mut copy = Client::of(&replica);
    let digest = copy.digest();
    for (read_only, refused) in [
        ("yes", "-READONLY You can't write against a read only replica.\r\n"),
        ("no", "-READONLY You can't write against a replica: alkey expected the primary\r\n"),
    ] {
        copy.ok(&format!("CONFIG SET replica-read-only {read_only}"));
        for command in [
            "RECORD alkey:tx:1 alkey:users#1",
            "COMMIT alkey:tx:1",
            "COMMIT alkey:tx:1 alkey:users#1",
            "DISCARD alkey:tx:1",
            "TOUCH alkey:users#1",
            "TOUCH alkey:users#1 alkey{shop}:users#1",
            "KEY alkey:users#1",
            "KEY de",
            "KEY alkey{new}:users#1",
            "KEY alkey:users#1 alkey{shop}:users#1",
            "LOOKUP alkey:users#1",
            "LOOKUP de",
        ] {
            assert_eq!(copy.text(&format!("ALKEY.{command}")), refused, "{command}");
        }
        let apply = copy.text("ALKEY.APPLY alkey effect");
        if read_only == "yes" {
            assert_eq!(apply, refused);
        } else {
            let internal =
                "-ERR alkey.apply is internal: expected only from a primary or an append-only file\r\n";
            assert_eq!(apply, internal);
        }
        // What only reads does answer.
        assert!(copy.token("alkey:users#1").is_some());
        assert!(copy.string("ALKEY.KEY_RO alkey:users#1 alkey{shop}:users#1 de").is_some());
        assert!(copy.text("ALKEY.EXPLAIN alkey:users#1 de").starts_with("*2\r\n"));
        assert!(copy.pending().is_empty());
    }
    assert_eq!(copy.digest(), digest);
    assert_eq!(copy.text("EXISTS alkey{new}"), ":0\r\n");
}

#[test]
fn a_promoted_replica_has_new_keys_and_is_in_grace() {
    let (one, other) = (server(), server());
    let mut seen = std::collections::HashSet::new();
    let (mut first, mut second) = (Client::of(&one), Client::of(&other));
    first.settle(&["alkey"]);
    second.lease_ms(LEASE_MS_LONG);
    let mut new_keys = |client: &mut Client| {
        for identifier in ["alkey:users#1", "alkey:users#2", "alkey:*#*"] {
            assert!(seen.insert(client.key(identifier)), "the key of {identifier} came back");
            assert!(seen.insert(client.lookup(identifier).0), "the strict key of {identifier} came back");
        }
    };
    first.integer("ALKEY.TOUCH alkey:users#1");
    new_keys(&mut first);
    other.replica_of(&one);
    // The transaction is lost with the primary; the writer may commit it all the same.
    first.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1");
    other.catch_up_with(&one);
    second.ok("REPLICAOF NO ONE");
    assert!(second.pending().is_empty());
    // What was replicated is not trusted by those who only read, either: they wait until it is entered.
    let token = first.token("alkey:users#1");
    assert_ne!(second.token("alkey:users#1"), token);
    assert_eq!(second.settled("alkey:users#2"), -1);
    new_keys(&mut second);
    second.integer("ALKEY.COMMIT alkey:tx:1 alkey:users#1");
    assert!(seen.insert(second.key("alkey:users#1")));

    // There and back: the first has its own last term behind it.
    one.replica_of(&other);
    second.integer("ALKEY.TOUCH alkey:users#2");
    one.catch_up_with(&other);
    assert_eq!(first.digest(), second.digest());
    first.ok("REPLICAOF NO ONE");
    assert_eq!(first.settled("alkey:users#2"), -1);
    for identifier in ["alkey:users#1", "alkey:users#2", "alkey:*#*"] {
        assert!(seen.insert(first.key(identifier)), "the key of {identifier} came back");
    }
}

#[test]
fn a_change_of_role_without_a_sync_is_a_new_term() {
    let (server, elsewhere) = (server(), server());
    let mut client = Client::of(&server);
    client.settle(&["alkey"]);
    let before = client.key("alkey:users#1");
    // The other is gone before anything could come from it.
    let port = elsewhere.port();
    drop(elsewhere);
    client.ok(&format!("REPLICAOF 127.0.0.1 {port}"));
    client.ok("REPLICAOF NO ONE");
    assert_ne!(client.key("alkey:users#1"), before);
    assert_eq!(client.settled("alkey:users#1"), -1);
}
