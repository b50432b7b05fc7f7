//! The users that docs/access.md recommends may do what it says they may, and nothing else.

use redis::Value;

use crate::commands::client::{Client, LEASE_MS_LONG, fields, quick_server, text_of, words};
use crate::harness::session::Document;
use crate::harness::{DEADLINE, Raw, Server, wait_until};

/// Every command with identifiers of the namespace that the users are made for, and who may call it.
const CALLS: &[(&str, &[&str])] = &[
    ("ALKEY.RECORD alkey:tx:1 alkey:users#1", &[WRITER]),
    ("ALKEY.COMMIT alkey:tx:1", &[WRITER]),
    ("ALKEY.COMMIT alkey:tx:1 alkey:users#1 alkey:*#*", &[WRITER]),
    ("ALKEY.DISCARD alkey:tx:1", &[WRITER]),
    ("ALKEY.TOUCH alkey:users#1 alkey:*#*", &[WRITER, OPERATOR]),
    ("ALKEY.LOOKUP alkey:users#1 alkey:users#* -- alkey{shop}:users#1", &[READER]),
    ("ALKEY.KEY alkey:users#1 alkey:*#* de", &[RELAXED]),
    ("ALKEY.KEY_RO alkey:users#1 de", &[REPLICA]),
    ("ALKEY.TOKEN alkey:users#1", &[OPERATOR]),
    ("ALKEY.EXPLAIN alkey:users#1 de", &[OPERATOR]),
    ("ALKEY.PENDING", &[OPERATOR]),
    ("ALKEY.PENDING alkey:tx:1", &[OPERATOR]),
    ("ALKEY.HELP", &[OPERATOR]),
    ("INFO alkey", &[OPERATOR]),
    ("CONFIG GET alkey.*", &[OPERATOR]),
    ("MEMORY USAGE alkey", &[OPERATOR]),
    ("TYPE alkey", &[OPERATOR]),
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
];

const WRITER: &str = "alkey-writer";
const READER: &str = "alkey-reader";
const RELAXED: &str = "alkey-relaxed-reader";
const REPLICA: &str = "alkey-replica-reader";
const OPERATOR: &str = "alkey-operator";
const USERS: [&str; 5] = [WRITER, READER, RELAXED, REPLICA, OPERATOR];

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
fn a_reader_of_replicas_is_answered_by_a_replica() {
    let (primary, replica) = (server_with_documented_users(), server_with_documented_users());
    let key = Client::of(&primary).key("alkey:users#1 de");
    replica.replica_of(&primary);
    let call = words("ALKEY.KEY_RO alkey:users#1 de");
    assert_eq!(log_in(&replica, REPLICA).text(&call), format!("$64\r\n{key}\r\n"));
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

/// The lines of docs/access.md that make users.
fn documented_users() -> Vec<String> {
    let text = Document::read("docs/access.md").text;
    let lines = text.lines().filter_map(|line| line.strip_prefix("user "));
    lines.map(str::to_owned).collect()
}

#[track_caller]
fn server_with_documented_users() -> Server {
    let users = documented_users();
    let names: Vec<&str> = users.iter().filter_map(|user| user.split(' ').next()).collect();
    assert_eq!(names, USERS);
    let config: Vec<(&str, &str)> = users.iter().map(|user| ("user", user.as_str())).collect();
    let server = quick_server(&config);
    let mut client = Client::of(&server);
    wait_until(DEADLINE, "grace is over", || match client.settled("alkey:*#*") {
        0.. => Ok(()),
        unsettled => Err(unsettled),
    });
    client.lease_ms(LEASE_MS_LONG);
    server
}

/// A connection of this user, with the documented password.
#[track_caller]
fn log_in(server: &Server, user: &str) -> Raw {
    let users = documented_users();
    let password = users.iter().find_map(|line| {
        let mut words = line.split(' ').skip_while(|word| *word != user);
        words.find_map(|word| word.strip_prefix('>'))
    });
    let mut raw = server.resp2();
    assert_eq!(raw.text(&["AUTH", user, password.expect("it has a password")]), "+OK\r\n");
    raw
}
