//! What keys depend on, and what they don't: the predecessor's behaviour that its users keep, in a server.

use super::client::{Client, LEASE_MS_LONG, LEASE_MS_SHORT, settled_server};
use crate::harness::{DEADLINE, wait_until};

/// One of every kind.
const ALL: [&str; 6] =
    ["alkey:users#1", "alkey:users#2", "alkey:users#*", "alkey:orders#1", "alkey:orders#*", "alkey:*#*"];

/// What is committed together, and what it changes of [`ALL`].
const CHANGES: [(&str, &str); 8] = [
    ("alkey:users#1", "users#1 users#* *#*"),
    ("alkey:users#1 alkey:users#2", "users#1 users#2 users#* *#*"),
    ("alkey:users#3", "users#* *#*"),
    ("alkey:users#*", "users#1 users#2 users#* *#*"),
    ("alkey:users#1 alkey:orders#1", "users#1 users#* orders#1 orders#* *#*"),
    ("alkey:users#* alkey:orders#2", "users#1 users#2 users#* orders#* *#*"),
    ("alkey:new#1", "*#*"),
    ("alkey:*#*", "users#1 users#2 users#* orders#1 orders#* *#*"),
];

#[test]
fn a_key_changes_exactly_when_what_it_names_is_committed() {
    let (_server, mut client) = settled_server();
    let keys =
        |client: &mut Client| ALL.map(|identifier| (client.key(identifier), client.lookup(identifier).0));
    // What nobody has looked up has a key, and looking again gives the same.
    let mut before = keys(&mut client);
    assert_eq!(keys(&mut client), before);
    for (committed, changed) in CHANGES {
        for commands in [
            vec![format!("RECORD alkey:tx:1 {committed}"), "COMMIT alkey:tx:1".into()],
            vec![format!("RECORD alkey:tx:1 {committed}"), format!("COMMIT alkey:tx:1 {committed}")],
            vec![format!("COMMIT alkey:tx:1 {committed}")],
            vec![format!("TOUCH {committed}")],
        ] {
            for command in &commands {
                assert_eq!(keys(&mut client), before, "before {command}");
                client.integer(&format!("ALKEY.{command}"));
            }
            let after = keys(&mut client);
            for ((identifier, before), after) in ALL.iter().zip(&before).zip(&after) {
                let expected = changed.split(' ').any(|name| *identifier == format!("alkey:{name}"));
                assert_eq!(
                    [before.0 != after.0, before.1 != after.1],
                    [expected; 2],
                    "{identifier} after {commands:?}"
                );
            }
            before = after;
            assert_eq!(keys(&mut client), before, "after {commands:?}");
        }
    }
}

#[test]
fn a_key_of_several_parts_changes_with_any_of_them() {
    let (_server, mut client) = settled_server();
    let parts = "de alkey:users#1 alkey:orders#* 2024";
    for (touched, changes) in [
        ("alkey:users#1", true),
        ("alkey:users#2", false),
        ("alkey:orders#7", true),
        ("alkey:new#1", false),
        ("alkey:*#*", true),
    ] {
        let before = client.key(parts);
        client.integer(&format!("ALKEY.TOUCH {touched}"));
        assert_eq!(client.key(parts) != before, changes, "{touched}");
    }
}

#[test]
fn rows_committed_together_have_different_keys() {
    let (_server, mut client) = settled_server();
    client.integer("ALKEY.COMMIT alkey:tx:1 alkey:users#1 alkey:users#2 alkey:orders#1");
    let keys = ["alkey:users#1", "alkey:users#2", "alkey:orders#1"].map(|identifier| client.key(identifier));
    assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
}

#[test]
fn one_commit_applies_all_that_its_transaction_recorded_and_nothing_else() {
    let (server, mut one) = settled_server();
    let mut other = Client::of(&server);
    one.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1");
    other.integer("ALKEY.RECORD alkey:tx:2 alkey:users#2");
    one.integer("ALKEY.RECORD alkey:tx:1 alkey:orders#1");
    one.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1");
    let before = ALL.map(|identifier| one.key(identifier));
    // Which connection a transaction speaks over does not matter: its name does.
    assert_eq!(other.integer("ALKEY.COMMIT alkey:tx:1"), 2);
    let changed = [0, 1, 2, 3, 4, 5].map(|nth| one.key(ALL[nth]) != before[nth]);
    assert_eq!(changed, [true, false, true, true, true, true]);
    assert_eq!(one.pending(), [("alkey:tx:2".into(), 1)]);
    assert_eq!(one.integer("ALKEY.COMMIT alkey:tx:2"), 1);
    assert_ne!(one.key("alkey:users#2"), before[1]);
}

#[test]
fn what_was_discarded_is_not_committed_later() {
    let (_server, mut client) = settled_server();
    let before = ALL.map(|identifier| client.key(identifier));
    client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1 alkey:orders#*");
    assert_eq!(client.integer("ALKEY.DISCARD alkey:tx:1"), 2);
    assert_eq!(client.integer("ALKEY.COMMIT alkey:tx:1"), 0);
    assert_eq!(ALL.map(|identifier| client.key(identifier)), before);
}

#[test]
fn losing_the_state_changes_every_key() {
    let (_server, mut client) = settled_server();
    let parts = ["alkey:users#1", "alkey:users#*", "alkey:*#*"];
    let mut seen = std::collections::HashSet::new();
    for loss in
        ["PING", "FLUSHALL", "FLUSHDB ASYNC", "DEL alkey", "UNLINK alkey", "DEBUG RELOAD", "EXPIRE alkey -1"]
    {
        client.call(loss);
        for identifier in parts {
            let key = client.key(identifier);
            assert_eq!(client.key(identifier), key);
            assert!(seen.insert(key), "the key of {identifier} came back after {loss}");
        }
        client.integer("ALKEY.TOUCH alkey:users#1");
    }
}

#[test]
fn namespaces_and_databases_are_separate() {
    let (_server, mut client) = settled_server();
    client.settle(&["alkey{shop}", "alkey{Shop}"]);
    client.ok("SELECT 1");
    client.settle(&["alkey"]);
    let places = [(0, "alkey"), (0, "alkey{shop}"), (0, "alkey{Shop}"), (1, "alkey")];
    let look = |client: &mut Client| {
        places.map(|(database, namespace)| {
            client.ok(&format!("SELECT {database}"));
            let row = format!("{namespace}:users#1");
            (client.key(&row), client.settled(&row) >= 0, client.pending().len())
        })
    };
    for (nth, (database, namespace)) in places.into_iter().enumerate() {
        let before = look(&mut client);
        assert!(before.iter().all(|(_, settled, pending)| *settled && *pending == 0));
        client.ok(&format!("SELECT {database}"));
        client.integer(&format!("ALKEY.RECORD {namespace}:tx:1 {namespace}:*#*"));
        for (place, ((key, settled, pending), then)) in look(&mut client).into_iter().zip(&before).enumerate()
        {
            assert_eq!(key, then.0);
            assert_eq!(
                settled,
                place != nth,
                "{:?} while {database} {namespace} is in flight",
                places[place]
            );
            assert_eq!(pending, usize::from(places[place].0 == database));
        }
        client.ok(&format!("SELECT {database}"));
        client.integer(&format!("ALKEY.COMMIT {namespace}:tx:1"));
        for (place, ((key, ..), then)) in look(&mut client).into_iter().zip(&before).enumerate() {
            assert_eq!(key != then.0, place == nth, "{:?} after {database} {namespace}", places[place]);
        }
    }
}

#[test]
fn a_large_transaction_is_recorded_as_its_tables() {
    let (_server, mut client) = settled_server();
    client.ok("CONFIG SET alkey.sweep-threshold 2");
    assert_eq!(client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1 alkey:orders#1"), 2);
    assert!(client.settled("alkey:users#2") >= 0);
    assert_eq!(client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#2 alkey:users#3 alkey:users#1"), 1);
    assert_eq!(
        client.text("ALKEY.PENDING alkey:tx:1"),
        "*3\r\n$13\r\nalkey:users#1\r\n$14\r\nalkey:orders#1\r\n$13\r\nalkey:users#*\r\n"
    );
    assert_eq!(client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#9"), 0);
    let before =
        ["alkey:users#77", "alkey:orders#77", "alkey:orders#1"].map(|identifier| client.key(identifier));
    assert_eq!([client.settled("alkey:users#77"), client.settled("alkey:users#1")], [-1, -1]);
    assert!(client.settled("alkey:orders#77") >= 0);
    assert_eq!(client.integer("ALKEY.COMMIT alkey:tx:1"), 3);
    assert_ne!(client.key("alkey:users#77"), before[0]);
    assert_eq!(client.key("alkey:orders#77"), before[1]);
    assert_ne!(client.key("alkey:orders#1"), before[2]);
    assert!(client.settled("alkey:users#77") >= 0);
    // It holds for what is committed at once, too.
    let before = client.key("alkey:users#77");
    assert_eq!(client.integer("ALKEY.TOUCH alkey:users#1 alkey:users#2 alkey:users#3 alkey:users#4"), 3);
    assert_ne!(client.key("alkey:users#77"), before);
}

#[test]
fn a_table_past_its_rows_changes_a_part_of_its_keys() {
    const NEVER_WRITTEN: u64 = 2000;
    let (_server, mut client) = settled_server();
    client.ok("CONFIG SET alkey.max-rows 64");
    let keys = |client: &mut Client| -> Vec<String> {
        (0..NEVER_WRITTEN).map(|row| client.key(&format!("alkey:users#unwritten{row}"))).collect()
    };
    let other = client.key("alkey:orders#1");
    let before = keys(&mut client);
    for row in 0..64 {
        client.integer(&format!("ALKEY.TOUCH alkey:users#{row}"));
    }
    assert_eq!(keys(&mut client), before);
    client.integer("ALKEY.TOUCH alkey:users#64");
    let after = keys(&mut client);
    let changed = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    // One floor of 64, or a few if there were no rows on the first.
    assert!((1..NEVER_WRITTEN / 2).contains(&(changed as u64)), "{changed} of {NEVER_WRITTEN} changed");
    assert_eq!(client.key("alkey:orders#1"), other);
    // What is held is bounded, however many are written; and each write still changes its row.
    let mut most = 0;
    for row in 100..1100 {
        let row = format!("alkey:users#{row}");
        let before = client.key(&row);
        client.integer(&format!("ALKEY.TOUCH {row}"));
        assert_ne!(client.key(&row), before);
        most = most.max(client.integer("MEMORY USAGE alkey"));
    }
    assert!(most < 6000, "{most} bytes for 64 rows");
}

#[test]
fn what_a_lease_had_committed_is_not_taken_back_by_a_discard() {
    let (_server, mut client) = settled_server();
    let before = client.key("alkey:users#1");
    client.lease_ms(LEASE_MS_SHORT);
    client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1");
    client.lease_ms(LEASE_MS_LONG);
    let committed = wait_until(DEADLINE, "the lease is over", || {
        let key = client.key("alkey:users#1");
        if key == before { Err("unchanged") } else { Ok(key) }
    });
    assert_eq!(client.integer("ALKEY.DISCARD alkey:tx:1"), 1);
    assert_eq!(client.key("alkey:users#1"), committed);
    assert_eq!(client.integer("ALKEY.COMMIT alkey:tx:1"), 0);
}
