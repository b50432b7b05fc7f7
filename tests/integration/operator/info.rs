//! `INFO alkey`: its names, which are stable, and that each number moves when, and only when, it should.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Instant;

use super::arguments;
use crate::commands::client::{Client, LEASE_MS_LONG, LEASE_MS_SHORT, settled_server};
use crate::harness::{DEADLINE, Server, wait_until};

/// The names, in the order in which they stand.
const NAMES: [&str; 18] = [
    "keys",
    "lookups",
    "records",
    "commits",
    "discards",
    "touches",
    "expired_transactions",
    "new_epochs",
    "errors",
    "namespaces",
    "tables",
    "rows",
    "memory_bytes",
    "transactions_in_flight",
    "oldest_in_flight_ms",
    "transactions_remembered",
    "flights_memory_bytes",
    "grace_left_ms",
];

/// More than any of the commands here adds.
const MANY: i64 = 1 << 40;
const GROWS: RangeInclusive<i64> = 1..=MANY;
const SHRINKS: RangeInclusive<i64> = -MANY..=-1;

/// A command, and by how much it moves which numbers.
type Case = (&'static str, &'static [(&'static str, RangeInclusive<i64>)]);

#[test]
fn the_section_has_the_names_it_promises() {
    let (server, mut client) = settled_server();
    client.key("alkey:users#1");
    let section = server.resp2().text(&["INFO", "alkey"]);
    let lines: Vec<&str> = section.lines().skip(1).filter(|line| !line.is_empty()).collect();
    assert_eq!(lines[0], "# alkey");
    let names: Vec<&str> = lines[1..].iter().map(|line| line.split_once(':').expect("a field").0).collect();
    let expected: Vec<String> =
        NAMES.iter().chain(&["namespace_0"]).map(|name| format!("alkey_{name}")).collect();
    assert_eq!(names, expected);
    // It is part of what a server tells of its modules, and of everything, but not of the default.
    for (sections, holds) in [("modules", true), ("everything", true), ("default", false), ("server", false)]
    {
        let info = server.resp2().text(&["INFO", sections]);
        assert_eq!(info.contains("\nalkey_keys:"), holds, "INFO {sections}");
    }
}

#[test]
fn each_number_moves_when_it_should_and_only_then() {
    let (server, mut client) = settled_server();
    client.key("alkey:users#1");
    client.lease_ms(LEASE_MS_LONG);
    let cases: &[Case] = &[
        ("PING", &[]),
        ("ALKEY.HELP", &[]),
        ("ALKEY.KEY alkey:users#1", &[("keys", 1..=1)]),
        ("ALKEY.KEY_RO alkey:users#1", &[("keys", 1..=1)]),
        ("ALKEY.LOOKUP alkey:users#1", &[("lookups", 1..=1)]),
        ("ALKEY.TOKEN alkey:users#1", &[]),
        ("ALKEY.EXPLAIN alkey:users#1", &[]),
        ("ALKEY.PENDING", &[]),
        (
            "ALKEY.RECORD alkey:tx:1 alkey:users#1 alkey:users#2",
            &[("records", 1..=1), ("transactions_in_flight", 1..=1), ("flights_memory_bytes", GROWS)],
        ),
        ("ALKEY.RECORD alkey:tx:1 alkey:users#1", &[("records", 1..=1)]),
        (
            "ALKEY.COMMIT alkey:tx:1",
            &[
                ("commits", 1..=1),
                ("transactions_in_flight", -1..=-1),
                ("flights_memory_bytes", SHRINKS),
                ("tables", 1..=1),
                ("rows", 2..=2),
                ("memory_bytes", GROWS),
            ],
        ),
        ("ALKEY.COMMIT alkey:tx:1", &[("commits", 1..=1)]),
        ("ALKEY.TOUCH alkey:users#2", &[("touches", 1..=1)]),
        ("ALKEY.TOUCH alkey:users#3", &[("touches", 1..=1), ("rows", 1..=1), ("memory_bytes", 0..=MANY)]),
        (
            "ALKEY.RECORD alkey{a}:tx:1 alkey{a}:orders#1",
            &[
                ("records", 1..=1),
                ("namespaces", 1..=1),
                ("new_epochs", 1..=1),
                ("memory_bytes", GROWS),
                ("transactions_in_flight", 1..=1),
                ("flights_memory_bytes", GROWS),
            ],
        ),
        (
            "ALKEY.DISCARD alkey{a}:tx:1",
            &[("discards", 1..=1), ("transactions_in_flight", -1..=-1), ("flights_memory_bytes", SHRINKS)],
        ),
        ("ALKEY.TOUCH alkey:users#*", &[("touches", 1..=1), ("rows", -3..=-3), ("memory_bytes", SHRINKS)]),
        ("ALKEY.TOUCH alkey:*#*", &[("touches", 1..=1), ("tables", -1..=-1), ("memory_bytes", SHRINKS)]),
        ("ALKEY.KEY alkey:users", &[("keys", 1..=1), ("errors", 1..=1)]),
        ("ALKEY.TOKEN users#1", &[("errors", 1..=1)]),
        ("DEL alkey{a}", &[("namespaces", -1..=-1), ("memory_bytes", SHRINKS)]),
        (
            "ALKEY.KEY alkey{a}:users#1",
            &[("keys", 1..=1), ("namespaces", 1..=1), ("new_epochs", 1..=1), ("memory_bytes", GROWS)],
        ),
        // What came from elsewhere is renewed by the first command, with grace.
        ("RENAME alkey{a} alkey{b}", &[]),
        ("ALKEY.KEY alkey{b}:users#1", &[("keys", 1..=1), ("new_epochs", 1..=1), ("grace_left_ms", GROWS)]),
        // Some servers empty a database off the main thread unless they are told not to.
        ("FLUSHALL SYNC", &[("namespaces", -2..=-2), ("memory_bytes", SHRINKS)]),
    ];
    for (command, expected) in cases {
        let before = numbers(&server);
        client.text(command);
        assert_moved(&before, &numbers(&server), command, expected);
    }
}

/// Every number that is not expected to move stands still, but for those that run with the time.
#[track_caller]
fn assert_moved(
    before: &BTreeMap<String, i64>,
    after: &BTreeMap<String, i64>,
    command: &str,
    expected: &[(&str, RangeInclusive<i64>)],
) {
    for name in NAMES {
        let moved = after[name] - before[name];
        let expected =
            expected.iter().find(|(expected, _)| *expected == name).map(|(_, range)| range.clone());
        let range = match (name, expected) {
            (_, Some(range)) => range,
            ("oldest_in_flight_ms", None) => -MANY..=MANY,
            ("grace_left_ms", None) => -MANY..=0,
            (_, None) => 0..=0,
        };
        assert!(range.contains(&moved), "{command}: {name} moved by {moved}, not {range:?}");
    }
}

#[test]
fn what_runs_with_the_time_does() {
    let (server, mut client) = settled_server();
    client.lease_ms(LEASE_MS_LONG);
    assert_eq!(numbers(&server)["oldest_in_flight_ms"], 0);
    let oldest = || numbers(&server)["oldest_in_flight_ms"];
    client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1");
    wait_until(DEADLINE, "the oldest gets older", || if oldest() >= 20 { Ok(()) } else { Err(()) });
    let age = oldest();
    let recorded = Instant::now();
    client.integer("ALKEY.RECORD alkey:tx:2 alkey:users#1");
    assert!(oldest() >= age);
    // When the oldest has ended, the next is the oldest, which was recorded 20 ms later at least.
    client.integer("ALKEY.DISCARD alkey:tx:1");
    client.integer("ALKEY.RECORD alkey:tx:3 alkey:users#1");
    let next = oldest();
    let age_max = i64::try_from(recorded.elapsed().as_millis()).expect("a short time") + 1;
    assert!(next <= age_max, "{next} ms, recorded {age_max} ms ago");
    client.integer("ALKEY.DISCARD alkey:tx:2");

    client.integer("ALKEY.DISCARD alkey:tx:3");
    client.lease_ms(LEASE_MS_SHORT);
    let before = numbers(&server);
    client.integer("ALKEY.RECORD alkey:tx:4 alkey:users#1");
    wait_until(DEADLINE, "the lease is over", || {
        let now = numbers(&server)["transactions_in_flight"];
        if now == 0 { Ok(()) } else { Err(now) }
    });
    let after = numbers(&server);
    assert_eq!(after["expired_transactions"], before["expired_transactions"] + 1);
    assert_eq!(after["transactions_remembered"], before["transactions_remembered"] + 1);
    client.integer("ALKEY.COMMIT alkey:tx:4");
    assert_eq!(numbers(&server)["transactions_remembered"], before["transactions_remembered"]);
}

#[test]
fn grace_is_as_long_as_the_lease_and_runs_down() {
    let server = Server::builder().module_arg("lease-ms", "60000").start();
    let left = || numbers(&server)["grace_left_ms"];
    let first = left();
    assert!((1..=60_000).contains(&first), "{first} ms");
    wait_until(DEADLINE, "it runs down", || if left() < first { Ok(()) } else { Err(left()) });
    let mut client = Client::of(&server);
    client.lease_ms(LEASE_MS_SHORT);
    assert!(left() > 0, "a lease that is lowered does not shorten it");
    // The next term's is as long as the lease is now.
    client.ok("REPLICAOF 127.0.0.1 1");
    client.ok("REPLICAOF NO ONE");
    wait_until(DEADLINE, "it is over", || if left() == 0 { Ok(()) } else { Err(left()) });
}

#[test]
fn the_ten_largest_namespaces_are_shown() {
    let (server, mut client) = settled_server();
    client.ok("FLUSHALL SYNC");
    for size in 1..=12 {
        let rows = arguments(0..size * 50, |row| format!("alkey{{{size}}}:users#{row}"));
        client.integer(&format!("ALKEY.TOUCH{rows}"));
    }
    client.ok("SELECT 3");
    client.raw().text(&[
        b"ALKEY.TOUCH".as_slice(),
        b"alkey{a,b=\xff\n\0}:users#1",
        b"alkey{a,b=\xff\n\0}:users#*",
    ]);
    let shown = |server: &Server| -> Vec<String> {
        (0..).map_while(|position| server.info("alkey", &format!("alkey_namespace_{position}"))).collect()
    };
    let all = shown(&server);
    assert_eq!(all.len(), 10);
    for (line, size) in all.iter().zip((3..=12).rev()) {
        let fields: Vec<&str> = line.split(',').collect();
        let [database, name, tables, rows, memory] = fields[..] else { panic!("{line}") };
        assert_eq!((database, name), ("db=0", format!("name=alkey{{{size}}}").as_str()));
        assert_eq!((tables, rows), ("tables=1", format!("rows={}", size * 50).as_str()));
        client.ok("SELECT 0");
        let usage: i64 = memory.strip_prefix("memory_bytes=").expect("its memory").parse().expect("a number");
        let usage_of_key = client.integer(&format!("MEMORY USAGE alkey{{{size}}}"));
        assert!((usage..usage + 200).contains(&usage_of_key), "{line}: {usage_of_key} bytes");
    }
    let told = numbers(&server);
    assert_eq!(
        (told["namespaces"], told["tables"], told["rows"]),
        (13, 13, (1..=12).map(|size| size * 50).sum())
    );

    // Whatever is in a name, it is one field of one line.
    client.ok("FLUSHDB SYNC");
    let [line] = &shown(&server)[..] else { panic!("{:?}", shown(&server)) };
    let start = "db=3,name=alkey{a\\x2cb=\\xff\\n\\x00},tables=1,rows=0,memory_bytes=";
    assert!(line.starts_with(start), "{line}");
}

/// All fields that are numbers.
fn numbers(server: &Server) -> BTreeMap<String, i64> {
    let section = server.resp2().text(&["INFO", "alkey"]);
    let fields = section.lines().filter_map(|line| line.strip_prefix("alkey_")?.split_once(':'));
    fields.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
}
