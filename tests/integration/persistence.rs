//! What is saved and loaded: the state is there, and it is not trusted.
//!
//! A dump or an append-only file may lack the last commits, so the first write command after it was loaded gives
//! every key of a namespace a new epoch, whatever was in it.

use std::fs;

use crate::commands::client::{Client, LEASE_MS_LONG, quick_server};
use crate::harness::{DEADLINE, Server, wait_until};

type Config = &'static [(&'static str, &'static str)];

/// How a server keeps its data, and what makes it do so before it ends.
const WAYS: [(&str, Config, &str); 5] = [
    ("a dump", &[], "SAVE"),
    ("an append-only file", &[("appendonly", "yes"), ("appendfsync", "always")], "PING"),
    (
        "an append-only file that begins with a dump",
        &[("appendonly", "yes"), ("appendfsync", "always"), ("aof-use-rdb-preamble", "yes")],
        "BGREWRITEAOF",
    ),
    (
        "an append-only file that was rewritten as commands",
        &[("appendonly", "yes"), ("appendfsync", "always"), ("aof-use-rdb-preamble", "no")],
        "BGREWRITEAOF",
    ),
    ("DEBUG RELOAD", &[], "DEBUG RELOAD"),
];

#[test]
fn the_state_is_there_after_a_restart_and_is_renewed() {
    for (way, config, save) in WAYS {
        let mut server = quick_server(config);
        let mut client = Client::of(&server);
        fill(&mut client);
        let digest = client.digest();
        let known = keys(&mut client);
        assert_eq!(client.digest(), digest, "looking up changed something: {way}");

        client.call(save);
        wait_until(DEADLINE, "it is saved", || match server.info("persistence", "aof_rewrite_in_progress") {
            Some(running) if running == "0" => Ok(()),
            other => Err(other),
        });
        if !save.starts_with("DEBUG") {
            server.kill9();
            server.restart();
            client = Client::of(&server);
        }
        assert_eq!(client.text("TYPE alkey"), "+alkey-nsp\r\n", "{way}");
        assert_eq!(client.text("EXISTS alkey alkey{shop}"), ":2\r\n", "{way}");
        assert_eq!(client.digest(), digest, "{way}");
        // What only reads can't renew it, and so tells nothing.
        assert_eq!(client.token("alkey:users#1"), None, "{way}");
        assert_eq!(client.string("ALKEY.KEY_RO alkey:users#1"), None, "{way}");
        assert_eq!(client.digest(), digest, "{way}");

        client.lease_ms(LEASE_MS_LONG);
        let renewed = keys(&mut client);
        assert!(renewed.iter().all(|key| !known.contains(key)), "a key came back: {way}");
        assert_eq!(keys(&mut client), renewed, "{way}");
        assert_ne!(client.digest(), digest, "{way}");
        // The longest lease that was given before is waited for, since its writer may commit yet.
        assert_eq!(client.settled("alkey:users#1"), -1, "{way}");
    }
}

#[test]
fn what_is_committed_between_a_dump_and_a_crash_is_not_lost_silently() {
    let mut server = quick_server(&[]);
    let mut client = Client::of(&server);
    client.integer("ALKEY.TOUCH alkey:users#1");
    client.ok("SAVE");
    let saved = client.key("alkey:users#1");
    client.integer("ALKEY.TOUCH alkey:users#1");
    let last = client.key("alkey:users#1");
    server.kill9();
    server.restart();
    let key = Client::of(&server).key("alkey:users#1");
    assert!(key != saved && key != last);
}

#[test]
fn transactions_in_flight_are_not_saved() {
    let mut server = quick_server(&[("appendonly", "yes"), ("appendfsync", "always")]);
    let mut client = Client::of(&server);
    client.settle(&["alkey"]);
    client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1");
    server.restart();
    let mut client = Client::of(&server);
    assert!(client.pending().is_empty());
    // They are covered: nothing is settled until the longest lease that was given is over, however short it is now.
    assert_eq!(client.settled("alkey:users#2"), -1);
    let grace_ms = server.info("alkey", "alkey_grace_left_ms").expect("it is told");
    assert!(grace_ms.parse::<u32>().unwrap() > LEASE_MS_LONG / 2, "{grace_ms}");
    // The writer's COMMIT names what it changed, so it does not depend on what the server remembers.
    let before = client.key("alkey:users#1");
    assert_eq!(client.integer("ALKEY.COMMIT alkey:tx:1 alkey:users#1"), 1);
    assert_ne!(client.key("alkey:users#1"), before);
}

#[test]
fn an_append_only_file_holds_effects_and_nothing_else() {
    let server = quick_server(&[("appendonly", "yes"), ("appendfsync", "always")]);
    let mut client = Client::of(&server);
    client.settle(&["alkey"]);
    client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1");
    let log = || -> Vec<u8> {
        let files = fs::read_dir(server.dir().join("appendonlydir")).unwrap();
        let files = files.map(|file| file.unwrap().path());
        files
            .filter(|path| path.to_string_lossy().ends_with(".incr.aof"))
            .flat_map(|path| fs::read(path).unwrap())
            .collect()
    };
    let before = log();
    for command in [
        "KEY alkey:users#1",
        "LOOKUP alkey:users#1",
        "RECORD alkey:tx:1 alkey:users#2",
        "RECORD alkey:tx:2 alkey:users#2",
        "DISCARD alkey:tx:2",
        "COMMIT unknown",
    ] {
        client.call(&format!("ALKEY.{command}"));
        assert_eq!(log().len(), before.len(), "{command}");
    }
    client.integer("ALKEY.COMMIT alkey:tx:1");
    let after = String::from_utf8_lossy(&log()).to_lowercase();
    assert_eq!(after.matches("\r\nalkey.").count(), after.matches("\r\nalkey.apply\r\n").count());
    assert!(after.len() > before.len());
}

#[test]
fn a_dump_goes_through_restore_and_is_renewed() {
    let server = quick_server(&[]);
    let mut client = Client::of(&server);
    fill(&mut client);
    let known = keys(&mut client);
    let dump = dump(&mut client);
    client.integer("DEL alkey");
    assert_eq!(restore(&mut client, "alkey", &dump), "+OK\r\n");
    let renewed = keys(&mut client);
    assert!(renewed[0] != known[0] && renewed[1] != known[1]);
    client.integer("ALKEY.TOUCH alkey:users#1");
    // An older state in its place is renewed once more.
    client.integer("DEL alkey");
    assert_eq!(restore(&mut client, "alkey", &dump), "+OK\r\n");
    let again = keys(&mut client);
    assert!(again[0] != known[0] && again[0] != renewed[0]);
}

#[test]
fn a_damaged_dump_is_refused() {
    let server = quick_server(&[]);
    let mut client = Client::of(&server);
    // Small, so that every byte of it can be damaged in turn.
    client.integer("ALKEY.TOUCH alkey:users#1 alkey:users#2 alkey:orders#*");
    let whole = dump(&mut client);
    let body = &whole[..whole.len() - 8];
    assert_eq!(with_checksum(body), whole);
    let refused = "-ERR Bad data format\r\n";
    let mut loaded = 0;
    for position in 0..body.len() {
        for flipped in [1, 0x80, 0xff] {
            let mut damaged = body.to_vec();
            damaged[position] ^= flipped;
            let reply = restore(&mut client, "alkey{damaged}", &with_checksum(&damaged));
            // What is changed in a stamp or an epoch is a dump as good as any: it is renewed, and works.
            if reply == "+OK\r\n" {
                loaded += 1;
                client.digest();
                client.key("alkey{damaged}:users#1 alkey{damaged}:*#*");
                assert_eq!(client.integer("ALKEY.TOUCH alkey{damaged}:users#1"), 1);
                client.ok("SAVE");
                assert_eq!(client.integer("DEL alkey{damaged}"), 1);
            } else {
                assert!(reply.starts_with("-ERR "), "byte {position}: {reply}");
            }
        }
    }
    assert!(loaded < body.len() * 3 / 2, "{loaded} of {} damaged dumps were taken", body.len() * 3);
    // The last ten bytes are the server's version of the format and the checksum.
    for length in 0..body.len() - 2 {
        let cut = with_checksum(&[&body[..length], &body[body.len() - 2..]].concat());
        assert_eq!(restore(&mut client, "alkey{damaged}", &cut), refused, "cut after {length} bytes");
    }
    let wrong_sum = restore(&mut client, "alkey{damaged}", body);
    assert_eq!(wrong_sum, "-ERR DUMP payload version or checksum are wrong\r\n");
    assert_eq!(client.text("EXISTS alkey{damaged}"), ":0\r\n");
    client.key("alkey:users#1");
}

#[test]
fn servers_of_other_settings_load_it() {
    // What was saved under larger limits is loaded whole; the next write brings it back into them.
    let mut server = Server::builder().config("alkey.max-rows", "64").start();
    let mut client = Client::of(&server);
    client.ok("CONFIG SET alkey.max-rows 1000000");
    for row in 0..200 {
        client.integer(&format!("ALKEY.TOUCH alkey:users#{row}"));
    }
    let digest = client.digest();
    client.ok("SAVE");
    server.restart();
    assert_eq!(Client::of(&server).digest(), digest);
}

/// Brings a server to where every part of a state is in use.
pub(crate) fn fill(client: &mut Client) {
    client.settle(&["alkey", "alkey{shop}"]);
    client.ok("CONFIG SET alkey.max-rows 64");
    for row in 0..80 {
        client.integer(&format!("ALKEY.TOUCH alkey:floors#{row}"));
    }
    client.ok("CONFIG SET alkey.max-rows 1000000");
    for first in (0..10_000).step_by(1000) {
        let rows: Vec<String> = (first..first + 1000).map(|row| format!("alkey:many#{row}")).collect();
        client.integer(&format!("ALKEY.TOUCH {}", rows.join(" ")));
    }
    client.integer("ALKEY.TOUCH alkey:swept#*");
    client.integer("ALKEY.TOUCH alkey:swept#1 alkey:us\u{7f}ers#1 alkey{shop}:*#* alkey{shop}:users#1");
    client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1 alkey:users#2");
    client.integer("ALKEY.COMMIT alkey:tx:1");
}

fn keys(client: &mut Client) -> Vec<String> {
    let identifiers = [
        "alkey:users#1",
        "alkey:*#*",
        "alkey:many#*",
        "alkey:many#77",
        "alkey:floors#1",
        "alkey:floors#79",
        "alkey:swept#2",
        "alkey:never_seen#1",
        "alkey{shop}:users#1",
        "alkey{shop}:*#*",
    ];
    identifiers.iter().map(|identifier| client.key(identifier)).collect()
}

#[track_caller]
pub(crate) fn dump(client: &mut Client) -> Vec<u8> {
    let redis::Value::BulkString(dump) = client.call("DUMP alkey") else { panic!("there is no dump") };
    dump
}

#[track_caller]
pub(crate) fn restore(client: &mut Client, key: &str, dump: &[u8]) -> String {
    client.raw().text(&[b"RESTORE", key.as_bytes(), b"0", dump])
}

/// What RESTORE takes: a dump behind which its checksum stands, CRC-64 of Jones' polynomial.
pub(crate) fn with_checksum(body: &[u8]) -> Vec<u8> {
    let crc = body.iter().fold(0_u64, |crc, byte| {
        (0..8).fold(crc ^ u64::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0x95ac_9329_ac4b_c9b5 } else { crc >> 1 }
        })
    });
    [body, &crc.to_le_bytes()].concat()
}
