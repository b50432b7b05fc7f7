//! Transactions in flight: what is not settled, leases, and grace.

use std::time::Instant;

use super::client::{Client, LEASE_MS_LONG, LEASE_MS_SHORT, fields, settled_server};
use crate::harness::{DEADLINE, Server, wait_until};

#[test]
fn what_is_in_flight_is_not_settled() {
    let (_server, mut client) = settled_server();
    let all =
        ["alkey:users#1", "alkey:users#2", "alkey:users#*", "alkey:orders#1", "alkey:orders#*", "alkey:*#*"];
    for (recorded, unsettled) in [
        ("alkey:users#1", "users#1 users#* *#*"),
        ("alkey:users#*", "users#1 users#2 users#* *#*"),
        ("alkey:*#*", "users#1 users#2 users#* orders#1 orders#* *#*"),
        ("alkey:users#1 alkey:orders#1", "users#1 users#* orders#1 orders#* *#*"),
    ] {
        let keys = all.map(|identifier| client.key(identifier));
        client.integer(&format!("ALKEY.RECORD alkey:tx:1 {recorded}"));
        for identifier in all {
            let expected = unsettled.split(' ').any(|name| identifier == format!("alkey:{name}"));
            assert_eq!(
                client.settled(identifier) < 0,
                expected,
                "{identifier} while {recorded} is in flight"
            );
        }
        // A key of several parts is settled if all of them are.
        assert_eq!(client.settled("alkey:never_seen#1 de alkey:*#*"), -1);
        // Recording changes no key, and neither does discarding.
        assert_eq!(all.map(|identifier| client.key(identifier)), keys, "{recorded}");
        client.integer("ALKEY.DISCARD alkey:tx:1");
        assert_eq!(all.map(|identifier| client.key(identifier)), keys, "{recorded}");
        assert!(all.into_iter().all(|identifier| client.settled(identifier) >= 0), "{recorded}");
    }
}

#[test]
fn what_two_transactions_hold_is_settled_when_both_have_ended() {
    let (_server, mut client) = settled_server();
    client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1");
    client.integer("ALKEY.RECORD alkey:tx:2 alkey:users#1");
    client.integer("ALKEY.COMMIT alkey:tx:1");
    assert_eq!(client.settled("alkey:users#1"), -1);
    client.integer("ALKEY.COMMIT alkey:tx:2");
    assert!(client.settled("alkey:users#1") >= 0);
}

#[test]
fn settled_is_a_lower_bound_on_the_time_since_the_last_change() {
    let (_server, mut client) = settled_server();
    for touched in ["alkey:users#1", "alkey:users#*", "alkey:*#*"] {
        let before = Instant::now();
        client.integer(&format!("ALKEY.TOUCH {touched}"));
        let touched_at = Instant::now();
        let ms = |since: Instant| i64::try_from(since.elapsed().as_millis()).expect("a short time");
        for _ in 0..20 {
            let settled = client.settled("alkey:users#1");
            assert!(settled <= ms(before), "{settled} ms, {touched}");
        }
        // It is of use only if it is near the truth: a millisecond is lost to each of two roundings, and one more.
        let (settled, least) = wait_until(DEADLINE, "it has been settled for a while", || {
            let least = ms(touched_at) - 3;
            let settled = client.settled("alkey:users#1");
            if settled > 20 { Ok((settled, least)) } else { Err(settled) }
        });
        assert!(settled >= least, "{settled} ms, at least {least}");
    }
}

#[test]
fn a_key_is_settled_since_the_last_change_of_any_part() {
    let (_server, mut client) = settled_server();
    client.integer("ALKEY.TOUCH alkey:users#1");
    let long = wait_until(DEADLINE, "the first has been settled for a while", || {
        match client.settled("alkey:users#1") {
            ms if ms > 100 => Ok(ms),
            ms => Err(ms),
        }
    });
    let before = Instant::now();
    client.integer("ALKEY.TOUCH alkey:users#2");
    for parts in ["alkey:users#1 alkey:users#2", "alkey:users#2 de alkey:users#1"] {
        let settled = client.settled(parts);
        assert!(u128::try_from(settled).unwrap() <= before.elapsed().as_millis(), "{settled} ms, {parts}");
    }
    assert!(client.settled("alkey:users#1 de") >= long);
}

#[test]
fn when_a_lease_is_over_the_next_write_command_commits() {
    let (_server, mut client) = settled_server();
    for command in ["KEY alkey:orders#1", "LOOKUP alkey:orders#1", "TOUCH alkey:orders#1", "DISCARD unknown"]
    {
        let (held, other) = (client.key("alkey:users#1"), client.key("alkey:users#2"));
        client.lease_ms(LEASE_MS_SHORT);
        // In one piece, in which the server's timer has no turn.
        client.ok("MULTI");
        for queued in [
            "ALKEY.RECORD alkey:tx:1 alkey:users#1",
            "DEBUG SLEEP 0.01",
            // What only reads ends nothing, and says nothing that is not true any more.
            "ALKEY.TOKEN alkey:users#1",
            "ALKEY.KEY_RO alkey:users#1",
            "ALKEY.PENDING alkey:tx:1",
            &format!("ALKEY.{command}"),
            "ALKEY.PENDING",
        ] {
            assert_eq!(client.text(queued), "+QUEUED\r\n");
        }
        let replies = fields(&client.call("EXEC"));
        assert_eq!(replies[2..4], [redis::Value::Nil, redis::Value::Nil], "{command}");
        assert_eq!(fields(&replies[4]).len(), 1, "{command}");
        assert_eq!(fields(&replies[6]).len(), 0, "{command}");
        client.lease_ms(LEASE_MS_LONG);
        let committed = client.key("alkey:users#1");
        assert_ne!(committed, held, "{command}");
        assert_eq!(client.key("alkey:users#2"), other, "{command}");

        // A COMMIT that comes late commits what was recorded all the same; the next one finds nothing.
        assert_eq!(client.integer("ALKEY.COMMIT alkey:tx:1"), 1, "{command}");
        let late = client.key("alkey:users#1");
        assert_ne!(late, committed, "{command}");
        assert_eq!(client.integer("ALKEY.COMMIT alkey:tx:1"), 0, "{command}");
        assert_eq!(client.key("alkey:users#1"), late, "{command}");
    }
}

#[test]
fn what_is_recorded_again_after_its_lease_is_in_flight_again() {
    let (_server, mut client) = settled_server();
    client.lease_ms(LEASE_MS_SHORT);
    client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1 alkey:users#2");
    wait_until(DEADLINE, "the lease is over", || {
        client.key("alkey:*#*");
        let pending = client.pending();
        if pending.is_empty() { Ok(()) } else { Err(pending) }
    });
    client.lease_ms(LEASE_MS_LONG);
    assert_eq!(client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#2 alkey:users#3"), 2);
    assert_eq!(client.pending(), [("alkey:tx:1".into(), 2)]);
    assert_eq!(client.settled("alkey:users#2"), -1);
    assert!(client.settled("alkey:users#1") >= 0);
    // What is remembered of it is committed with the rest.
    let before = client.key("alkey:users#1");
    assert_eq!(client.integer("ALKEY.COMMIT alkey:tx:1"), 3);
    assert_ne!(client.key("alkey:users#1"), before);
}

#[test]
fn recording_renews_the_lease_of_what_it_names() {
    let (_server, mut client) = settled_server();
    let (short, long) = (i64::from(LEASE_MS_LONG), 10 * i64::from(LEASE_MS_LONG));
    client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1 alkey:users#2");
    assert!(client.lease_left_ms() <= short);
    client.lease_ms(10 * LEASE_MS_LONG);
    client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1 alkey:users#3");
    // The lease of the second began before.
    assert!(client.lease_left_ms() <= short);
    assert_eq!(client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#2"), 0);
    assert!((short + 1..=long).contains(&client.lease_left_ms()));
    // A setting that was lowered takes nothing back.
    client.lease_ms(LEASE_MS_SHORT);
    assert_eq!(client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1 alkey:users#2 alkey:users#3"), 0);
    assert!(client.lease_left_ms() > short);
}

#[test]
fn transactions_in_flight_survive_the_loss_of_the_namespace() {
    for loss in ["FLUSHALL", "FLUSHDB", "DEL alkey", "UNLINK alkey", "DEBUG RELOAD"] {
        let (_server, mut client) = settled_server();
        client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1");
        client.lease_ms(LEASE_MS_SHORT);
        client.call(loss);
        assert_eq!(client.pending(), [("alkey:tx:1".into(), 1)], "{loss}");
        assert_eq!(client.settled("alkey:users#1"), -1, "{loss}");
        // State that was loaded is in grace as well, for as long as the longest lease that was given with it.
        assert_eq!(client.settled("alkey:users#2") < 0, loss == "DEBUG RELOAD", "{loss}");
        let before = client.key("alkey:users#1");
        assert_eq!(client.integer("ALKEY.COMMIT alkey:tx:1"), 1, "{loss}");
        assert_ne!(client.key("alkey:users#1"), before, "{loss}");
    }
}

#[test]
fn a_server_that_has_started_is_in_grace_for_one_lease() {
    const LEASE_MS: u128 = 700;
    let before = Instant::now();
    let server = Server::builder().module_arg("lease-ms", &LEASE_MS.to_string()).start();
    let mut client = Client::of(&server);
    let relaxed = client.key("alkey:users#1");
    let mut in_grace = Vec::new();
    let settled = wait_until(DEADLINE, "grace is over", || {
        let (key, settled) = client.lookup("alkey:users#1");
        if settled == Some(-1) {
            in_grace.push(key.clone());
            Err(key)
        } else {
            Ok(key)
        }
    });
    // On a slow machine grace may have been over at once; it never is too early.
    assert!(before.elapsed().as_millis() >= LEASE_MS);
    if let Some(first) = in_grace.first() {
        assert!(in_grace.iter().all(|key| key == first));
        assert_ne!(*first, settled);
        assert_ne!(client.key("alkey:users#1"), relaxed);
    }
    // After that nothing changes by itself.
    assert_eq!(client.lookup("alkey:users#1").0, settled);
    assert!(client.settled("alkey:users#1 alkey:orders#1 alkey:*#*") >= 0);
}

#[test]
fn what_came_from_elsewhere_begins_grace_with_the_first_command() {
    const LEASE_MS: u128 = 200;
    let (_server, mut client) = settled_server();
    client.ok(&format!("CONFIG SET alkey.lease-ms {LEASE_MS}"));
    client.integer("ALKEY.TOUCH alkey:users#1");
    let known = [client.key("alkey:users#1"), client.lookup("alkey:users#1").0];
    client.ok("DEBUG RELOAD");
    let before = Instant::now();
    let (in_grace, settled) = client.lookup("alkey:users#1");
    assert_eq!(settled, Some(-1));
    let relaxed = client.key("alkey:users#1");
    wait_until(DEADLINE, "grace is over", || match client.settled("alkey:users#1") {
        -1 => Err(-1),
        _ => Ok(()),
    });
    assert!(before.elapsed().as_millis() >= LEASE_MS);
    // The keys changed at the start and at the end of it, and none came back.
    let mut keys =
        [known, [relaxed, in_grace], [client.key("alkey:users#1"), client.lookup("alkey:users#1").0]]
            .concat();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 6);
}

#[test]
fn an_operator_may_trust_what_was_restored() {
    let (_server, mut client) = settled_server();
    client.ok("CONFIG SET alkey.trust-restored yes");
    client.integer("ALKEY.TOUCH alkey:users#1");
    let known = (client.key("alkey:users#1"), client.lookup("alkey:users#1").0);
    client.ok("DEBUG RELOAD");
    assert_eq!((client.key("alkey:users#1"), client.lookup("alkey:users#1").0), known);
    assert!(client.settled("alkey:users#1") >= 0);
}
