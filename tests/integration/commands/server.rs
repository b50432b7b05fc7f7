//! The commands in what a server offers around them: transactions, scripts, pipelines, WATCH, and moves of keys.

use redis::Value;

use super::client::{Client, fields, settled_server, text_of, words};

#[test]
fn commands_work_in_a_transaction_of_the_server() {
    let (_server, mut client) = settled_server();
    let before = client.key("alkey:users#1");
    client.ok("MULTI");
    for command in [
        "ALKEY.KEY alkey:users#1",
        "ALKEY.RECORD alkey:tx:1 alkey:users#1 alkey:users#2",
        "ALKEY.LOOKUP alkey:users#1",
        "ALKEY.COMMIT alkey:tx:1",
        "ALKEY.KEY alkey:users#1",
    ] {
        assert_eq!(client.text(command), "+QUEUED\r\n");
    }
    let Value::Array(replies) = client.call("EXEC") else { panic!("EXEC was aborted") };
    let [
        Value::BulkString(first),
        Value::Int(2),
        Value::Array(lookup),
        Value::Int(2),
        Value::BulkString(last),
    ] = &replies[..]
    else {
        panic!("{replies:?}")
    };
    assert_eq!(*first, before.as_bytes());
    assert_eq!(lookup[3], Value::Int(-1));
    assert_eq!(client.key("alkey:users#1").as_bytes(), last);
    assert_ne!(first, last);

    // What is discarded by the server was never called.
    client.ok("MULTI");
    client.text("ALKEY.TOUCH alkey:users#1");
    client.ok("DISCARD");
    assert_eq!(client.key("alkey:users#1").as_bytes(), last);
}

#[test]
fn commands_work_in_scripts() {
    let (_server, mut client) = settled_server();
    let before = client.key("alkey:users#1");
    let script = "redis.call('ALKEY.RECORD', KEYS[1], KEYS[2]) \
                  local settled = redis.call('ALKEY.LOOKUP', KEYS[2])[4] \
                  local committed = redis.call('ALKEY.COMMIT', KEYS[1]) \
                  return {settled, committed, redis.call('ALKEY.KEY', KEYS[2])}";
    let reply = client.raw().call(&["EVAL", script, "2", "alkey:tx:1", "alkey:users#1"]);
    let Value::Array(reply) = reply else { panic!("{reply:?}") };
    let [Value::Int(-1), Value::Int(1), Value::BulkString(key)] = &reply[..] else { panic!("{reply:?}") };
    assert_ne!(*key, before.as_bytes());
    assert_eq!(client.key("alkey:users#1").as_bytes(), key);

    // A map is a map to a script that asked for it.
    let three = "redis.setresp(3) return redis.call('ALKEY.LOOKUP', KEYS[1])['map']['key']";
    let reply = client.raw().call(&["EVAL", three, "1", "alkey:users#1"]);
    assert_eq!(reply, Value::BulkString(client.lookup("alkey:users#1").0.into_bytes()));

    // A function is one name for it, on the server.
    let library = "#!lua name=cache\nredis.register_function('page', function(keys, args) \
                   return redis.call('ALKEY.KEY', keys[1], '--', args[1]) end)";
    client.raw().text(&["FUNCTION", "LOAD", library]);
    let page = client.string("FCALL page 1 alkey:users#1 de");
    assert_eq!(page, Some(client.key("alkey:users#1 -- de")));

    // A script that only reads may not call what may have to write.
    let refused =
        client.raw().text(&["EVAL_RO", "return redis.call('ALKEY.KEY', KEYS[1])", "1", "alkey:users#1"]);
    assert!(refused.starts_with("-ERR Write commands are not allowed from read-only scripts."), "{refused}");
    let token =
        client.raw().call(&["EVAL_RO", "return redis.call('ALKEY.TOKEN', KEYS[1])", "1", "alkey:users#1"]);
    assert_eq!(Some(text_of(&token)), client.token("alkey:users#1"));
}

#[test]
fn commands_work_in_a_pipeline() {
    let (_server, mut client) = settled_server();
    let before = client.key("alkey:users#1");
    let commands =
        ["ALKEY.RECORD tx alkey:users#1", "ALKEY.COMMIT tx", "ALKEY.KEY", "ALKEY.KEY alkey:users#1"];
    for command in commands {
        client.raw().send(&words(command));
    }
    assert_eq!([client.raw().read_bytes(), client.raw().read_bytes()], [b":1\r\n", b":1\r\n"]);
    assert!(client.raw().read_bytes().starts_with(b"-ERR wrong number"));
    let Value::BulkString(after) = client.raw().read() else { panic!("KEY replied no string") };
    assert_ne!(after, before.as_bytes());
    assert_eq!(client.key("alkey:users#1").as_bytes(), after);
}

#[test]
fn a_watched_namespace_changes_only_when_something_is_committed() {
    let (server, mut client) = settled_server();
    let mut other = Client::of(&server);
    for (command, trips) in [
        ("ALKEY.KEY alkey:users#1", false),
        ("ALKEY.LOOKUP alkey:users#1 alkey:*#*", false),
        ("ALKEY.TOKEN alkey:users#1", false),
        ("ALKEY.COMMIT unknown", false),
        ("ALKEY.DISCARD unknown", false),
        ("ALKEY.TOUCH alkey", false),
        ("ALKEY.TOUCH alkey:users#1", true),
        ("ALKEY.COMMIT alkey:tx:1 alkey:users#1", true),
        ("DEL alkey", true),
        // It is created again.
        ("ALKEY.KEY alkey:users#1", true),
    ] {
        client.ok("WATCH alkey");
        other.text(command);
        client.ok("MULTI");
        client.text("PING");
        let reply = client.text("EXEC");
        assert_eq!(reply == "*-1\r\n", trips, "{command}: {reply}");
    }
    // The first transaction with a lease longer than any before is told to replicas; the next are not.
    other.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1");
    client.ok("WATCH alkey");
    other.integer("ALKEY.RECORD alkey:tx:2 alkey:users#1");
    other.integer("ALKEY.DISCARD alkey:tx:2");
    client.ok("MULTI");
    assert_eq!(client.text("EXEC"), "*0\r\n");
}

#[test]
fn an_identifier_can_be_watched_though_there_is_no_such_key() {
    let (server, mut client) = settled_server();
    let mut other = Client::of(&server);
    for (watched, command, trips) in [
        ("alkey:users#1", "ALKEY.TOUCH alkey:users#1", true),
        ("alkey:users#1", "ALKEY.TOUCH alkey:users#2 alkey:orders#1 alkey{a}:users#1", false),
        ("alkey:users#*", "ALKEY.TOUCH alkey:users#2", true),
        ("alkey:users#*", "ALKEY.TOUCH alkey:orders#2", false),
        ("alkey:*#*", "ALKEY.TOUCH alkey:orders#2", true),
        ("alkey:users#1", "ALKEY.KEY alkey:users#1", false),
        ("alkey:users#1", "ALKEY.RECORD alkey:tx:1 alkey:users#1", false),
        ("alkey:users#1", "ALKEY.COMMIT alkey:tx:1", true),
    ] {
        client.ok(&format!("WATCH {watched}"));
        other.text(command);
        client.ok("MULTI");
        client.text("PING");
        assert_eq!(client.text("EXEC") == "*-1\r\n", trips, "{watched}, {command}");
    }
}

#[test]
fn a_client_that_tracks_what_it_reads_is_told_of_a_commit() {
    let (server, mut other) = settled_server();
    let mut client = server.resp3();
    assert_eq!(client.text(&["CLIENT", "TRACKING", "ON"]), "+OK\r\n");
    client.call(&["ALKEY.KEY_RO", "alkey:users#1", "de"]);
    other.integer("ALKEY.TOUCH alkey:users#2");
    other.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1");
    // Nothing has come before the reply to this.
    assert_eq!(client.text(&["PING"]), "+PONG\r\n");
    other.integer("ALKEY.COMMIT alkey:tx:1");
    let told = String::from_utf8(client.read_bytes()).expect("it is text");
    assert_eq!(told, ">2\r\n$10\r\ninvalidate\r\n*1\r\n$13\r\nalkey:users#1\r\n");
}

#[test]
fn commits_are_keyspace_events() {
    let (server, mut client) = settled_server();
    client.ok("CONFIG SET notify-keyspace-events KEA");
    let mut subscriber = server.resp2();
    subscriber.call(&["PSUBSCRIBE", "__keyspace@0__:alkey*"]);
    client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1 alkey:orders#*");
    client.integer("ALKEY.COMMIT alkey:tx:1");
    let mut told = Vec::new();
    client.integer("PUBLISH __keyspace@0__:alkey end");
    loop {
        let message = fields(&subscriber.read());
        let (channel, event) = (text_of(&message[2]), text_of(&message[3]));
        if event == "end" {
            break;
        }
        assert_eq!(event, "alkey.commit");
        told.push(channel.trim_start_matches("__keyspace@0__:").to_owned());
    }
    told.sort();
    told.dedup();
    assert_eq!(told, ["alkey", "alkey:*#*", "alkey:orders#*", "alkey:users#*", "alkey:users#1"]);
}

#[test]
fn a_namespace_that_was_moved_has_new_keys() {
    let (_server, mut client) = settled_server();
    let mut seen = std::collections::HashSet::new();
    let mut moved = |client: &mut Client, how: &str| {
        for identifier in ["alkey:users#1", "alkey:users#2", "alkey:*#*", "alkey{a}:users#1"] {
            assert!(seen.insert(client.key(identifier)), "a key of {identifier} came back after {how}");
            assert_eq!(client.key(identifier), client.key(identifier));
        }
    };
    client.integer("ALKEY.TOUCH alkey:users#1 alkey{a}:users#1");
    moved(&mut client, "the start");
    client.ok("RENAME alkey alkey{a}");
    moved(&mut client, "RENAME");
    client.ok("RENAME alkey away");
    client.ok("RENAME away alkey");
    client.ok("RENAME alkey{a} alkey{a}.old");
    moved(&mut client, "RENAME there and back");
    for database in [1, 0] {
        client.integer(&format!("MOVE alkey {database}"));
        client.integer(&format!("MOVE alkey{{a}} {database}"));
        client.ok(&format!("SELECT {database}"));
        moved(&mut client, "MOVE");
    }
    client.ok("SWAPDB 0 1");
    moved(&mut client, "SWAPDB");
    client.ok("SELECT 1");
    moved(&mut client, "SWAPDB");
    client.ok("SWAPDB 0 1");
    moved(&mut client, "SWAPDB back");
}

#[test]
fn a_namespace_has_no_copy() {
    let (_server, mut client) = settled_server();
    assert_eq!(client.text("COPY alkey alkey{a}"), "-ERR not supported for this module key\r\n");
    assert_eq!(client.text("EXISTS alkey{a}"), ":0\r\n");
}

#[test]
fn a_namespace_is_a_key_of_its_own_type() {
    let (_server, mut client) = settled_server();
    assert_eq!(client.text("TYPE alkey"), "+alkey-nsp\r\n");
    assert_eq!(client.text("OBJECT ENCODING alkey"), "$3\r\nraw\r\n");
    assert!(client.text("GET alkey").starts_with("-WRONGTYPE "));
    assert_eq!(client.text("DBSIZE"), ":1\r\n");
    client.integer("ALKEY.RECORD alkey:tx:1 alkey:users#1 alkey:users#2");
    client.integer("ALKEY.COMMIT alkey:tx:1");
    assert_eq!(client.text("KEYS *"), "*1\r\n$5\r\nalkey\r\n");
}
