//! While a server pauses writes, what only reads answers, and nothing is written, replicated or expired: a server in
//! which a command or a timer replicates during a pause ends itself.

use redis::Value;

use crate::commands::client::{
    Client, LEASE_MS_LONG, LEASE_MS_SHORT, quick_server, settled_server, text_of, words,
};
use crate::harness::{DEADLINE, Server, wait_until};

/// The server itself sends replicas nothing but what is written.
const QUIET: [(&str, &str); 3] = [("repl-ping-replica-period", "3600"), ("hz", "500"), ("appendonly", "yes")];

const READING: [&str; 8] = [
    "ALKEY.KEY_RO alkey:users#1 alkey{expired}:users#1 alkey{missing}:users#1",
    "ALKEY.KEY_RO alkey{kept}:users#1",
    "ALKEY.TOKEN alkey:users#1",
    "ALKEY.EXPLAIN alkey:users#1 alkey:users#* alkey:*#* alkey{expired}:*#* de",
    "ALKEY.PENDING",
    "ALKEY.PENDING alkey:tx:1",
    "ALKEY.HELP",
    "INFO alkey",
];

/// A primary with a replica, and namespaces in it that are out of grace.
fn primary_and_replica() -> (Server, Server, Client) {
    let primary = quick_server(&QUIET);
    let replica = quick_server(&[]);
    replica.replica_of(&primary);
    let mut client = Client::of(&primary);
    client.settle(&["alkey", "alkey{kept}", "alkey{expired}"]);
    (primary, replica, client)
}

/// Pauses writes while there is all that a write command, or a timer, would have to do something about: a lease that is
/// over, a term that is new, a namespace whose time to live is over. In one piece, so that nothing is done before.
fn pause_with_work_to_do(client: &mut Client) {
    client.lease_ms(LEASE_MS_SHORT);
    client.ok("MULTI");
    for queued in [
        "ALKEY.RECORD alkey:tx:1 alkey:users#1",
        "PEXPIRE alkey{expired} 1",
        "SWAPDB 1 2",
        "ALKEY.KEY alkey{kept}:users#1",
        "DEBUG SLEEP 0.02",
        "CLIENT PAUSE 3600000 WRITE",
    ] {
        assert_eq!(client.text(queued), "+QUEUED\r\n");
    }
    client.call("EXEC");
}

/// What shows that something was written: the replication offset, the changes since the last snapshot, the digest.
fn written(server: &Server, client: &mut Client) -> [String; 3] {
    let field = |section: &str, field: &str| server.info(section, field).expect("a field of INFO");
    [
        field("replication", "master_repl_offset"),
        field("persistence", "rdb_changes_since_last_save"),
        client.digest(),
    ]
}

/// Runs everything that only reads, alone, in a transaction and in a script.
#[track_caller]
fn read_everything(client: &mut Client) {
    for command in READING {
        let reply = client.text(command);
        assert!(!reply.starts_with('-'), "{command}: {reply}");
    }
    client.ok("MULTI");
    for command in READING {
        assert_eq!(client.text(command), "+QUEUED\r\n");
    }
    let Value::Array(replies) = client.call("EXEC") else { panic!("EXEC was aborted") };
    assert_eq!(replies.len(), READING.len());
    for name in ["KEY_RO", "TOKEN", "EXPLAIN"] {
        let script = format!("return redis.call('ALKEY.{name}', KEYS[1])");
        let reply = client.raw().call(&["EVAL_RO", &script, "1", "alkey:users#1"]);
        assert!(!matches!(reply, Value::ServerError(_)), "{name}: {reply:?}");
    }
}

#[test]
fn while_writes_are_paused_reading_goes_on_and_nothing_is_written() {
    let (primary, replica, mut client) = primary_and_replica();
    pause_with_work_to_do(&mut client);
    let before = written(&primary, &mut client);
    read_everything(&mut client);
    // This command has to write; it waits for the end of the pause.
    let mut writer = Client::of(&primary);
    writer.raw().send(&words("ALKEY.KEY alkey:users#1"));
    wait_until(DEADLINE, "a client is blocked", || {
        match primary.info("clients", "blocked_clients").as_deref() {
            Some("1") => Ok(()),
            other => Err(other.map(str::to_owned)),
        }
    });
    read_everything(&mut client);
    assert_eq!(written(&primary, &mut client), before);
    assert_eq!(client.string("ALKEY.TOKEN alkey:users#1"), None);
    assert_eq!(client.pending().len(), 1);

    client.ok("CLIENT UNPAUSE");
    assert_eq!(text_of(&writer.raw().read()).len(), 64);
    assert!(client.pending().is_empty());
    client.settle(&["alkey"]);
    assert_eq!(client.string("ALKEY.KEY_RO alkey:users#1"), Some(client.key("alkey:users#1")));
    assert_eq!(client.string("ALKEY.KEY_RO alkey{expired}:users#1"), None);
    replica.catch_up_with(&primary);
    assert_eq!(Client::of(&replica).digest(), client.digest());
}

/// What a write command would do is done by a timer, too, but not in a pause.
#[test]
fn the_timer_waits_for_the_end_of_a_pause() {
    let (primary, replica, mut client) = primary_and_replica();
    let expired = |server: &Server| server.info("alkey", "alkey_expired_transactions");
    let epochs = |server: &Server| server.info("alkey", "alkey_new_epochs").unwrap().parse::<u32>().unwrap();
    pause_with_work_to_do(&mut client);
    let (before, expired_before, epochs_before) =
        (written(&primary, &mut client), expired(&primary), epochs(&primary));
    // In a second the timer looks some twenty times.
    let turns = |server: &Server| -> u64 {
        server.info("server", "uptime_in_seconds").expect("a field of INFO").parse().expect("a number")
    };
    let start = turns(&primary);
    wait_until(DEADLINE, "two seconds have passed", || {
        if turns(&primary) > start + 1 { Ok(()) } else { Err(()) }
    });
    assert_eq!(written(&primary, &mut client), before);
    assert_eq!(client.pending().len(), 1);
    assert_eq!(expired(&primary), expired_before);

    client.ok("CLIENT UNPAUSE");
    wait_until(DEADLINE, "the lease is ended", || {
        let pending = client.pending();
        if pending.is_empty() { Ok(()) } else { Err(pending) }
    });
    wait_until(DEADLINE, "the namespaces are in the new term", || {
        let tokens = [client.token("alkey:users#1"), client.token("alkey{kept}:users#1")];
        if tokens.iter().all(Option::is_some) { Ok(()) } else { Err(tokens) }
    });
    assert_ne!(expired(&primary), expired_before);
    assert!(epochs(&primary) > epochs_before);
    replica.catch_up_with(&primary);
    assert_eq!(Client::of(&replica).digest(), client.digest());
}

#[test]
fn in_a_failover_reading_goes_on_and_the_new_primary_has_new_keys() {
    let (primary, replica, mut client) = primary_and_replica();
    let old_key = client.key("alkey{kept}:users#1");
    // A replica that stands still keeps the primary waiting for it.
    replica.catch_up_with(&primary);
    replica.signal("STOP");
    client.integer("ALKEY.TOUCH alkey{kept}:users#2");
    // A lease that is over while the failover waits.
    client.lease_ms(1_000);
    client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1");
    client.ok("FAILOVER");
    wait_until(DEADLINE, "the lease is over", || match client.lease_left_ms() {
        0 => Ok(()),
        left => Err(left),
    });
    let state = |server: &Server| server.info("replication", "master_failover_state");
    assert_eq!(state(&primary).as_deref(), Some("waiting-for-sync"));
    let before = written(&primary, &mut client);
    read_everything(&mut client);
    let mut writer = Client::of(&primary);
    writer.raw().send(&words("ALKEY.KEY alkey:users#1"));
    read_everything(&mut client);
    assert_eq!(written(&primary, &mut client), before);
    assert_eq!(state(&primary).as_deref(), Some("waiting-for-sync"));

    replica.signal("CONT");
    wait_until(DEADLINE, "the roles are exchanged", || {
        let roles = [&primary, &replica].map(|server| server.info("replication", "role"));
        match roles.each_ref().map(Option::as_deref) {
            [Some("slave"), Some("master")] => Ok(()),
            _ => Err(roles),
        }
    });
    let refused = String::from_utf8_lossy(&writer.raw().read_bytes()).into_owned();
    assert!(refused.starts_with("-READONLY "), "{refused}");
    let mut new = Client::of(&replica);
    assert_ne!(new.key("alkey{kept}:users#1"), old_key);
    read_everything(&mut new);
    wait_until(DEADLINE, "the old primary follows", || {
        match primary.info("replication", "master_link_status") {
            Some(status) if status == "up" => Ok(()),
            status => Err(status),
        }
    });
    primary.catch_up_with(&replica);
    read_everything(&mut client);
    assert_eq!(client.digest(), new.digest());
}

#[test]
fn a_failover_that_is_aborted_while_it_waits_has_changed_nothing() {
    let (primary, mut client) = settled_server();
    let replica = Server::start();
    replica.replica_of(&primary);
    let old_key = client.key("alkey:users#1");
    let epochs = || primary.info("alkey", "alkey_new_epochs");
    let epochs_before = epochs();
    replica.catch_up_with(&primary);
    replica.signal("STOP");
    client.integer("ALKEY.TOUCH alkey:users#2");
    client.ok("FAILOVER");
    let mut writer = Client::of(&primary);
    writer.raw().send(&words("ALKEY.KEY alkey:users#1"));
    client.ok("FAILOVER ABORT");
    assert_eq!(text_of(&writer.raw().read()), old_key);
    assert_eq!(epochs(), epochs_before);
    assert_eq!(client.text("FAILOVER ABORT"), "-ERR No failover in progress.\r\n");
    replica.signal("CONT");
}

#[test]
fn a_failover_that_is_aborted_later_begins_a_new_term() {
    let (primary, mut client) = settled_server();
    let replica = Server::start();
    replica.replica_of(&primary);
    client.lease_ms(LEASE_MS_LONG);
    let old_key = client.key("alkey:users#1");
    wait_until(DEADLINE, "the primary, too, takes the replica for one", || {
        match primary.info("replication", "slave0") {
            Some(replica) if replica.contains("state=online") => Ok(()),
            replica => Err(replica),
        }
    });
    replica.signal("STOP");
    client.integer("ALKEY.TOUCH alkey:users#2");
    client.ok(&format!("FAILOVER TO 127.0.0.1 {} FORCE TIMEOUT 1", replica.port()));
    wait_until(DEADLINE, "the primary hands over without having been asked", || {
        primary.info_is("replication", "master_failover_state", "failover-in-progress")
    });
    assert!(client.text("ALKEY.KEY alkey:users#1").starts_with("-READONLY "));
    client.ok("FAILOVER ABORT");
    assert_ne!(client.key("alkey:users#1"), old_key);
    let grace = primary.info("alkey", "alkey_grace_left_ms").expect("a field of INFO");
    assert_ne!(grace, "0");
    replica.signal("CONT");
}
