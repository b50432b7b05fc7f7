//! What the server tells about the commands, from one table: a row for each.
//!
//! Clients route by it, operators grant rights by it, and a cluster refuses by it.

use redis::Value;

use super::client::{fields, settled_server, text_of, words};

struct Row {
    name: &'static str,
    arity: i64,
    flags: &'static str,
    keys: &'static str,
    /// Each argument as `name`, or `name:key` with what else the server tells of it.
    arguments: &'static str,
}

const fn row(
    name: &'static str,
    arity: i64,
    flags: &'static str,
    keys: &'static str,
    arguments: &'static str,
) -> Row {
    Row { name, arity, flags, keys, arguments }
}

/// In the order that a client meets them; flags in alphabetical order.
const COMMANDS: &[Row] = &[
    row(
        "alkey.record",
        -3,
        "denyoom fast module write",
        ALL_WRITTEN,
        "transaction:key identifier:key:multiple",
    ),
    row(
        "alkey.commit",
        -2,
        "fast module write",
        ALL_WRITTEN,
        "transaction:key identifier:key:optional:multiple",
    ),
    row("alkey.discard", 2, "fast module write", FIRST_WRITTEN, "transaction:key"),
    row("alkey.touch", -2, "fast module write", ALL_WRITTEN, "identifier:key:multiple"),
    row(
        "alkey.key",
        -2,
        "fast module movablekeys no_mandatory_keys write",
        IDENTIFIERS_READ,
        "part:key:multiple",
    ),
    row(
        "alkey.lookup",
        -2,
        "fast module movablekeys no_mandatory_keys write",
        IDENTIFIERS_READ,
        "part:key:multiple",
    ),
    row(
        "alkey.key_ro",
        -2,
        "fast module movablekeys no_mandatory_keys readonly",
        IDENTIFIERS_READ,
        "part:key:multiple",
    ),
    row("alkey.token", 2, "fast module readonly", FIRST_READ, "identifier:key"),
    row(
        "alkey.explain",
        -2,
        "module movablekeys no_mandatory_keys readonly",
        IDENTIFIERS_READ,
        "part:key:multiple",
    ),
    row(
        "alkey.pending",
        -1,
        "module movablekeys no_mandatory_keys readonly",
        FIRST_IF_ANY_READ,
        "transaction:key:optional",
    ),
    row("alkey.help", 1, "fast loading module readonly stale", "", ""),
    row("alkey.apply", 3, "fast module write", FIRST_WRITTEN, "namespace:key effect"),
];

const ALL_WRITTEN: &str = "OW update; from 1 to -1";
const FIRST_WRITTEN: &str = "OW update; from 1 to 0";
const FIRST_READ: &str = "RO access; from 1 to 0";
// The range holds arguments that are no keys, so the server has to ask the command.
const FIRST_IF_ANY_READ: &str = "RO access incomplete; from 1 to 0";
const IDENTIFIERS_READ: &str = "RO access incomplete; from 1 to -1";

/// Calls, each with the keys in it.
const KEYS_OF_CALLS: &[(&str, &str)] = &[
    ("alkey.record alkey:tx:1 alkey:users#1 alkey:users#*", "alkey:tx:1 alkey:users#1 alkey:users#*"),
    ("alkey.record anything alkey:users#1", "anything alkey:users#1"),
    ("alkey.commit alkey:tx:1", "alkey:tx:1"),
    ("alkey.commit alkey{shop}:tx:1 alkey{shop}:users#1", "alkey{shop}:tx:1 alkey{shop}:users#1"),
    ("alkey.discard alkey:tx:1", "alkey:tx:1"),
    ("alkey.touch alkey:users#1 alkey:*#*", "alkey:users#1 alkey:*#*"),
    ("alkey.key alkey:users#1", "alkey:users#1"),
    ("alkey.key de alkey:users#1 2024 alkey{shop}:users#*", "alkey:users#1 alkey{shop}:users#*"),
    ("alkey.key alkey:users#1 -- alkey:users#2", "alkey:users#1"),
    ("alkey.key alkey:users#1 -- -- alkey:users#2", "alkey:users#1"),
    // What looks like an identifier and is none must reach the node that will refuse it, too.
    ("alkey.key alkey:users alkey{shop:users#1 alkey users#1", "alkey:users alkey{shop:users#1"),
    ("alkey.key -- alkey:users#1", ""),
    ("alkey.key de", ""),
    ("alkey.lookup de alkey:users#1 -- alkey:users#2", "alkey:users#1"),
    ("alkey.lookup de", ""),
    ("alkey.key_ro alkey:users#1 -- alkey:users#2", "alkey:users#1"),
    ("alkey.key_ro de", ""),
    ("alkey.token alkey:users#1", "alkey:users#1"),
    ("alkey.explain de alkey:users#1 -- alkey:users#2", "alkey:users#1"),
    ("alkey.explain de", ""),
    ("alkey.pending alkey:tx:1", "alkey:tx:1"),
    ("alkey.apply alkey{shop} effect", "alkey{shop}"),
];

#[test]
fn the_table_has_every_command_of_the_module() {
    let (_server, mut client) = settled_server();
    let mut listed: Vec<String> =
        fields(&client.call("COMMAND LIST FILTERBY MODULE alkey")).iter().map(text_of).collect();
    let mut expected: Vec<&str> = COMMANDS.iter().map(|row| row.name).collect();
    listed.sort();
    expected.sort_unstable();
    assert_eq!(listed, expected);
}

#[test]
fn command_info_tells_arity_flags_and_keys() {
    let (_server, mut client) = settled_server();
    for row in COMMANDS {
        let info = fields(&fields(&client.call(&format!("COMMAND INFO {}", row.name)))[0]);
        assert_eq!(text_of(&info[0]), row.name);
        assert_eq!(info[1], Value::Int(row.arity), "{}", row.name);
        let mut flags: Vec<String> = fields(&info[2]).iter().map(text_of).collect();
        flags.sort();
        assert_eq!(flags.join(" "), row.flags, "{}", row.name);
        let specs: Vec<String> = fields(&info[8]).iter().map(key_spec).collect();
        assert_eq!(specs.join(", "), row.keys, "{}", row.name);
    }
}

#[test]
fn command_docs_tells_what_a_command_is_for() {
    let (_server, mut client) = settled_server();
    for row in COMMANDS {
        let docs = fields(&client.call(&format!("COMMAND DOCS {}", row.name)));
        assert_eq!(text_of(&docs[0]), row.name);
        let field = |name| field(&docs[1], name);
        let says = |name| text_of(&field(name).unwrap_or_else(|| panic!("{} has no {name}", row.name)));
        let summary = says("summary");
        assert!(summary.len() > 20 && summary.ends_with('.'), "{}: {summary}", row.name);
        assert_eq!(says("since"), "1.0.0", "{}", row.name);
        assert!(says("complexity").starts_with("O("), "{}", row.name);
        let arguments = field("arguments").map(|arguments| fields(&arguments)).unwrap_or_default();
        let arguments: Vec<String> = arguments.iter().map(argument).collect();
        assert_eq!(arguments.join(" "), row.arguments, "{}", row.name);
    }
}

#[test]
fn the_keys_of_a_call_are_those_that_it_names() {
    let (_server, mut client) = settled_server();
    for (call, keys) in KEYS_OF_CALLS {
        let found: Vec<String> =
            fields(&client.call(&format!("COMMAND GETKEYS {call}"))).iter().map(text_of).collect();
        assert_eq!(found.join(" "), *keys, "{call}");

        let command = words(call)[0];
        let row = COMMANDS.iter().find(|row| row.name == command).expect("the table has the command");
        let (access, _) = row.keys.split_once(';').expect("the command has keys");
        let access = access.trim_end_matches(" incomplete");
        for key in fields(&client.call(&format!("COMMAND GETKEYSANDFLAGS {call}"))) {
            let [name, flags] = &fields(&key)[..] else { panic!("{call} has {key:?}") };
            let flags: Vec<String> = fields(flags).iter().map(text_of).collect();
            assert_eq!(flags.join(" "), access, "{} in {call}", text_of(name));
        }
    }
    let without_keys = |row: &&Row| !row.keys.is_empty();
    for row in COMMANDS.iter().filter(without_keys) {
        assert!(KEYS_OF_CALLS.iter().any(|(call, _)| words(call)[0] == row.name), "no call of {}", row.name);
    }
}

#[test]
fn help_tells_of_every_command_that_clients_may_call() {
    let (_server, mut client) = settled_server();
    let help: Vec<String> = fields(&client.call("ALKEY.HELP")).iter().map(text_of).collect();
    for row in COMMANDS {
        let name = row.name.to_uppercase();
        let told =
            help.iter().any(|line| line.strip_prefix(&name).is_some_and(|rest| rest.starts_with([' ', ':'])));
        assert_eq!(told, row.name != "alkey.apply", "{name}");
    }
}

/// A key specification: what for, and which arguments.
#[track_caller]
fn key_spec(spec: &Value) -> String {
    let flags: Vec<String> = fields(&field(spec, "flags").expect("has flags")).iter().map(text_of).collect();
    let begin = field(&field(spec, "begin_search").expect("has a begin"), "spec").expect("is known");
    let range = field(&field(spec, "find_keys").expect("has an end"), "spec").expect("is known");
    let number = |of: &Value, name| text_of(&field(of, name).expect("has the number"));
    assert_eq!([number(&range, "keystep"), number(&range, "limit")], ["1", "0"]);
    format!("{}; from {} to {}", flags.join(" "), number(&begin, "index"), number(&range, "lastkey"))
}

/// An argument as [`Row::arguments`] writes it.
#[track_caller]
fn argument(argument: &Value) -> String {
    let mut text = text_of(&field(argument, "name").expect("has a name"));
    match field(argument, "key_spec_index") {
        Some(index) => {
            assert_eq!([text_of(&index), text_of(&field(argument, "type").unwrap())], ["0", "key"]);
            text += ":key";
        }
        None => assert_eq!(text_of(&field(argument, "type").unwrap()), "string"),
    }
    for flag in field(argument, "flags").map(|flags| fields(&flags)).unwrap_or_default() {
        text = format!("{text}:{}", text_of(&flag));
    }
    text
}

/// A value of a map, which RESP2 sends as a flat list.
#[track_caller]
fn field(map: &Value, name: &str) -> Option<Value> {
    let all = fields(map);
    all.chunks_exact(2).find(|pair| text_of(&pair[0]) == name).map(|pair| pair[1].clone())
}
