//! What the users that docs/access.md recommends may call, and what not.

use redis::Value;

use super::{
    APPLICATION, EXPORTER, OPERATOR, READER, RELAXED, REPLICA, REPLICA_READER, SENTINEL, USERS, WRITER,
    log_in, server_with_documented_users,
};
use crate::commands::client::{Client, LEASE_MS_LONG, fields, quick_server, text_of, words};
use crate::harness::Server;
use crate::harness::session::Document;

/// Every command with identifiers of the namespace that the users are made for, and who may call it.
const CALLS: &[(&str, &[&str])] = &[
    ("ALKEY.RECORD alkey:tx:1 alkey:users#1", &[APPLICATION, WRITER]),
    ("ALKEY.COMMIT alkey:tx:1", &[APPLICATION, WRITER]),
    ("ALKEY.COMMIT alkey:tx:1 alkey:users#1 alkey:*#*", &[APPLICATION, WRITER]),
    ("ALKEY.DISCARD alkey:tx:1", &[APPLICATION, WRITER]),
    ("ALKEY.TOUCH alkey:users#1 alkey:*#*", &[APPLICATION, WRITER, OPERATOR]),
    ("ALKEY.LOOKUP alkey:users#1 alkey:users#* -- alkey{shop}:users#1", &[APPLICATION, READER]),
    ("ALKEY.KEY alkey:users#1 alkey:*#* de", &[APPLICATION, RELAXED]),
    ("ALKEY.KEY_RO alkey:users#1 de", &[REPLICA_READER]),
    ("ALKEY.TOKEN alkey:users#1", &[APPLICATION, RELAXED, OPERATOR]),
    ("ALKEY.EXPLAIN alkey:users#1 de", &[OPERATOR]),
    ("ALKEY.PENDING", &[OPERATOR]),
    ("ALKEY.PENDING alkey:tx:1", &[OPERATOR]),
    ("ALKEY.HELP", &[OPERATOR]),
    ("INFO alkey", &[OPERATOR, EXPORTER, SENTINEL]),
    ("CONFIG GET alkey.*", &[APPLICATION, WRITER, OPERATOR, EXPORTER]),
    ("MEMORY USAGE alkey", &[OPERATOR]),
    ("TYPE alkey", &[OPERATOR]),
    ("EVAL return 0", &[EXPORTER]),
    ("REPLCONF capa eof", &[REPLICA]),
    ("ROLE", &[SENTINEL]),
    // What the libraries send that these use.
    ("PING", &[APPLICATION, WRITER, READER, RELAXED, REPLICA_READER, OPERATOR, EXPORTER, REPLICA, SENTINEL]),
    (
        "CLIENT SETNAME me",
        &[APPLICATION, WRITER, READER, RELAXED, REPLICA_READER, OPERATOR, EXPORTER, SENTINEL],
    ),
    ("COMMAND COUNT", &[APPLICATION, WRITER, READER, RELAXED, REPLICA_READER, OPERATOR]),
    // What nobody may: other namespaces, the state itself, and the server.
    ("ALKEY.RECORD alkey{shop}:tx:1 alkey{shop}:users#1", &[]),
    ("ALKEY.RECORD {shop} alkey:users#1", &[]),
    ("ALKEY.COMMIT alkey{shop}:tx:1", &[]),
    ("ALKEY.DISCARD alkey{shop}:tx:1", &[]),
    ("ALKEY.TOUCH alkey:users#1 alkey{shop}:users#1", &[]),
    ("ALKEY.LOOKUP alkey:users#1 alkey{shop}:users#1", &[]),
    ("ALKEY.KEY alkey{shop}:users#1", &[]),
    ("ALKEY.KEY_RO alkey{shop}:users#1", &[]),
    ("ALKEY.TOKEN alkey{shop}:users#1", &[]),
    ("ALKEY.EXPLAIN alkey{shop}:users#1", &[]),
    ("ALKEY.PENDING alkey{shop}:tx:1", &[]),
    ("ALKEY.APPLY alkey effect", &[]),
    ("DEL alkey", &[]),
    ("SET alkey text", &[]),
    ("RENAME alkey alkey:users#1", &[]),
    ("GET alkey:users#1", &[]),
    ("DUMP alkey", &[]),
    ("FLUSHALL", &[]),
    ("CONFIG SET alkey.lease-ms 1", &[]),
    ("MODULE LIST", &[]),
    ("ACL WHOAMI", &[]),
    ("CLIENT LIST", &[]),
    ("CLIENT TRACKING on", &[]),
    ("DEBUG SLEEP 0", &[]),
    ("SHUTDOWN ABORT", &[]),
    // The operator's last, since it is in the other database from then on.
    ("SELECT 1", &[OPERATOR]),
];

#[test]
fn each_documented_user_may_do_its_work_and_nothing_else() {
    let server = server_with_documented_users();
    for user in USERS {
        let mut raw = log_in(&server, user);
        for (call, allowed) in CALLS {
            let reply = raw.text(&words(call));
            if allowed.contains(&user) {
                assert!(!reply.starts_with('-'), "{user} must be allowed {call}: {reply}");
            } else {
                assert!(reply.starts_with("-NOPERM "), "{user} must not be allowed {call}: {reply}");
            }
        }
    }
}

#[test]
fn the_table_has_each_user() {
    let document = Document::read("docs/access.md");
    let (_, section) = document.text.split_once("\n## The users\n").expect("there is a section");
    let listed: Vec<String> = crate::docs::rows(section).iter().map(|row| row[0].replace('`', "")).collect();
    assert_eq!(listed, USERS);
}

#[test]
fn a_reader_of_replicas_is_answered_by_a_replica() {
    let (primary, replica) = (server_with_documented_users(), server_with_documented_users());
    let key = Client::of(&primary).key("alkey:users#1 de");
    replica.replica_of(&primary);
    let call = words("ALKEY.KEY_RO alkey:users#1 de");
    assert_eq!(log_in(&replica, REPLICA_READER).text(&call), format!("$64\r\n{key}\r\n"));
    let refused = log_in(&replica, RELAXED).text(&words("ALKEY.KEY alkey:users#1 de"));
    assert!(refused.starts_with("-READONLY "), "{refused}");
}

#[test]
fn rights_may_be_limited_to_a_table_or_a_tag() {
    let server = quick_server(&[]);
    let mut client = Client::of(&server);
    client.lease_ms(LEASE_MS_LONG);
    let (all, table, tag, tags) = ("+@all", "alkey:orders#*", "alkey{shop}:*", "alkey{*}:*");
    let users = [
        ("table-writer", format!("{all} %W~{table} %W~alkey:tx:*")),
        ("table-reader", format!("{all} %R~{table}")),
        ("tag-writer", format!("{all} %W~{tag}")),
        ("tags-reader", format!("{all} %R~{tags}")),
    ];
    for (name, rules) in &users {
        client.ok(&format!("ACL SETUSER {name} on nopass {rules}"));
    }
    let cases = [
        ("table-writer", "ALKEY.RECORD alkey:tx:1 alkey:orders#1 alkey:orders#*", true),
        ("table-writer", "ALKEY.COMMIT alkey:tx:1 alkey:orders#1", true),
        ("table-writer", "ALKEY.RECORD alkey:tx:1 alkey:users#1", false),
        ("table-writer", "ALKEY.RECORD alkey:tx:1 alkey:*#*", false),
        ("table-writer", "ALKEY.RECORD tx alkey:orders#1", false),
        ("table-writer", "ALKEY.LOOKUP alkey:orders#1", false),
        ("table-reader", "ALKEY.LOOKUP alkey:orders#1 alkey:orders#*", true),
        ("table-reader", "ALKEY.KEY_RO alkey:orders#1", true),
        ("table-reader", "ALKEY.LOOKUP alkey:orders#1 alkey:users#1", false),
        ("table-reader", "ALKEY.LOOKUP alkey:*#*", false),
        ("table-reader", "ALKEY.TOUCH alkey:orders#1", false),
        ("tag-writer", "ALKEY.RECORD alkey{shop}:tx:1 alkey{shop}:users#1", true),
        ("tag-writer", "ALKEY.TOUCH alkey{shop}:*#*", true),
        ("tag-writer", "ALKEY.TOUCH alkey{shops}:users#1", false),
        ("tag-writer", "ALKEY.TOUCH alkey:users#1", false),
        ("tag-writer", "DEL alkey{shop}", false),
        ("tags-reader", "ALKEY.KEY alkey{shop}:users#1 alkey{other}:users#1", true),
        ("tags-reader", "ALKEY.KEY alkey:users#1", false),
        // Values are no keys, and what is in flight is listed whole: docs/access.md says so.
        ("tags-reader", "ALKEY.KEY -- alkey:users#1", true),
        ("tags-reader", "ALKEY.PENDING", true),
    ];
    for (user, call, is_allowed) in cases {
        let mut raw = server.resp2();
        assert_eq!(raw.text(&["AUTH", user, ""]), "+OK\r\n");
        let reply = raw.text(&words(call));
        assert_eq!(!reply.starts_with("-NOPERM "), is_allowed, "{user}: {call}: {reply}");
        assert_eq!(!reply.starts_with('-'), is_allowed, "{user}: {call}: {reply}");
    }
    // A script has the rights of who runs it.
    let mut raw = server.resp2();
    assert_eq!(raw.text(&["AUTH", "table-reader", ""]), "+OK\r\n");
    let script = "return redis.call('ALKEY.TOUCH', 'alkey:orders#1')";
    let reply = raw.text(&["EVAL", script, "0"]);
    assert!(reply.starts_with('-'), "{reply}");
}

#[test]
fn the_categories_are_those_of_the_table() {
    let server = Server::start();
    let mut client = Client::of(&server);
    let document = Document::read("docs/access.md");
    let (_, section) = document.text.split_once("\n## Categories\n").expect("there is a section");
    let rows = crate::docs::rows(section);
    let categories = fields(&client.call("ACL CAT"));
    let has_its_own = categories.contains(&Value::BulkString(b"alkey".into()));
    let mut commands = 0;
    for row in rows.iter().filter(|row| row[0].starts_with("`ALKEY.")) {
        for name in row[0].split(", ") {
            let info = fields(&client.call(&format!("COMMAND INFO {}", name.trim_matches('`'))));
            let mut told: Vec<String> = fields(&fields(&info[0])[6]).iter().map(text_of).collect();
            if told.is_empty() {
                eprintln!("skipped: this server lets modules choose no categories");
            } else {
                let mut documented: Vec<&str> =
                    row[1].split(", ").map(|category| category.trim_matches('`')).collect();
                documented.extend(has_its_own.then_some("@alkey"));
                documented.sort_unstable();
                told.sort();
                assert_eq!(told, documented, "{name}");
            }
            commands += 1;
        }
    }
    let all = fields(&client.call("COMMAND LIST FILTERBY MODULE alkey"));
    assert_eq!(commands, all.len(), "the table has every command");
}
