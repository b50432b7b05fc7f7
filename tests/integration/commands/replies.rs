//! The exact replies of each command, in RESP2 and in RESP3, and which calls have the same key.

use std::collections::HashMap;

use super::client::{LEASE_MS_LONG, settled_server, words};
use crate::harness::{DEADLINE, wait_until};

/// A command and its reply in RESP2 and RESP3; `=` where they are the same. `|` stands for the end of a line, and
/// what differs from run to run is written as [`masked`] writes it. Each builds on those before it.
const REPLIES: &[(&str, &str, &str)] = &[
    // Keys, of identifiers and of values.
    ("ALKEY.KEY alkey:users#1", "$64|KEY|", "="),
    ("ALKEY.KEY de", "$64|KEY|", "="),
    ("ALKEY.KEY alkey:users#1 \"\" alkey:*#* -- alkey:", "$64|KEY|", "="),
    ("ALKEY.LOOKUP alkey:users#1", "*4|$3|key|$64|KEY|$7|settled|:MS|", "%2|$3|key|$64|KEY|$7|settled|:MS|"),
    ("ALKEY.LOOKUP de", "*4|$3|key|$64|KEY|$7|settled|$-1|", "%2|$3|key|$64|KEY|$7|settled|_|"),
    ("ALKEY.LOOKUP -- alkey:a#1", "*4|$3|key|$64|KEY|$7|settled|$-1|", "%2|$3|key|$64|KEY|$7|settled|_|"),
    ("ALKEY.TOKEN alkey:users#1", "$36|UUID|", "="),
    ("ALKEY.TOKEN alkey:never_seen#*", "$36|UUID|", "="),
    ("ALKEY.TOKEN alkey{never_seen}:users#1", "$-1|", "_|"),
    ("ALKEY.KEY_RO alkey:users#1 de", "$64|KEY|", "="),
    ("ALKEY.KEY_RO de", "$64|KEY|", "="),
    ("ALKEY.KEY_RO alkey:users#1 alkey{never_seen}:users#1", "$-1|", "_|"),
    (
        "ALKEY.EXPLAIN de alkey{never_seen}:users#1",
        "*2|*12|$4|part|$2|de|$4|kind|$5|value|$7|version|$-1|$6|age-ms|$-1|$6|set-by|$-1|$9|in-flight|*0|\
            *12|$4|part|$25|alkey{never_seen}:users#1|$4|kind|$3|row|$7|version|$-1|$6|age-ms|$-1|$6|set-by|$-1|\
            $9|in-flight|*0|",
        "*2|%6|$4|part|$2|de|$4|kind|$5|value|$7|version|_|$6|age-ms|_|$6|set-by|_|$9|in-flight|*0|\
            %6|$4|part|$25|alkey{never_seen}:users#1|$4|kind|$3|row|$7|version|_|$6|age-ms|_|$6|set-by|_|\
            $9|in-flight|*0|",
    ),
    // What nobody knows is committed, dropped and listed as nothing.
    ("ALKEY.COMMIT alkey:tx:1", ":0|", "="),
    ("ALKEY.DISCARD alkey:tx:1", ":0|", "="),
    ("ALKEY.PENDING", "*0|", "="),
    ("ALKEY.PENDING alkey:tx:1", "*0|", "="),
    // A transaction: recording adds, and counts what is new.
    ("ALKEY.RECORD alkey:tx:1 alkey:users#1 alkey:users#2", ":2|", "="),
    ("ALKEY.RECORD alkey:tx:1 alkey:users#2 alkey:users#3 alkey:users#3", ":1|", "="),
    ("ALKEY.RECORD alkey:tx:1 alkey:users#1", ":0|", "="),
    ("ALKEY.PENDING alkey:tx:1", "*3|$13|alkey:users#1|$13|alkey:users#2|$13|alkey:users#3|", "="),
    (
        "ALKEY.PENDING",
        "*1|*8|$11|transaction|$10|alkey:tx:1|$6|age-ms|:MS|$13|lease-left-ms|:MS|$11|identifiers|:3|",
        "*1|%4|$11|transaction|$10|alkey:tx:1|$6|age-ms|:MS|$13|lease-left-ms|:MS|$11|identifiers|:3|",
    ),
    ("ALKEY.LOOKUP alkey:users#1", "*4|$3|key|$64|KEY|$7|settled|:-1|", "%2|$3|key|$64|KEY|$7|settled|:-1|"),
    (
        "ALKEY.EXPLAIN alkey:users#1",
        "*1|*12|$4|part|$13|alkey:users#1|$4|kind|$3|row|$7|version|:STAMP|$6|age-ms|:MS|$6|set-by|$5|epoch|\
            $9|in-flight|*1|$10|alkey:tx:1|",
        "*1|%6|$4|part|$13|alkey:users#1|$4|kind|$3|row|$7|version|:STAMP|$6|age-ms|:MS|$6|set-by|$5|epoch|\
            $9|in-flight|*1|$10|alkey:tx:1|",
    ),
    ("ALKEY.LOOKUP alkey:users#4", "*4|$3|key|$64|KEY|$7|settled|:MS|", "%2|$3|key|$64|KEY|$7|settled|:MS|"),
    // Committing ends it, and can be repeated.
    ("ALKEY.COMMIT alkey:tx:1 alkey:users#3 alkey:users#4", ":4|", "="),
    ("ALKEY.COMMIT alkey:tx:1", ":0|", "="),
    ("ALKEY.COMMIT alkey:tx:1 alkey:users#1 alkey:users#2 alkey:users#1", ":2|", "="),
    ("ALKEY.COMMIT unknown alkey:users#*", ":1|", "="),
    ("ALKEY.PENDING", "*0|", "="),
    ("ALKEY.LOOKUP alkey:users#1", "*4|$3|key|$64|KEY|$7|settled|:MS|", "%2|$3|key|$64|KEY|$7|settled|:MS|"),
    // Discarding drops it.
    ("ALKEY.RECORD anything alkey:users#1 alkey:users#* alkey:*#*", ":3|", "="),
    ("ALKEY.PENDING anything", "*3|$13|alkey:users#1|$13|alkey:users#*|$9|alkey:*#*|", "="),
    ("ALKEY.DISCARD anything", ":3|", "="),
    ("ALKEY.DISCARD anything", ":0|", "="),
    ("ALKEY.COMMIT anything", ":0|", "="),
    // Touching counts what is different, in all namespaces.
    ("ALKEY.TOUCH alkey:users#1", ":1|", "="),
    ("ALKEY.TOUCH alkey:users#1 alkey:users#1 alkey:*#*", ":2|", "="),
    ("ALKEY.TOUCH alkey{a}:users#1 alkey:users#1 alkey{b}:users#1 alkey{a}:users#1 alkey{a}:a#*", ":4|", "="),
    ("ALKEY.TOKEN alkey{b}:users#1", "$36|UUID|", "="),
    // Transactions of different namespaces are listed together; one's identifiers have their namespace.
    ("ALKEY.RECORD alkey{a}:tx:1 alkey{a}:users#1", ":1|", "="),
    ("ALKEY.PENDING alkey{a}:tx:1", "*1|$16|alkey{a}:users#1|", "="),
    (
        "ALKEY.PENDING",
        "*1|*8|$11|transaction|$13|alkey{a}:tx:1|$6|age-ms|:MS|$13|lease-left-ms|:MS|$11|identifiers|:1|",
        "*1|%4|$11|transaction|$13|alkey{a}:tx:1|$6|age-ms|:MS|$13|lease-left-ms|:MS|$11|identifiers|:1|",
    ),
    ("ALKEY.DISCARD alkey{a}:tx:1", ":1|", "="),
];

#[test]
fn replies_are_exact_in_both_protocols() {
    for protocol in ["RESP2", "RESP3"] {
        let (server, _) = settled_server();
        let mut raw = if protocol == "RESP2" { server.resp2() } else { server.resp3() };
        for (command, two, three) in REPLIES {
            let expected = if protocol == "RESP2" || *three == "=" { two } else { three };
            assert_eq!(masked(&raw.text(&words(command))), *expected, "{command} in {protocol}");
        }
        // The lines of help may change; that they are strings may not.
        let help = masked(&raw.text(&["ALKEY.HELP"]));
        let lines: Vec<&str> = help.split_terminator('|').skip(1).collect();
        assert!(help.starts_with(&format!("*{}|", lines.len() / 2)), "{help}");
        for pair in lines.chunks(2) {
            assert_eq!(pair[0], format!("${}", pair[1].len()), "{}", pair[1]);
        }
    }
}

#[test]
fn pending_lists_the_oldest_first() {
    let (_server, mut client) = settled_server();
    for name in ["c", "a", "b"] {
        client.integer(&format!("ALKEY.RECORD {name} alkey:users#1"));
        wait_until(DEADLINE, "a millisecond has passed", || {
            // The last in the list is the youngest.
            let list = ages_of(&client.text("ALKEY.PENDING"));
            if list.last() == Some(&0) { Err(list) } else { Ok(()) }
        });
    }
    assert_eq!(client.pending(), [("c".into(), 1), ("a".into(), 1), ("b".into(), 1)]);
    // Recording again makes it no younger.
    client.integer("ALKEY.RECORD c alkey:users#2");
    assert_eq!(client.pending(), [("c".into(), 2), ("a".into(), 1), ("b".into(), 1)]);
    assert_eq!(client.integer("ALKEY.COMMIT c"), 2);
    assert_eq!(client.pending(), [("a".into(), 1), ("b".into(), 1)]);
}

#[test]
fn pending_tells_how_long_the_lease_is() {
    let (_server, mut client) = settled_server();
    client.integer("ALKEY.RECORD a alkey:users#1");
    let left_ms = client.lease_left_ms();
    assert!((1..=i64::from(LEASE_MS_LONG)).contains(&left_ms), "{left_ms}");
}

#[test]
fn different_calls_have_different_keys() {
    let (server, mut client) = settled_server();
    let calls: &[&[&[u8]]] = &[
        // Order matters, and repeats count.
        &[b"alkey:users#1"],
        &[b"alkey:users#2"],
        &[b"alkey:users#*"],
        &[b"alkey:*#*"],
        &[b"alkey{shop}:users#1"],
        &[b"alkey:users#1", b"alkey:users#2"],
        &[b"alkey:users#2", b"alkey:users#1"],
        &[b"alkey:users#1", b"alkey:users#1"],
        &[b"alkey:users#1", b"alkey:users#1", b"alkey:users#1"],
        &[b"alkey:users#1", b"de"],
        &[b"de", b"alkey:users#1"],
        // A part ends where it ends.
        &[b"a"],
        &[b""],
        &[b"", b""],
        &[b"ab", b"c"],
        &[b"a", b"bc"],
        &[b"abc"],
        &[b"a/b"],
        &[b"a", b"b"],
        &[b"a b"],
        // After two dashes everything is a value.
        &[b"--", b"alkey:users#1"],
        &[b"--", b"--"],
        &[b"--", b"--", b"--"],
        &[b"---"],
        &[b"--", b"--", b"alkey:users#1"],
        &[b"alkey:users#1", b"--", b"alkey:users#1"],
        // Parts are bytes.
        &[b"\0"],
        &[b"\0\0"],
        &[b"\0", b"\0"],
        &[b"a\0b"],
        &[b"\r\n"],
        &[b"\xff"],
        &[b"\xff\xfe"],
        &[b"\xef\xbf\xbd"],
        &[b"alkey:users#\0"],
        &[b"alkey:users#\0\0"],
        &[b"alkey:users#\xff"],
        &[b"alkey:us\0ers#1"],
        // What is no identifier is a value.
        &[b"alkey"],
        &[b"users#1"],
        &[b"Alkey:users#1"],
    ];
    let mut three = server.resp3();
    let mut seen = HashMap::new();
    for mode in [b"ALKEY.KEY".as_slice(), b"ALKEY.LOOKUP"] {
        for call in calls {
            let command = [&[mode], *call].concat();
            let reply = client.raw().text(&command);
            let key = reply.split("\r\n").find(|line| is_key(line)).expect("there is a key").to_owned();
            assert!(client.raw().text(&command).contains(&key), "{command:?}");
            assert!(three.text(&command).contains(&key), "{command:?}");
            if mode == b"ALKEY.KEY" {
                let read_only = [&[b"ALKEY.KEY_RO".as_slice()], *call].concat();
                assert_eq!(client.raw().text(&read_only), reply, "{read_only:?}");
            }
            if let Some(other) = seen.insert(key, command.clone()) {
                panic!("{command:?} has the key of {other:?}");
            }
        }
    }
}

#[test]
fn calls_that_say_the_same_have_the_same_key() {
    let (_server, mut client) = settled_server();
    for (one, other) in [
        ("alkey:users#1", "alkey:users#1 --"),
        ("de", "-- de"),
        ("a alkey:users#1 b", "a alkey:users#1 -- b"),
    ] {
        assert_eq!(client.key(one), client.key(other), "{one}, {other}");
    }
    // A key of values alone is the same on every server and for ever.
    assert_eq!(client.key("de"), "3c2512ce6445ff9fbc179ae65ed7067793df8b84c9b68013df4cfc346ebfdca7");
    assert_eq!(client.lookup("de").0, "3cf91dec04b6c1e4e3cb51b593638d04c97a4088961e9c82e673e5f24987fd75");
}

#[test]
fn a_token_changes_when_the_key_does() {
    let (server, mut client) = settled_server();
    let everything = ["alkey:users#1", "alkey:users#2", "alkey:users#*", "alkey:orders#1", "alkey:*#*"];
    let mut look = || -> Vec<(String, Option<String>)> {
        everything.iter().map(|identifier| (client.key(identifier), client.token(identifier))).collect()
    };
    let before = look();
    assert_eq!(look(), before);
    let mut raw = server.resp2();
    for (touched, changed) in [("alkey:users#1", "users#1 users#* *#*"), ("alkey:orders#*", "orders#1 *#*")] {
        let before = look();
        raw.text(&["ALKEY.TOUCH", touched]);
        for ((identifier, before), after) in everything.iter().zip(before).zip(look()) {
            let expected = changed.split(' ').any(|name| identifier.ends_with(name));
            assert_eq!([before.0 != after.0, before.1 != after.1], [expected; 2], "{identifier}, {touched}");
        }
    }
}

#[test]
fn there_is_no_token_where_a_key_would_begin_an_epoch() {
    let (_server, mut client) = settled_server();
    assert!(client.token("alkey:users#1").is_some());
    assert_eq!(client.token("alkey{none}:users#1"), None);
    // To ask made no namespace.
    assert_eq!(client.text("EXISTS alkey{none}"), ":0\r\n");
    // What came from elsewhere gets a new epoch from the first write command.
    client.ok("DEBUG RELOAD");
    assert_eq!(client.token("alkey:users#1"), None);
    client.key("alkey:users#1");
    assert!(client.token("alkey:users#1").is_some());
}

/// A reply on one line, in which what differs from run to run is masked: keys, tokens and times.
fn masked(reply: &str) -> String {
    let mut before = "";
    let mut masked = String::new();
    for line in reply.split_terminator("\r\n") {
        masked += match (before, line) {
            ("$64", key) if is_key(key) => "KEY",
            ("$36", token) if is_token(token) => "UUID",
            ("version", stamp) if stamp.strip_prefix(':').is_some_and(|stamp| stamp.len() == 19) => ":STAMP",
            ("age-ms" | "lease-left-ms" | "settled", ms)
                if ms.strip_prefix(':').is_some_and(|ms| ms.parse::<u64>().is_ok()) =>
            {
                ":MS"
            }
            _ => line,
        };
        masked.push('|');
        before = line;
    }
    masked
}

fn is_key(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether it is a UUID of version 8.
fn is_token(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    let digits = text.bytes().filter(|byte| *byte != b'-');
    lengths == [8, 4, 4, 4, 12]
        && digits.into_iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && text.as_bytes()[14] == b'8'
        && matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b')
}

/// The ages in a reply of PENDING, in milliseconds.
fn ages_of(reply: &str) -> Vec<u64> {
    let lines: Vec<&str> = reply.split("\r\n").collect();
    let ages = lines.windows(2).filter(|pair| pair[0] == "age-ms");
    ages.map(|pair| pair[1].trim_start_matches(':').parse().expect("a number")).collect()
}
