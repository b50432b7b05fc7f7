//! What the server itself refuses, or takes away: `maxmemory` with each of its policies, a snapshot or a file that
//! can't be written, too few replicas. Whatever it is, no key comes back, and reading goes on.

use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;

use super::arguments;
use crate::commands::client::{Client, LEASE_MS_LONG, quick_server, settled_server, words};
use crate::harness::{DEADLINE, Server, wait_until};

const OOM: &str = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";

/// What only reads. After each server that refused something, all of them must answer.
const READING: [&str; 7] = [
    "ALKEY.KEY_RO alkey:users#1 alkey:*#* de",
    "ALKEY.TOKEN alkey:users#1",
    "ALKEY.EXPLAIN alkey:users#1 alkey:users#* alkey:*#* de",
    "ALKEY.PENDING",
    "ALKEY.PENDING alkey:tx:1",
    "ALKEY.HELP",
    "INFO alkey",
];

const WRITING: [&str; 6] = [
    "ALKEY.RECORD alkey:tx:1 alkey:users#1",
    "ALKEY.COMMIT alkey:tx:1 alkey:users#1",
    "ALKEY.DISCARD alkey:tx:1",
    "ALKEY.TOUCH alkey:users#1",
    "ALKEY.KEY alkey:users#1",
    "ALKEY.LOOKUP alkey:users#1",
];

/// Every writing command is refused with this error and changes nothing; every reading one answers.
#[track_caller]
fn assert_only_reading(client: &mut Client, refused: &str) {
    let before = client.digest();
    for command in WRITING {
        let reply = client.text(command);
        assert!(reply.starts_with(&format!("-{refused} ")), "{command}: {reply}");
    }
    assert_reading(client);
    assert_eq!((client.digest(), client.pending()), (before, vec![]));
}

#[track_caller]
fn assert_reading(client: &mut Client) {
    for command in READING {
        let reply = client.text(command);
        assert!(!reply.starts_with(['-', '_']) && reply != "$-1\r\n", "{command}: {reply}");
    }
}

#[test]
fn under_any_policy_a_full_server_never_gives_an_old_key() {
    for (policy, may_evict) in [
        ("noeviction", false),
        ("volatile-lru", false),
        ("volatile-lfu", false),
        ("volatile-random", false),
        ("volatile-ttl", false),
        ("allkeys-lru", true),
        ("allkeys-lfu", true),
        ("allkeys-random", true),
    ] {
        let (server, mut client) = settled_server();
        client.ok(&format!("CONFIG SET maxmemory-policy {policy}"));
        let mut keys = HashSet::new();
        for round in 0..5 {
            client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1");
            let before = client.key("alkey:users#1");
            assert!(keys.insert(before.clone()), "a key came back under {policy}");
            client.ok("CONFIG SET maxmemory 1");
            assert_eq!(client.text("ALKEY.RECORD alkey:tx:2 alkey:users#2"), OOM, "{policy}");
            assert_eq!(
                client.text("ALKEY.TOUCH alkey:users#"),
                "-ERR \"alkey:users#\" is not an identifier: expected \
                alkey:TABLE#ROW, alkey:TABLE#*, alkey:*#*, or the same with a tag as in alkey{TAG}:TABLE#ROW\r\n"
            );
            let during = client.key("alkey:users#1");
            assert!(during == before || may_evict && keys.insert(during), "an old key under {policy}");
            // What is in flight outlives the namespace.
            assert_eq!(client.settled("alkey:users#1"), -1, "{policy}");
            assert_eq!(client.integer("ALKEY.COMMIT alkey:tx:1"), 1, "{policy}");
            assert!(keys.insert(client.key("alkey:users#1")), "a key came back under {policy}");
            assert_eq!(client.integer("ALKEY.TOUCH alkey:users#1 alkey{a}:users#1"), 2, "{policy}");
            assert_eq!(client.integer("ALKEY.DISCARD alkey:tx:2"), 0, "{policy}");
            client.ok("CONFIG SET maxmemory 0");
            let evicted: u64 =
                server.info("stats", "evicted_keys").expect("a field").parse().expect("a number");
            assert_eq!(evicted > 0, may_evict, "{policy}: {evicted} evicted after {round} rounds");
        }
        assert_eq!(client.integer("ALKEY.RECORD alkey:tx:3 alkey:users#3"), 1);
    }
}

#[test]
fn a_namespace_with_a_time_to_live_may_be_evicted_or_expire() {
    let (_server, mut client) = settled_server();
    client.ok("CONFIG SET maxmemory-policy volatile-ttl");
    let mut keys = HashSet::from([client.key("alkey:users#1")]);
    assert_eq!(client.integer("EXPIRE alkey 1000"), 1);
    client.ok("CONFIG SET maxmemory 1");
    assert!(keys.insert(client.key("alkey:users#1")), "it was evicted, and a key came back");
    client.ok("CONFIG SET maxmemory 0");
    let before = client.key("alkey:users#1");
    assert_eq!(client.integer("PEXPIRE alkey 1"), 1);
    wait_until(DEADLINE, "it is expired", || {
        let key = client.key("alkey:users#1");
        if key == before { Err(key) } else { Ok(keys.insert(key)) }
    });
    assert_eq!(client.integer("PTTL alkey"), -1);
}

#[test]
fn a_client_that_is_not_evicted_is_served_as_any_other() {
    let (server, mut client) = settled_server();
    client.ok("CONFIG SET maxmemory-clients 1mb");
    let rows = arguments(0..10_000, |row| format!("alkey:a_table_of_a_name_{:0<200}#{row}", ""));
    let touch = format!("ALKEY.TOUCH{rows}");
    assert!(!is_served(&server, &words(&touch)), "a client above the limit was served");
    client.ok("CLIENT NO-EVICT on");
    assert_eq!(client.integer(&touch), 10_000);
    assert_eq!(client.string(&format!("ALKEY.KEY_RO{rows}")), Some(client.key(rows.trim())));
}

/// Whether a client that sends this gets an answer, and not the end of its connection.
fn is_served(server: &Server, command: &[&str]) -> bool {
    let mut stream =
        TcpStream::connect(("127.0.0.1", server.port())).expect("the server accepts connections");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout above zero");
    let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
    for word in command {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
    }
    let sent = stream.write_all(&bytes);
    sent.is_ok() && stream.read(&mut [0]).is_ok_and(|received| received > 0)
}

#[test]
fn too_few_replicas_stop_writing_and_not_reading() {
    let (_server, mut client) = settled_server();
    client.key("alkey:users#1");
    client.ok("CONFIG SET min-replicas-to-write 1");
    assert_only_reading(&mut client, "NOREPLICAS");
    client.ok("CONFIG SET min-replicas-to-write 0");
    client.integer("ALKEY.TOUCH alkey:users#1");
}

#[test]
fn a_snapshot_that_fails_stops_writing_if_the_operator_wants_that() {
    // A directory is where the snapshot is to go.
    let server = quick_server(&[("save", "3600 1"), ("dbfilename", "taken")]);
    fs::create_dir(server.dir().join("taken")).expect("a directory");
    let mut client = Client::of(&server);
    client.settle(&["alkey"]);
    let before = client.key("alkey:users#1");
    assert!(client.text("BGSAVE").starts_with('+'));
    wait_until(DEADLINE, "the snapshot has failed", || {
        match server.info("persistence", "rdb_last_bgsave_status").as_deref() {
            Some("err") => Ok(()),
            other => Err(other.map(str::to_owned)),
        }
    });
    assert_only_reading(&mut client, "MISCONF");

    // redis.conf.example says no: nothing that was saved is trusted anyway.
    client.ok("CONFIG SET stop-writes-on-bgsave-error no");
    assert_eq!(client.key("alkey:users#1"), before);
    for command in WRITING {
        let reply = client.text(command);
        assert!(!reply.starts_with('-'), "{command}: {reply}");
    }
    assert_ne!(client.key("alkey:users#1"), before);
    client.ok("CONFIG SET save \"\"");
}

/// The next part of the append-only file leads to a device that is always full.
#[test]
fn a_full_disk_stops_writing_and_not_reading() {
    let server =
        quick_server(&[("appendonly", "yes"), ("appendfsync", "no"), ("auto-aof-rewrite-percentage", "0")]);
    let mut client = Client::of(&server);
    client.settle(&["alkey"]);
    client.key("alkey:users#1");
    symlink("/dev/full", server.dir().join("appendonlydir/appendonly.aof.2.incr.aof")).expect("a link");
    assert!(client.text("BGREWRITEAOF").starts_with('+'));

    // The command whose effect can't be written is done; the error comes with the next.
    let mut keys = HashSet::from([client.key("alkey:users#1")]);
    wait_until(DEADLINE, "the disk is full", || {
        let reply = client.text("ALKEY.TOUCH alkey:users#1");
        if reply.starts_with("-MISCONF Errors writing to the AOF file: No space left") {
            Ok(())
        } else {
            Err(reply)
        }
    });
    client.lease_ms(LEASE_MS_LONG);
    assert_only_reading(&mut client, "MISCONF");

    client.ok("CONFIG SET appendonly no");
    assert!(keys.insert(client.key("alkey:users#1")), "a key came back");
    client.integer("ALKEY.TOUCH alkey:users#1");
    assert!(keys.insert(client.key("alkey:users#1")), "a key came back");
}

#[test]
fn on_a_full_server_scripts_may_commit_and_transactions_may_not_begin() {
    let (_server, mut client) = settled_server();
    client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1");
    let before = client.key("alkey:users#1");
    client.ok("CONFIG SET maxmemory 1");
    let script = |name: &str| format!("return redis.call('ALKEY.{name}', KEYS[1], KEYS[2])");
    let refused = client.raw().text(&["EVAL", &script("RECORD"), "2", "alkey:tx:1", "alkey:users#2"]);
    assert!(refused.starts_with("-OOM "), "{refused}");
    assert_eq!(client.raw().text(&["EVAL", &script("COMMIT"), "2", "alkey:tx:1", "alkey:users#2"]), ":2\r\n");
    assert_ne!(client.key("alkey:users#1"), before);

    // Into a transaction of its own some servers take nothing at all, whatever it is; the others take what may run.
    let before = client.digest();
    client.ok("MULTI");
    let takes_what_may_run = client.text("PING") == "+QUEUED\r\n";
    if takes_what_may_run {
        assert_eq!(client.text("ALKEY.COMMIT alkey:tx:2 alkey:users#1"), "+QUEUED\r\n");
        assert_eq!(client.text("EXEC"), "*2\r\n+PONG\r\n:1\r\n");
        assert_ne!(client.digest(), before);
    } else {
        assert_eq!(client.text("ALKEY.COMMIT alkey:tx:2 alkey:users#1"), OOM);
        assert!(client.text("EXEC").starts_with("-EXECABORT "));
        assert_eq!(client.digest(), before);
    }
    let before = client.digest();
    client.ok("MULTI");
    assert_eq!(client.text("ALKEY.RECORD alkey:tx:3 alkey:users#1"), OOM);
    assert!(client.text("EXEC").starts_with("-EXECABORT "));
    assert_eq!((client.digest(), client.pending()), (before, vec![]));
}
