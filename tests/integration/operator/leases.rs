//! Leases and grace that are over end by themselves: readers who enter nothing hear of a dead writer, too.

use crate::commands::client::{Client, LEASE_MS_LONG, LEASE_MS_SHORT, quick_server, settled_server};
use crate::harness::{DEADLINE, Server, wait_until};

/// Records under a lease of a moment, as a writer that dies then.
fn record_and_die(client: &mut Client, transaction: &str, identifier: &str) {
    client.lease_ms(LEASE_MS_SHORT);
    client.integer(&format!("ALKEY.RECORD {transaction} {identifier}"));
    client.lease_ms(LEASE_MS_LONG);
}

/// Waits until KEY_RO gives another key than this one; returns it.
#[track_caller]
fn other_key_than(client: &mut Client, row: &str, key: &str) -> String {
    let mut found = None;
    wait_until(DEADLINE, "KEY_RO gives another key", || {
        found = client.string(&format!("ALKEY.KEY_RO {row}")).filter(|found| found != key);
        if found.is_some() { Ok(()) } else { Err(key.to_owned()) }
    });
    found.expect("it was just found")
}

fn field(server: &Server, name: &str) -> u64 {
    let value = server.info("alkey", name).expect("a field of INFO");
    value.parse().expect("a number")
}

#[test]
fn readers_who_enter_nothing_get_new_keys_once_a_writer_has_died() {
    let (primary, mut client) = settled_server();
    let replica = Server::start();
    replica.replica_of(&primary);
    let mut reader = Client::of(&replica);
    let key = client.key("alkey:users#1");
    replica.catch_up_with(&primary);
    assert_eq!(reader.string("ALKEY.KEY_RO alkey:users#1").as_deref(), Some(&*key));

    // One that tracks is told, and one of another database's namespace reads that.
    let mut tracker = primary.resp3();
    tracker.call(&["CLIENT", "TRACKING", "ON"]);
    tracker.call(&["ALKEY.KEY_RO", "alkey:users#1"]);
    record_and_die(&mut client, "alkey:tx:1", "alkey:users#1");
    let told = String::from_utf8_lossy(&tracker.read_bytes()).into_owned();
    assert!(told.contains("invalidate") && told.contains("alkey:users#1"), "{told}");

    let new = other_key_than(&mut reader, "alkey:users#1", &key);
    assert_eq!(client.string("ALKEY.KEY_RO alkey:users#1"), Some(new));
    assert!(client.pending().is_empty());
    assert_eq!(field(&primary, "alkey_expired_transactions"), 1);
    assert_eq!(field(&primary, "alkey_oldest_in_flight_ms"), 0);
    replica.catch_up_with(&primary);
    assert_eq!(reader.digest(), client.digest());
}

#[test]
fn every_database_and_namespace_is_looked_after() {
    let (_server, mut client) = settled_server();
    let mut keys = Vec::new();
    for database in 0..3 {
        client.ok(&format!("SELECT {database}"));
        for namespace in ["alkey{a}", "alkey{b}"] {
            client.settle(&[namespace]);
            let row = format!("{namespace}:t#1");
            keys.push((database, row.clone(), client.key(&row)));
            record_and_die(&mut client, &format!("{namespace}:tx"), &row);
        }
    }
    for (database, row, key) in keys {
        client.ok(&format!("SELECT {database}"));
        other_key_than(&mut client, &row, &key);
    }
}

/// A lease that is shorter than those which run is not kept waiting for them.
#[test]
fn the_first_lease_that_is_over_ends_first() {
    let (server, mut client) = settled_server();
    client.integer("ALKEY.RECORD alkey:tx:long alkey:t#1");
    client.key("alkey{other}:t#1");
    client.settle(&["alkey{other}"]);
    record_and_die(&mut client, "alkey{other}:tx:short", "alkey{other}:t#1");
    wait_until(DEADLINE, "the short lease is over", || {
        let left = client.pending();
        if left == [("alkey:tx:long".into(), 1)] { Ok(()) } else { Err(left) }
    });
    assert_eq!(field(&server, "alkey_expired_transactions"), 1);
}

#[test]
fn grace_ends_by_itself_and_its_keys_with_it() {
    let (primary, mut client) = settled_server();
    let replica = Server::start();
    replica.replica_of(&primary);
    let epochs_before = field(&primary, "alkey_new_epochs");
    client.lease_ms(300);
    client.ok("SWAPDB 1 2");
    let in_grace = client.key("alkey:users#1");
    replica.catch_up_with(&primary);
    // Nobody sends a write command any more.
    let after = other_key_than(&mut Client::of(&replica), "alkey:users#1", &in_grace);
    assert_eq!(field(&primary, "alkey_new_epochs"), epochs_before + 2);
    assert_eq!(client.key("alkey:users#1"), after);
}

/// What a primary lost with its last moments, its replicas' readers must not go on with.
#[test]
fn after_a_start_everything_is_entered_without_being_named() {
    let mut primary = quick_server(&[("appendonly", "yes"), ("appendfsync", "always")]);
    let replica = quick_server(&[]);
    let mut client = Client::of(&primary);
    client.settle(&["alkey", "alkey{other}"]);
    let keys = ["alkey:t#1", "alkey{other}:t#1"].map(|row| (row, client.key(row)));
    primary.kill9();
    primary.restart();
    replica.replica_of(&primary);
    let mut reader = Client::of(&replica);
    for (row, key) in keys {
        other_key_than(&mut reader, row, &key);
    }
    // Each got an epoch at the start, and one when its grace was over.
    wait_until(DEADLINE, "grace is over", || match field(&primary, "alkey_new_epochs") {
        4 => Ok(()),
        epochs => Err(epochs),
    });
    // The same when the role changes, there and back.
    let key = Client::of(&primary).key("alkey:t#1");
    let mut client = Client::of(&primary);
    client.ok("REPLICAOF 127.0.0.1 1");
    client.ok("REPLICAOF NO ONE");
    replica.wait_for_sync_with(&primary);
    other_key_than(&mut reader, "alkey:t#1", &key);
}

#[test]
fn where_what_is_restored_is_trusted_a_start_changes_nothing() {
    let mut server = Server::builder()
        .module_arg("trust-restored", "yes")
        .config("appendonly", "yes")
        .config("appendfsync", "always")
        .start();
    let key = Client::of(&server).key("alkey:t#1");
    server.kill9();
    server.restart();
    let mut client = Client::of(&server);
    assert_eq!(client.string("ALKEY.KEY_RO alkey:t#1").as_deref(), Some(&*key));
    assert_eq!(client.key("alkey:t#1"), key);
    assert_eq!(field(&server, "alkey_new_epochs"), 0);
}

#[test]
fn dead_writers_of_a_namespace_that_is_gone_are_given_up_and_make_none() {
    let (server, mut client) = settled_server();
    client.integer("ALKEY.RECORD alkey:tx:0 alkey:t#1");
    for ended in ["FLUSHALL", "DEL alkey", "SET alkey something"] {
        client.ok("FLUSHALL");
        client.key("alkey:t#2");
        // In one piece: the timer comes after it.
        client.lease_ms(LEASE_MS_SHORT);
        client.ok("MULTI");
        for queued in ["ALKEY.RECORD alkey:tx:1 alkey:t#1", ended] {
            assert_eq!(client.text(queued), "+QUEUED\r\n");
        }
        client.call("EXEC");
        client.lease_ms(LEASE_MS_LONG);
        let before = client.text("DBSIZE");
        wait_until(DEADLINE, "the dead writer is given up", || {
            let left = client.pending();
            if left == [("alkey:tx:0".into(), 1)] { Ok(()) } else { Err(left) }
        });
        assert_eq!(client.text("DBSIZE"), before, "{ended}");
    }
    assert_eq!(server.info("alkey", "alkey_transactions_in_flight").as_deref(), Some("1"));
}

/// A replica knows of nothing in flight, and a primary that becomes one forgets what it knew.
#[test]
fn a_primary_that_is_demoted_tells_of_no_flights() {
    let (server, mut client) = settled_server();
    client.integer("ALKEY.RECORD alkey:tx:1 alkey:t#1");
    let explained = |client: &mut Client| client.text("ALKEY.EXPLAIN alkey:t#1").contains("alkey:tx:1");
    assert!(explained(&mut client));
    client.ok("REPLICAOF 127.0.0.1 1");
    assert!(client.pending().is_empty() && !explained(&mut client));
    assert_eq!(client.text("ALKEY.PENDING alkey:tx:1"), "*0\r\n");
    for name in [
        "alkey_transactions_in_flight",
        "alkey_transactions_remembered",
        "alkey_oldest_in_flight_ms",
        "alkey_flights_memory_bytes",
        "alkey_grace_left_ms",
    ] {
        assert_eq!(field(&server, name), 0, "{name}");
    }
    // When it is promoted again, grace covers what it forgot.
    client.ok("REPLICAOF NO ONE");
    assert_eq!(client.settled("alkey:t#1"), -1);
    assert!(client.pending().is_empty());
    // A COMMIT that names what changed needs no memory.
    assert_eq!(client.integer("ALKEY.COMMIT alkey:tx:1 alkey:t#1"), 1);
}
