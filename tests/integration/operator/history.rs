//! A random history of a thousand commands, after which all copies are equal: the replica's, and what each kind of
//! file on disk gives back. Nothing is judged twice: the replica has other settings, and panics on what it can't do.

use std::fs;
use std::path::PathBuf;

use redis::Value;

use super::random::Random;
use super::steps::{Command, DATABASES, NAMESPACES, Steps, command};
use crate::commands::client::Client;
use crate::harness::{DEADLINE, Raw, Server, wait_until};

const STEPS: usize = 1000;

/// So often everything is compared, so that a failure tells roughly where it began.
const STEPS_BETWEEN_CHECKS: usize = 100;

const PANIC: (&str, &str) = ("propagation-error-behavior", "panic");

#[test]
fn after_a_random_history_all_copies_are_equal() {
    let mut steps = Steps::new(Random::from_seed());
    let mut primary = Server::builder()
        .config(PANIC.0, PANIC.1)
        .config("appendonly", "yes")
        .config("appendfsync", "no")
        .config("auto-aof-rewrite-percentage", "0")
        .config("repl-backlog-size", "16mb")
        .module_arg("lease-ms", "20")
        .module_arg("max-rows", "64")
        .start();
    let replica = Server::builder().config(PANIC.0, PANIC.1).module_arg("max-rows", "1000000").start();
    replica.replica_of(&primary);

    let mut raw = primary.resp2();
    let mut partial_syncs_before = 0;
    for step in 0..STEPS {
        match step {
            // What comes now reaches the replica by a partial sync. It has caught up before: some servers copy
            // everything if a replica was cut off while it waited for the end of a FLUSHDB.
            250 => {
                replica.catch_up_with(&primary);
                partial_syncs_before = partial_syncs(&primary);
                Client::of(&primary).integer("CLIENT KILL TYPE replica");
            }
            // From now on the append-only file is a snapshot and what came after it.
            350 => rewrite(&primary),
            450 => {
                // What is expired is left out when it is loaded, and a replica not told.
                settle(&mut raw);
                assert_eq!(raw.text(&["DEBUG", "RELOAD"]), "+OK\r\n");
            }
            // A primary that crashed begins new epochs, and its replica copies everything again.
            550 => {
                assert!(partial_syncs(&primary) > partial_syncs_before, "the replica was cut off in vain");
                settle(&mut raw);
                let before = last_digest(&primary);
                // With a replica, it would enter at once what it has loaded.
                Client::of(&replica).ok("REPLICAOF 127.0.0.1 1");
                primary.kill9();
                primary.restart();
                assert_eq!(digest(&primary), before, "the append-only file with a snapshot in it");
                replica.replica_of(&primary);
                raw = primary.resp2();
            }
            _ => {}
        }
        run(&mut raw, steps.next(), &mut steps.dumps);
        if step % STEPS_BETWEEN_CHECKS == 0 {
            settle(&mut raw);
            // A lease may end in between.
            wait_until(DEADLINE, "the replica is equal", || {
                replica.catch_up_with(&primary);
                let digests = [digest(&replica), digest(&primary)];
                if digests[0] == digests[1] { Ok(()) } else { Err((step, digests)) }
            });
        }
    }
    fill(&mut raw);
    settle(&mut raw);
    let expected = last_digest(&primary);
    replica.catch_up_with(&primary);
    assert_eq!(digest(&replica), expected, "the replica");
    drop(replica);
    assert_restored_equal(primary, &expected);
}

/// The digest of a server that writes nothing any more: no lease ends.
fn last_digest(server: &Server) -> String {
    Client::of(server).ok("CLIENT PAUSE 3600000 WRITE");
    digest(server)
}

/// What the primary wrote to disk, in three ways, is what it holds.
fn assert_restored_equal(mut primary: Server, expected: &str) {
    primary.kill9();
    primary.restart();
    assert_eq!(digest(&primary), expected, "an append-only file that begins with a snapshot");

    let mut client = Client::of(&primary);
    client.ok("CONFIG SET aof-use-rdb-preamble no");
    rewrite(&primary);
    let base = fs::read(base_of_append_only_file(&primary)).expect("it can be read");
    assert!(base.starts_with(b"*"), "it begins with a command");
    primary.kill9();
    primary.restart();
    assert_eq!(digest(&primary), expected, "an append-only file without a snapshot");

    let mut restored = Server::builder().config(PANIC.0, PANIC.1).start();
    Client::of(&primary).ok("SAVE");
    restored.kill9();
    fs::copy(primary.dir().join("dump.rdb"), restored.dir().join("dump.rdb")).expect("a snapshot");
    restored.restart();
    assert_eq!(digest(&restored), expected, "a snapshot");
    // The digest tells more than nothing: a write command renews what came from elsewhere.
    Client::of(&restored).key("alkey:users#1");
    assert_ne!(digest(&restored), expected);
}

/// Sends commands, and keeps what DUMP gave. Some are refused, such as RENAME of what isn't there; none may fail for
/// a defect.
fn run(raw: &mut Raw, commands: Vec<Command>, dumps: &mut Vec<Vec<u8>>) {
    for words in commands {
        match raw.call(&words) {
            Value::ServerError(error) => {
                let text = format!("{error:?}");
                assert!(!text.contains("defect") && !text.contains("corrupt"), "{words:?}: {text}");
            }
            Value::BulkString(dump) if words[0] == b"DUMP" => dumps.push(dump),
            _ => {}
        }
    }
}

/// Leaves something of every kind in every namespace: rows, floors, sweeps, a lease.
fn fill(raw: &mut Raw) {
    let mut dumps = Vec::new();
    for database in 0..DATABASES {
        run(raw, vec![command(&["SELECT", &database.to_string()])], &mut dumps);
        for namespace in NAMESPACES {
            run(raw, vec![command(&["DEL", namespace])], &mut dumps);
            let rows = |rows: std::ops::Range<u32>| rows.map(|row| format!("{namespace}:users#{row}"));
            let swept = [format!("{namespace}:orders#*"), format!("{namespace}:orders#1")];
            let transaction = ["ALKEY.RECORD".to_owned(), format!("{namespace}:tx:last"), swept[1].clone()];
            let limits = ["CONFIG", "SET", "alkey.max-rows", "64", "alkey.sweep-threshold", "10000"];
            run(raw, vec![command(&limits)], &mut dumps);
            for words in [rows(0..60).collect(), rows(50..90).collect(), swept.to_vec()] {
                let touch: Vec<String> = [vec!["ALKEY.TOUCH".to_owned()], words].concat();
                assert!(matches!(raw.call(&touch), Value::Int(_)), "{touch:?}");
            }
            assert_eq!(raw.call(&transaction), Value::Int(1));
        }
    }
}

/// Has what is about to expire expire, or stay, so that no copy changes while it is compared.
fn settle(raw: &mut Raw) {
    let Value::BulkString(info) = raw.call(&["CLIENT", "INFO"]) else { panic!("no CLIENT INFO") };
    let info = String::from_utf8(info).expect("text");
    let database =
        info.split(' ').find_map(|field| field.strip_prefix("db=")).expect("a database").to_owned();
    for database in 0..DATABASES {
        raw.call(&["SELECT", &database.to_string()]);
        for namespace in NAMESPACES {
            raw.call(&["PERSIST", namespace]);
        }
    }
    raw.call(&["SELECT", &database]);
}

fn digest(server: &Server) -> String {
    Client::of(server).digest()
}

/// Not only those that were wanted: a FLUSHALL so early that the full sync's child still runs ends it, and the link.
fn partial_syncs(primary: &Server) -> u32 {
    let count = primary.info("stats", "sync_partial_ok").expect("it is counted");
    count.parse().expect("a number")
}

/// Rewrites the append-only file, and waits until that is done.
fn rewrite(server: &Server) {
    let mut client = Client::of(server);
    let before = base_of_append_only_file(server);
    assert!(client.text("BGREWRITEAOF").starts_with('+'));
    wait_until(DEADLINE, "the append-only file is rewritten", || {
        let field = |field: &str| server.info("persistence", field).expect("a field of INFO");
        // In this order: one that was scheduled may begin between the two questions.
        match (field("aof_rewrite_scheduled") == "0", field("aof_rewrite_in_progress") == "0") {
            (true, true) => Ok(()),
            idle => Err(idle),
        }
    });
    assert_eq!(server.info("persistence", "aof_last_bgrewrite_status").as_deref(), Some("ok"));
    assert_ne!(base_of_append_only_file(server), before);
}

/// The first part of the append-only file, which the last rewrite made: each gives it another name.
fn base_of_append_only_file(server: &Server) -> PathBuf {
    // The one before it is deleted a little after the rewrite has ended.
    wait_until(DEADLINE, "there is one base file", || {
        let directory =
            fs::read_dir(server.dir().join("appendonlydir")).expect("a directory of append-only files");
        let mut bases: Vec<_> = directory
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.to_string_lossy().contains(".base."))
            .collect();
        if bases.len() == 1 { Ok(bases.remove(0)) } else { Err(bases) }
    })
}
