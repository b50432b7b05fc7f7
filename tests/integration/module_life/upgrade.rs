//! A newer alkey takes over: from a dump that an older one wrote, and from an older primary.

use std::fs;
use std::path::Path;

use super::{read_config, with_load_line, write_config};
use crate::commands::client::{Client, LEASE_MS_LONG, LEASE_MS_SHORT, fields, quick_server, text_of};
use crate::harness::{DEADLINE, Server, module_path, wait_until};
use crate::persistence::{dump, restore, with_checksum};

/// What alkey of encoding 1 on Redis 7.0.15 saved: two namespaces with rows, swept tables, and a table whose floors
/// were raised.
const DUMP: &str = "tests/dumps/encoding-1.rdb";

/// The keys that it gave just before.
const KEYS: [(&str, &str); 10] = [
    ("alkey:users#1", "17aa78e17a6f295e15492a8601f9f9f87fda44f5ede51e6a55752d7938a59acd"),
    ("alkey:users#*", "d5ee9d1fad13e156733793c755f96df07ccd8b7690e46322467583349a373219"),
    ("alkey:users#3", "08b483ae22d0e67f75719ea9d3fd0a79094d9d1e1ae64ae4adb703515a051208"),
    ("alkey:floors#1", "32b1841bb3c6978b798409daf8beea04c844ae86ae52c6ce027007e54c27d966"),
    ("alkey:floors#80", "aac8f5ee50a0d60721a7c7099af2d1ed60d0c4f8be67effc8406524658f37a82"),
    ("alkey:swept#1", "f6ff7c9a398067329951f41c15598cd117d78685a14a35ead5a01cabdd5c86e6"),
    ("alkey:never_written#1", "002c636c704372b45fa59f5e0ef1cb4478a144d0582d40552eb24b9ee06b6841"),
    ("alkey:*#*", "3f508c8e2feb4d7ec24604d5a3b3eac8caabf4b4f664cca8ccaba7fbb7fc1806"),
    ("alkey{shop}:users#1", "4f02fd9a59f762f9d36a86c33ca0f407bd5d1fb67813af1eb1ac5bcc237df46a"),
    ("alkey{shop}:*#*", "7e58125d87b081bb01641f728993be2b837b5282f6e724135dd5ab26e0ce63ad"),
];

#[test]
fn a_dump_of_encoding_1_is_loaded() {
    // Where what is loaded is trusted, each key is what it was: nothing of the state was lost or misread.
    let trusting = server_of_dump("yes");
    let mut client = Client::of(&trusting);
    for (identifier, key) in KEYS {
        assert_eq!(client.key(identifier), key, "{identifier}");
    }
    assert_eq!(client.string("GET other"), Some("data".into()));
    assert_eq!(client.integer("ALKEY.TOUCH alkey:users#1"), 1);
    assert_ne!(client.key(KEYS[0].0), KEYS[0].1);
    assert_eq!(client.key(KEYS[2].0), KEYS[2].1);

    let careful = server_of_dump("no");
    let mut client = Client::of(&careful);
    for (identifier, key) in KEYS {
        assert_ne!(client.key(identifier), key, "{identifier}");
    }
}

/// A server that has started with the old dump.
#[track_caller]
fn server_of_dump(trust_restored: &str) -> Server {
    let mut server = Server::builder().module_arg("trust-restored", trust_restored).start();
    server.kill9();
    let dump = Path::new(env!("CARGO_MANIFEST_DIR")).join(DUMP);
    fs::copy(dump, server.dir().join("dump.rdb")).expect("there is a dump");
    server.restart();
    server
}

#[test]
fn a_dump_of_a_newer_encoding_is_refused_with_its_reason() {
    let server = quick_server(&[]);
    let mut client = Client::of(&server);
    client.integer("ALKEY.TOUCH alkey:users#1");
    let mut newer = dump(&mut client);
    newer.truncate(newer.len() - 8);
    // A byte for the type "module", one for the length of the number that follows, and this number, whose last ten bits
    // are the encoding.
    assert_eq!(newer[..2], [7, 0x81]);
    assert_eq!(newer[9], 1, "this test reads the layout of a dump");
    newer[9] = 2;
    assert_eq!(restore(&mut client, "alkey{newer}", &with_checksum(&newer)), "-ERR Bad data format\r\n");
    let log = server.log();
    assert!(log.contains("expected a dump of encoding 1: it is of a newer alkey"), "{log}");
}

#[test]
fn a_pair_is_upgraded_one_after_the_other() {
    let (mut first, mut second) = (quick_server(&[]), quick_server(&[]));
    second.replica_of(&first);
    let mut client = Client::of(&first);
    client.settle(&["alkey"]);
    let mut seen = vec![client.key("alkey:users#1")];
    assert_eq!(client.integer("ALKEY.TOUCH alkey:users#1"), 1);
    seen.push(client.key("alkey:users#1"));

    // The replica first. It comes back as a replica, and has everything.
    let upgraded = upgrade(&second, &first);
    second.restart();
    second.wait_for_sync_with(&first);
    assert_eq!(loaded_path(&second), upgraded);
    assert_eq!(Client::of(&second).digest(), client.digest());
    assert_eq!(Client::of(&second).string("ALKEY.KEY_RO alkey:users#1"), seen.last().cloned());

    // A transaction is under way while the server hands over to its replica.
    assert_eq!(client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1"), 1);
    client.ok("FAILOVER");
    wait_until(DEADLINE, "the replica is the primary", || second.info_is("replication", "role", "master"));
    wait_until(DEADLINE, "the primary is the replica", || first.info_is("replication", "role", "slave"));
    let refused = client.text("ALKEY.COMMIT alkey:tx:1 alkey:users#1");
    assert!(refused.starts_with("-READONLY "), "{refused}");
    let mut promoted = Client::of(&second);
    promoted.lease_ms(LEASE_MS_LONG);
    assert_eq!(promoted.settled("alkey:users#1"), -1);
    seen.push(promoted.key("alkey:users#1"));
    assert_eq!(promoted.integer("ALKEY.COMMIT alkey:tx:1 alkey:users#1"), 1);
    seen.push(promoted.key("alkey:users#1"));

    // Then the old primary, which is the replica now.
    let upgraded = upgrade(&first, &second);
    first.restart();
    first.wait_for_sync_with(&second);
    assert_eq!(loaded_path(&first), upgraded);
    assert_eq!(Client::of(&first).digest(), promoted.digest());
    assert_eq!(Client::of(&first).string("ALKEY.KEY_RO alkey:users#1"), seen.last().cloned());

    promoted.lease_ms(LEASE_MS_SHORT);
    assert_eq!(promoted.integer("ALKEY.TOUCH alkey:users#1"), 1);
    seen.push(promoted.key("alkey:users#1"));
    let mut distinct = seen.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), seen.len(), "a key came back: {seen:?}");
}

/// Puts another copy of the module beside the server, which loads it at its next start, as a replica of `primary`.
#[track_caller]
fn upgrade(server: &Server, primary: &Server) -> String {
    let path = server.dir().join("libalkey-new.so");
    fs::copy(module_path(), &path).expect("the module can be copied");
    let line =
        format!("loadmodule {path:?} lease-ms {LEASE_MS_SHORT}\nreplicaof 127.0.0.1 {}\n", primary.port());
    write_config(server, &with_load_line(&read_config(server), &line));
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// From where the server has loaded alkey.
#[track_caller]
fn loaded_path(server: &Server) -> String {
    let modules = fields(&Client::of(server).call("MODULE LIST"));
    let alkey =
        modules.iter().map(fields).find(|module| text_of(&module[1]) == "alkey").expect("alkey is loaded");
    let path = alkey.chunks_exact(2).find(|pair| text_of(&pair[0]) == "path").expect("it has a path");
    text_of(&path[1])
}
