//! Amounts that are meant to do harm: identifiers, tables and transactions without end. The server lives, and its
//! memory is bounded, by limits and not by what it is sent.

use redis::Value;

use super::arguments;
use crate::commands::client::{Client, LEASE_MS_LONG, LEASE_MS_SHORT, settled_server, words};
use crate::harness::{DEADLINE, Server, wait_until};

const MB: u64 = 1 << 20;

const IDENTIFIERS_MAX: usize = 100_000;
const TABLES_MAX: u64 = 14_000;
const TRANSACTIONS_MAX: u64 = 100_000;
const REMEMBERED_BYTES_MAX: u64 = 64 * MB;

/// A number of `INFO alkey`.
#[track_caller]
fn told(server: &Server, field: &str) -> u64 {
    let value = server.info("alkey", &format!("alkey_{field}")).expect("a field of INFO");
    value.parse().expect("a number")
}

/// Runs a script with these arguments; it says nothing.
#[track_caller]
fn run(client: &mut Client, script: &str, arguments: &[u64]) {
    let mut command = vec!["EVAL".to_owned(), script.to_owned(), "0".to_owned()];
    command.extend(arguments.iter().map(ToString::to_string));
    assert_eq!(client.raw().call(&command), Value::Nil);
}

#[test]
fn as_many_identifiers_as_a_call_may_have() {
    let (server, mut client) = settled_server();
    for command in
        ["ALKEY.KEY", "ALKEY.LOOKUP", "ALKEY.KEY_RO", "ALKEY.TOUCH", "ALKEY.RECORD", "ALKEY.COMMIT"]
    {
        let transaction = if matches!(command, "ALKEY.RECORD" | "ALKEY.COMMIT") { " alkey:tx:1" } else { "" };
        let counted = IDENTIFIERS_MAX - transaction.len().min(1);
        let rows = |count| arguments(0..count, |row| format!("alkey:t{}#{row}", row % 100));
        let (fits, exceeds) = (rows(counted), rows(counted + 1));
        let digest = client.digest();
        let refused = client.raw().text(&words(&format!("{command}{transaction}{exceeds}")));
        assert_eq!(
            refused, "-ERR 100001 arguments are too many for one call: expected at most 100000\r\n",
            "{command}"
        );
        assert_eq!((client.digest(), client.pending()), (digest, vec![]), "{command}");
        client.call(&format!("{command}{transaction}{fits}"));
        if command == "ALKEY.RECORD" {
            // Past the threshold, rows are recorded as their tables.
            assert_eq!(client.pending(), [("alkey:tx:1".to_owned(), 10_100)]);
            assert_eq!(client.integer("ALKEY.DISCARD alkey:tx:1"), 10_100);
        }
    }
    assert!(told(&server, "rows") <= 10_000, "{} rows", told(&server, "rows"));
}

#[test]
fn tables_without_end_are_swept() {
    let (server, mut client) = settled_server();
    let touch = "for first = ARGV[1], ARGV[1] + 499, 50 do local ids = {} \
                 for table = first, first + 49 do for row = 1, 10 do \
                 ids[#ids + 1] = 'alkey:table' .. table .. '#' .. row end end \
                 redis.call('ALKEY.TOUCH', unpack(ids)) end";
    let before = server.used_memory();
    let first_key = client.key("alkey:table0#1");
    let mut most = 0;
    for first in (0..100_000).step_by(500) {
        run(&mut client, touch, &[first]);
        assert!(told(&server, "tables") <= TABLES_MAX);
        most = most.max(server.used_memory());
    }
    // With its name, a table of ten rows takes some 500 bytes.
    let grown = most - before;
    assert!(grown < TABLES_MAX * 600 + MB, "{grown} bytes");
    assert!(server.info("alkey", "alkey_rows").is_some());
    assert_ne!(client.key("alkey:table0#1"), first_key);
    let key = client.key("alkey:table99999#1");
    client.integer("ALKEY.TOUCH alkey:table99999#2");
    assert_eq!(client.key("alkey:table99999#1"), key);
}

#[test]
fn transactions_without_end_are_refused_past_the_limit() {
    let (server, mut client) = settled_server();
    client.lease_ms(LEASE_MS_LONG);
    let before = server.used_memory();
    let record = "for i = ARGV[1], ARGV[1] + 9999 do \
                  redis.pcall('ALKEY.RECORD', 'alkey:tx:' .. i, 'alkey:users#' .. i) end";
    for first in (0..TRANSACTIONS_MAX + 20_000).step_by(10_000) {
        run(&mut client, record, &[first]);
    }
    assert_eq!(told(&server, "transactions_in_flight"), TRANSACTIONS_MAX);
    assert_eq!(told(&server, "errors"), 20_000);
    let grown = server.used_memory() - before;
    assert!(grown < TRANSACTIONS_MAX * 1000, "{grown} bytes");
    // Other namespaces, and what is in flight, are as they were.
    assert_eq!(client.integer("ALKEY.RECORD alkey{a}:tx:1 alkey{a}:users#1"), 1);
    assert_eq!(client.settled("alkey:users#99999"), -1);
    assert!(client.settled("alkey:users#100000") >= 0);
    assert_eq!(client.integer("ALKEY.COMMIT alkey:tx:0"), 1);
}

/// The lengths of names and rows.
const LONG: u64 = 4000;
const SHORT: u64 = 1;

#[test]
fn what_is_remembered_has_a_bound_whatever_is_long() {
    remember(20_000, LONG, LONG);
    remember(30_000, SHORT, LONG);
    remember(30_000, LONG, SHORT);
}

/// In a release build, since it is many.
#[test]
#[ignore = "takes minutes: scripts/test --long"]
fn a_million_transactions_without_end_are_remembered_up_to_a_bound() {
    remember(1_000_000, SHORT, SHORT);
    remember(1_000_000, SHORT, LONG);
    remember(1_000_000, LONG, SHORT);
}

/// With a lease that is over at once, whatever is recorded is remembered, up to so many bytes.
#[track_caller]
fn remember(count: u64, name: u64, row: u64) {
    let what = format!("{count} names of {name} bytes, rows of {row}");
    let (server, mut client) = settled_server();
    client.lease_ms(LEASE_MS_SHORT);
    let before = server.used_memory();
    let record = "local name, row = string.rep('n', ARGV[2]), string.rep('r', ARGV[3]) \
                  for i = ARGV[1], ARGV[1] + 999 do \
                  redis.call('ALKEY.RECORD', name .. i, 'alkey:t#' .. row .. i) end";
    let mut most = 0;
    for first in (0..count).step_by(1000) {
        run(&mut client, record, &[first, name, row]);
        most = most.max(server.used_memory().saturating_sub(before));
    }
    wait_until(DEADLINE, "all leases are over", || {
        client.key("alkey:users#1");
        let open = told(&server, "transactions_in_flight");
        if open == 0 { Ok(()) } else { Err(open) }
    });
    // What was committed when the leases were over is held as any row is.
    let left = server.used_memory() - before - told(&server, "memory_bytes");
    println!("{what}: {most} bytes at most, {left} in the end, of {} sent", count * (name + row));
    let bound = REMEMBERED_BYTES_MAX + REMEMBERED_BYTES_MAX / 4;
    assert!(left < bound, "{what}: {left} bytes are remembered");
    let remembered = told(&server, "transactions_remembered");
    assert!((1..count).contains(&remembered), "{what}: {remembered} are remembered");
    // The last one is, the first one is not.
    let named = |number: u64| format!("{}{number}", "n".repeat(usize::try_from(name).unwrap()));
    assert_eq!(client.integer(&format!("ALKEY.COMMIT {}", named(count - 1))), 1, "{what}");
    assert_eq!(client.integer(&format!("ALKEY.COMMIT {}", named(0))), 0, "{what}");
}

/// Writers whose COMMIT comes late leave nothing, even while an older transaction is remembered.
#[test]
fn what_was_committed_late_is_not_remembered() {
    const COUNT: u64 = 2000;
    let (server, mut client) = settled_server();
    client.lease_ms(LEASE_MS_SHORT);
    client.integer("ALKEY.RECORD dead alkey:users#1");
    let each = |command: &str, identifier: &str| {
        format!(
            "local name = string.rep('n', 4000) for i = ARGV[1], ARGV[1] + {COUNT} - 1 do \
             redis.call('{command}', name .. i{identifier}) end"
        )
    };
    let mut before = None;
    for round in 0..6 {
        run(&mut client, &each("ALKEY.RECORD", ", 'alkey:users#1'"), &[round * COUNT]);
        wait_until(DEADLINE, "all leases are over", || {
            client.key("alkey:users#1");
            let open = told(&server, "transactions_in_flight");
            if open == 0 { Ok(()) } else { Err(open) }
        });
        run(&mut client, &each("ALKEY.COMMIT", ""), &[round * COUNT]);
        assert_eq!(told(&server, "transactions_remembered"), 1);
        let now = server.used_memory();
        let before = *before.get_or_insert(now);
        assert!(now < before + 4 * MB, "{} bytes more after {round} rounds", now - before);
    }
    assert_eq!(client.integer("ALKEY.COMMIT dead"), 1);
}
