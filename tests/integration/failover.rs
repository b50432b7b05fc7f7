//! A failover as those see it who read from replicas (KEY_RO) and who cache on their own side (CLIENT TRACKING).
//!
//! Strict readers and writers, under load, are in `faults/`.

use redis::{PushKind, Value};

use crate::commands::client::{Client, fields, text_of};
use crate::harness::{Builder, Cluster, DEADLINE, Raw, Sentinels, Server, wait_until};

/// What a client heard that tracks a row and everything in its namespace.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    /// That keys changed: it was told to forget `*#*` of the namespace, or all that it has.
    Told,
    /// Its connection is gone, and with it the right to use what it has.
    Lost,
}

/// A client in RESP3 that keeps the key of a row for as long as it is not told otherwise.
struct Tracker {
    raw: Raw,
    row: String,
    everything: String,
}

impl Tracker {
    fn of(server: &Server, namespace: &str) -> Self {
        let mut raw = server.resp3();
        assert_eq!(raw.text(&["CLIENT", "TRACKING", "ON"]), "+OK\r\n");
        Self { raw, row: format!("{namespace}:users#1"), everything: format!("{namespace}:*#*") }
    }

    /// A tracker of a node of a cluster that may be a replica.
    fn of_node(server: &Server, namespace: &str) -> Self {
        let mut tracker = Self::of(server, namespace);
        assert_eq!(tracker.raw.text(&["READONLY"]), "+OK\r\n");
        tracker
    }

    /// The relaxed key of the row, from which on the client is told.
    fn key(&mut self) -> String {
        text_of(&self.raw.call(&["ALKEY.KEY_RO", &self.row, &self.everything]))
    }

    /// Waits until it hears of a change.
    #[track_caller]
    fn hears(&mut self) -> Heard {
        wait_until(DEADLINE, "a client that tracks hears of the failover", || {
            self.raw.send(&["PING"]);
            let mut is_told = false;
            loop {
                let Ok(bytes) = self.raw.try_read_bytes() else { return Ok(Heard::Lost) };
                match redis::parse_redis_value(&bytes).expect("a reply") {
                    Value::Push { kind: PushKind::Invalidate, data } => {
                        is_told |= match &data[..] {
                            [Value::Nil] => true,
                            [keys] => fields(keys).iter().any(|key| text_of(key) == self.everything),
                            _ => panic!("{data:?}"),
                        };
                    }
                    pong if is_told => {
                        assert_eq!(text_of(&pong), "PONG");
                        return Ok(Heard::Told);
                    }
                    pong => return Err(pong),
                }
            }
        })
    }
}

fn builder() -> Builder {
    Server::builder().module_arg("lease-ms", "1")
}

/// Sentinel closes the connections of those whose server gets another role, so they know.
#[test]
fn by_sentinel() {
    let mut primary = builder().start();
    let replicas = [builder().start(), builder().start()];
    for replica in &replicas {
        replica.replica_of(&primary);
    }
    let sentinels = Sentinels::start(&primary);
    for replica in &replicas {
        sentinels.wait_for_replica(replica);
    }
    let servers = [&primary, &replicas[0], &replicas[1]];
    let mut trackers = tracked(&primary, &servers, |server| Tracker::of(server, "alkey"), "alkey");
    let before = trackers[0].key();

    primary.kill9();
    let promoted = sentinels.wait_for_primary(&[&replicas[0], &replicas[1]]);
    let (promoted, other) = (&replicas[promoted], &replicas[1 - promoted]);
    // The first write command puts the namespace into a new epoch.
    let mut client = Client::of(promoted);
    client.settle(&["alkey"]);
    wait_until(DEADLINE, "the other replica follows", || {
        let port = other.info("replication", "master_port");
        if port == Some(promoted.port().to_string()) { Ok(()) } else { Err(port) }
    });
    other.wait_for_sync_with(promoted);
    for (of, tracker) in ["the primary", "a replica", "the other"].iter().zip(&mut trackers) {
        assert_eq!(tracker.hears(), Heard::Lost, "{of}");
    }
    replica_gives_the_same_key(promoted, other, |server| Tracker::of(server, "alkey"), "alkey", &before);
}

/// FAILOVER closes nobody's connection. Who tracks is told by what the new primary replicates.
#[test]
fn by_the_command() {
    let (primary, replica) = (builder().start(), builder().start());
    replica.replica_of(&primary);
    let tracker = |server: &Server| Tracker::of(server, "alkey");
    let mut trackers = tracked(&primary, &[&primary, &replica], tracker, "alkey");
    let before = trackers[0].key();

    assert_eq!(primary.resp2().text(&["FAILOVER"]), "+OK\r\n");
    wait_until(DEADLINE, "the replica is promoted", || replica.info_is("replication", "role", "master"));
    primary.wait_for_sync_with(&replica);
    Client::of(&replica).settle(&["alkey"]);
    for tracker in &mut trackers {
        assert_eq!(tracker.hears(), Heard::Told);
    }
    replica_gives_the_same_key(&replica, &primary, tracker, "alkey", &before);
}

/// CLUSTER FAILOVER likewise.
#[test]
fn of_a_shard() {
    let cluster = Cluster::start(&builder(), 1);
    let (first, second) = (cluster.node(0), cluster.node(1));
    let tracker = |server: &Server| Tracker::of_node(server, "alkey{shop}");
    let mut trackers = tracked(first, &[first, second], tracker, "alkey{shop}");
    let before = trackers[0].key();

    cluster.ok(1, &["FAILOVER"]);
    cluster.wait_for_owner("alkey{shop}", 1);
    first.wait_for_sync_with(second);
    Client::of(second).settle(&["alkey{shop}"]);
    for tracker in &mut trackers {
        assert_eq!(tracker.hears(), Heard::Told);
    }
    replica_gives_the_same_key(second, first, tracker, "alkey{shop}", &before);
}

/// A client of each server that tracks, when all give the same key.
#[track_caller]
fn tracked(
    primary: &Server,
    servers: &[&Server],
    tracker: impl Fn(&Server) -> Tracker,
    namespace: &str,
) -> Vec<Tracker> {
    let mut client = Client::of(primary);
    client.settle(&[namespace]);
    let key = client.key(&format!("{namespace}:users#1 {namespace}:*#*"));
    servers
        .iter()
        .map(|server| {
            if server.port() != primary.port() {
                server.catch_up_with(primary);
            }
            let mut tracker = tracker(server);
            assert_eq!(tracker.key(), key);
            tracker
        })
        .collect()
}

/// After the failover a replica gives the key that its new primary gives, which is none that was before.
#[track_caller]
fn replica_gives_the_same_key(
    primary: &Server,
    replica: &Server,
    tracker: impl Fn(&Server) -> Tracker,
    namespace: &str,
    before: &str,
) {
    let key = Client::of(primary).key(&format!("{namespace}:users#1 {namespace}:*#*"));
    replica.catch_up_with(primary);
    assert_eq!(tracker(replica).key(), key);
    assert_ne!(key, before);
}
