//! Keyspace events and WATCH: who hears of which change, and that nobody hears of merely looking.

use redis::Value;

use crate::commands::client::{
    Client, LEASE_MS_LONG, LEASE_MS_SHORT, fields, settled_server, text_of, words,
};
use crate::harness::{DEADLINE, Raw, Server, wait_until};

/// A subscriber to all keyspace events of modules, and the connection that tells it where to stop.
struct Listener {
    subscriber: Raw,
    other: Raw,
}

impl Listener {
    fn of(server: &Server) -> Self {
        let (mut subscriber, mut other) = (server.resp2(), server.resp2());
        assert_eq!(other.text(&["CONFIG", "SET", "notify-keyspace-events", "Kd"]), "+OK\r\n");
        for pattern in ["__keyspace@*__:*", "done"] {
            subscriber.call(&["PSUBSCRIBE", pattern]);
        }
        Self { subscriber, other }
    }

    /// The events since the last call, as `event key`, in their order.
    fn heard(&mut self) -> Vec<String> {
        self.other.call(&["PUBLISH", "done", ""]);
        let mut heard = Vec::new();
        loop {
            let message: Vec<String> = fields(&self.subscriber.read()).iter().map(text_of).collect();
            let [_, _, channel, event] = &message[..] else { panic!("{message:?}") };
            if channel == "done" {
                return heard;
            }
            let key = channel.split_once("__:").expect("a keyspace channel").1;
            heard.push(format!("{} {key}", event.strip_prefix("alkey.").expect("an event of alkey")));
        }
    }
}

#[test]
fn subscribers_hear_of_what_was_committed_and_of_nothing_else() {
    let (server, mut client) = settled_server();
    let mut listener = Listener::of(&server);
    let row = "commit alkey, commit alkey:*#*, commit alkey:users#1, commit alkey:users#*";
    for (command, expected) in [
        ("ALKEY.KEY alkey:users#1", ""),
        ("ALKEY.LOOKUP alkey:users#1", ""),
        ("ALKEY.KEY_RO alkey:users#1", ""),
        ("ALKEY.TOKEN alkey:users#1", ""),
        ("ALKEY.EXPLAIN alkey:users#1", ""),
        ("ALKEY.PENDING", ""),
        ("ALKEY.RECORD alkey:tx:1 alkey:users#1", ""),
        ("ALKEY.COMMIT alkey:tx:1", row),
        ("ALKEY.COMMIT alkey:tx:1", ""),
        ("ALKEY.RECORD alkey:tx:1 alkey:users#1", ""),
        ("ALKEY.DISCARD alkey:tx:1", ""),
        ("ALKEY.TOUCH alkey:users#1", row),
        ("ALKEY.TOUCH alkey:users#*", "commit alkey, commit alkey:*#*, commit alkey:users#*"),
        ("ALKEY.TOUCH alkey:*#*", "commit alkey, commit alkey:*#*"),
        (
            "ALKEY.TOUCH alkey:users#1 alkey:users#2 alkey:orders#1 alkey{a}:users#1",
            "commit alkey, commit alkey:*#*, commit alkey:users#1, commit alkey:users#*, commit alkey:users#2, \
             commit alkey:orders#1, commit alkey:orders#*, \
             epoch alkey{a}, epoch alkey{a}:*#*, commit alkey{a}, commit alkey{a}:*#*, commit alkey{a}:users#1, \
             commit alkey{a}:users#*",
        ),
        ("DEL alkey", ""),
        ("ALKEY.KEY_RO alkey:users#1", ""),
        ("ALKEY.KEY alkey:users#1", "epoch alkey, epoch alkey:*#*"),
        ("ALKEY.TOUCH users#1", ""),
        ("ALKEY.KEY alkey:users", ""),
    ] {
        client.text(command);
        assert_eq!(listener.heard().join(", "), expected, "{command}");
    }

    // When a lease is over, they hear of it though nobody sends a command.
    client.lease_ms(LEASE_MS_SHORT);
    client.integer("ALKEY.RECORD alkey:tx:2 alkey:users#2");
    wait_until(DEADLINE, "the lease is over", || {
        if client.pending().is_empty() { Ok(()) } else { Err(client.pending()) }
    });
    assert_eq!(
        listener.heard(),
        ["commit alkey", "commit alkey:*#*", "commit alkey:users#2", "commit alkey:users#*"]
    );
}

#[test]
fn of_a_commit_that_is_too_long_to_signal_the_tables_are_heard() {
    const SIGNALS_MAX: usize = 10_000;
    let (server, mut client) = settled_server();
    client.ok("CONFIG SET alkey.sweep-threshold 20000");
    for rows in [SIGNALS_MAX, SIGNALS_MAX + 1] {
        let mut listener = Listener::of(&server);
        let rows = (0..rows).map(|row| format!(" alkey:users#{row}")).collect::<Vec<_>>().concat();
        client.text(&format!("ALKEY.TOUCH{rows}"));
        let heard = listener.heard();
        let mut expected =
            vec!["commit alkey", "commit alkey:*#*", "commit alkey:users#0", "commit alkey:users#*"];
        if rows.ends_with("#10000") {
            expected.remove(2);
            assert_eq!(heard, expected);
        } else {
            assert_eq!(heard.len(), SIGNALS_MAX + 3);
            assert_eq!(heard[..4], expected);
        }
    }
}

#[test]
fn on_a_replica_subscribers_hear_what_was_applied() {
    let (primary, mut client) = settled_server();
    client.key("alkey:users#1");
    let replica = Server::start();
    replica.replica_of(&primary);
    let mut listener = Listener::of(&replica);
    for (command, expected) in [
        ("ALKEY.KEY alkey:users#1", ""),
        ("ALKEY.TOUCH alkey:users#1 alkey:orders#1", "apply alkey, apply alkey:*#*"),
        ("ALKEY.KEY alkey{a}:users#1", "apply alkey{a}, apply alkey{a}:*#*"),
    ] {
        client.text(command);
        replica.catch_up_with(&primary);
        assert_eq!(listener.heard().join(", "), expected, "{command}");
    }
}

/// Which of the keys watched tell of a command.
#[track_caller]
fn assert_trips(server: &Server, command: impl FnOnce(), what: &str, expected: &[&str]) {
    const WATCHED: [&str; 8] = [
        "alkey",
        "alkey:*#*",
        "alkey:users#*",
        "alkey:users#1",
        "alkey:users#2",
        "alkey:orders#*",
        "alkey{a}",
        "alkey{a}:*#*",
    ];
    let mut watchers: Vec<(&str, Raw)> = WATCHED
        .into_iter()
        .map(|key| {
            let mut watcher = server.resp2();
            assert_eq!(watcher.text(&["WATCH", key]), "+OK\r\n");
            (key, watcher)
        })
        .collect();
    command();
    let tripped: Vec<&str> = watchers
        .iter_mut()
        .filter_map(|(key, watcher)| {
            watcher.text(&["MULTI"]);
            watcher.text(&["PING"]);
            (watcher.call(&["EXEC"]) == Value::Nil).then_some(*key)
        })
        .collect();
    assert_eq!(tripped, expected, "{what}");
}

#[test]
fn a_watch_trips_when_what_is_watched_was_committed() {
    let (server, mut client) = settled_server();
    client.key("alkey:users#1 alkey{a}:users#1");
    let row = ["alkey", "alkey:*#*", "alkey:users#*", "alkey:users#1"].as_slice();
    for (command, expected) in [
        ("ALKEY.KEY alkey:users#1", [].as_slice()),
        ("ALKEY.LOOKUP alkey:users#1 alkey:users#* alkey:*#* alkey{a}:*#*", &[]),
        ("ALKEY.KEY_RO alkey:users#1 alkey:*#*", &[]),
        ("ALKEY.TOKEN alkey:users#1", &[]),
        ("ALKEY.EXPLAIN alkey:users#1 alkey:users#* alkey:*#*", &[]),
        ("ALKEY.PENDING alkey:tx:1", &[]),
        ("ALKEY.HELP", &[]),
        // The largest lease so far is news to replicas, but changes no key.
        ("ALKEY.RECORD alkey:tx:1 alkey:users#1", &[]),
        ("ALKEY.RECORD alkey:tx:2 alkey:users#1 alkey:users#2", &[]),
        ("ALKEY.DISCARD alkey:tx:2", &[]),
        ("ALKEY.COMMIT alkey:tx:1", row),
        ("ALKEY.COMMIT alkey:tx:1", &[]),
        ("ALKEY.COMMIT alkey:tx:3 alkey:users#1", row),
        ("ALKEY.TOUCH alkey:users#1", row),
        ("ALKEY.TOUCH alkey:users#1 alkey:users", &[]),
        ("ALKEY.TOUCH alkey:users#9", &["alkey", "alkey:*#*", "alkey:users#*"]),
        ("ALKEY.TOUCH alkey:orders#1", &["alkey", "alkey:*#*", "alkey:orders#*"]),
        ("ALKEY.TOUCH alkey:users#*", &["alkey", "alkey:*#*", "alkey:users#*"]),
        ("ALKEY.TOUCH alkey:*#*", &["alkey", "alkey:*#*"]),
        ("ALKEY.TOUCH alkey{a}:users#1", &["alkey{a}", "alkey{a}:*#*"]),
    ] {
        assert_trips(&server, || drop(client.text(command)), command, expected);
    }
}

#[test]
fn a_watch_trips_when_a_lease_is_over_or_an_epoch_begins() {
    let (server, mut client) = settled_server();
    client.key("alkey:users#1 alkey{a}:users#1");
    let lease = |client: &mut Client| {
        client.lease_ms(LEASE_MS_SHORT);
        client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1");
        client.lease_ms(LEASE_MS_LONG);
        wait_until(DEADLINE, "the lease is over", || {
            let left = client.pending();
            if left.is_empty() { Ok(()) } else { Err(left) }
        });
    };
    let row = ["alkey", "alkey:*#*", "alkey:users#*", "alkey:users#1"];
    assert_trips(&server, || lease(&mut client), "a lease is over", &row);

    // All namespaces are entered.
    let both = ["alkey", "alkey:*#*", "alkey{a}", "alkey{a}:*#*"];
    let epoch = |client: &mut Client| {
        client.ok("SWAPDB 1 2");
        wait_until(DEADLINE, "the namespaces are in the new term", || {
            let tokens = [client.token("alkey:users#1"), client.token("alkey{a}:users#1")];
            if tokens.iter().all(Option::is_some) { Ok(()) } else { Err(tokens) }
        });
    };
    assert_trips(&server, || epoch(&mut client), "a new epoch", &both);
}

#[test]
fn an_optimistic_transaction_fails_if_what_it_read_was_committed() {
    let (server, mut client) = settled_server();
    let mut other = Client::of(&server);
    for (touched, expected) in [("alkey:users#2", "*2\r\n+OK\r\n:1\r\n"), ("alkey:users#1", "*-1\r\n")] {
        client.ok("WATCH alkey:users#1");
        client.key("alkey:users#1");
        other.integer(&format!("ALKEY.TOUCH {touched}"));
        client.ok("MULTI");
        for command in ["SET page made", "ALKEY.TOUCH alkey:users#1"] {
            assert_eq!(client.raw().text(&words(command)), "+QUEUED\r\n");
        }
        assert_eq!(client.text("EXEC"), expected);
    }
}
