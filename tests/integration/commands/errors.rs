//! Every error that a client can reach, with its exact text; and each has changed nothing.

use std::fs;

use super::client::{Client, LEASE_MS_LONG, quick_server, words};
use crate::harness::Server;

const EXPECTED: &str = "is not an identifier: expected alkey:TABLE#ROW, alkey:TABLE#*, alkey:*#*, or the same with \
                        a tag as in alkey{TAG}:TABLE#ROW";

/// Commands that read, and commands that want identifiers only, in front of what is no identifier.
const WITH_PARTS: [&str; 4] = ["ALKEY.KEY", "ALKEY.LOOKUP", "ALKEY.KEY_RO", "ALKEY.EXPLAIN"];
const WITH_IDENTIFIERS: [&str; 4] = ["ALKEY.RECORD tx", "ALKEY.COMMIT tx", "ALKEY.TOUCH", "ALKEY.TOKEN"];

const MALFORMED_EVERYWHERE: [&str; 14] = [
    "alkey:",
    "alkey{",
    "alkey:users",
    "alkey:#1",
    "alkey:#",
    "alkey:users#",
    "alkey:*#7",
    "alkey:*#",
    "alkey{shop:users#1",
    "alkey{shop}",
    "alkey{shop}users#1",
    "alkey{shop}:users",
    "alkey{}:users#1",
    "alkey{shop}:*#1",
];

const MALFORMED_AS_IDENTIFIERS: [&str; 6] =
    ["\"\"", "alkey", "users#1", "Alkey:users#1", "--", "alkey-users#1"];

const ERRORS: &[(&str, &str)] = &[
    // The number of arguments.
    ("ALKEY.RECORD", "ERR wrong number of arguments for 'alkey.record' command"),
    ("ALKEY.RECORD alkey:tx:1", "ERR wrong number of arguments for 'alkey.record' command"),
    ("ALKEY.COMMIT", "ERR wrong number of arguments for 'alkey.commit' command"),
    ("ALKEY.DISCARD", "ERR wrong number of arguments for 'alkey.discard' command"),
    ("ALKEY.DISCARD alkey:tx:0 alkey:users#1", "ERR wrong number of arguments for 'alkey.discard' command"),
    ("ALKEY.TOUCH", "ERR wrong number of arguments for 'alkey.touch' command"),
    ("ALKEY.KEY", "ERR wrong number of arguments for 'alkey.key' command"),
    ("ALKEY.KEY --", "ERR wrong number of arguments for 'alkey.key' command"),
    ("ALKEY.LOOKUP", "ERR wrong number of arguments for 'alkey.lookup' command"),
    ("ALKEY.LOOKUP --", "ERR wrong number of arguments for 'alkey.lookup' command"),
    ("ALKEY.KEY_RO", "ERR wrong number of arguments for 'alkey.key_ro' command"),
    ("ALKEY.KEY_RO --", "ERR wrong number of arguments for 'alkey.key_ro' command"),
    ("ALKEY.EXPLAIN", "ERR wrong number of arguments for 'alkey.explain' command"),
    ("ALKEY.EXPLAIN --", "ERR wrong number of arguments for 'alkey.explain' command"),
    ("ALKEY.TOKEN", "ERR wrong number of arguments for 'alkey.token' command"),
    ("ALKEY.TOKEN alkey:users#1 alkey:users#2", "ERR wrong number of arguments for 'alkey.token' command"),
    ("ALKEY.PENDING alkey:tx:0 alkey:tx:1", "ERR wrong number of arguments for 'alkey.pending' command"),
    ("ALKEY.HELP me", "ERR wrong number of arguments for 'alkey.help' command"),
    ("ALKEY.APPLY alkey", "ERR wrong number of arguments for 'alkey.apply' command"),
    ("ALKEY.APPLY alkey a b", "ERR wrong number of arguments for 'alkey.apply' command"),
    // Transactions without a name.
    ("ALKEY.RECORD \"\" alkey:users#1", NO_NAME),
    ("ALKEY.COMMIT \"\"", NO_NAME),
    ("ALKEY.COMMIT \"\" alkey:users#1", NO_NAME),
    ("ALKEY.DISCARD \"\"", NO_NAME),
    ("ALKEY.PENDING \"\"", NO_NAME),
    // Identifiers of another namespace than the transaction's.
    (
        "ALKEY.RECORD alkey{shop}:tx:1 alkey{shop}:users#1 alkey:users#1",
        "ERR \"alkey:users#1\" is not in the transaction's namespace: expected an identifier that begins with \
         \"alkey{shop}:\"",
    ),
    (
        "ALKEY.COMMIT alkey:tx:0 alkey:users#1 alkey{shop}:users#1",
        "ERR \"alkey{shop}:users#1\" is not in the transaction's namespace: expected an identifier that begins \
         with \"alkey:\"",
    ),
    (
        "ALKEY.COMMIT {shop} alkey{shop}:users#1",
        "ERR \"alkey{shop}:users#1\" is not in the transaction's namespace: expected an identifier that begins \
         with \"alkey:\"",
    ),
    // A namespace's key that holds something else; the others in the call are not entered.
    ("ALKEY.RECORD alkey{taken}:tx:1 alkey{taken}:users#1", TAKEN),
    ("ALKEY.COMMIT alkey{taken}:tx:1", TAKEN),
    ("ALKEY.COMMIT alkey{taken}:tx:1 alkey{taken}:users#1", TAKEN),
    ("ALKEY.DISCARD alkey{taken}:tx:1", TAKEN),
    ("ALKEY.TOUCH alkey{taken}:users#1", TAKEN),
    ("ALKEY.TOUCH alkey:users#1 alkey{new}:users#1 alkey{taken}:users#1", TAKEN),
    ("ALKEY.KEY alkey{taken}:users#1", TAKEN),
    ("ALKEY.KEY alkey{new}:users#1 alkey{taken}:users#1", TAKEN),
    ("ALKEY.LOOKUP alkey{taken}:users#1", TAKEN),
    ("ALKEY.LOOKUP alkey{new}:users#1 alkey{taken}:users#1", TAKEN),
    ("ALKEY.KEY_RO alkey{taken}:users#1", TAKEN),
    ("ALKEY.KEY_RO alkey{new}:users#1 alkey{taken}:users#1", TAKEN),
    ("ALKEY.EXPLAIN alkey:users#1 alkey{taken}:users#1", TAKEN),
    ("ALKEY.TOKEN alkey{taken}:users#1", TAKEN),
    // What only a primary or an append-only file may call.
    ("ALKEY.APPLY alkey effect", INTERNAL),
    ("ALKEY.APPLY alkey \"\"", INTERNAL),
    ("ALKEY.APPLY alkey{new} effect", INTERNAL),
];

const NO_NAME: &str = "ERR the transaction has no name: expected a unique one, such as alkey:tx:UUID";
const TAKEN: &str =
    "WRONGTYPE the key \"alkey{taken}\" holds something else: expected a namespace of alkey or no key";
const INTERNAL: &str = "ERR alkey.apply is internal: expected only from a primary or an append-only file";

#[test]
fn an_error_says_what_was_wrong_and_changes_nothing() {
    let mut refusals = Refusals::new();
    for (line, error) in ERRORS {
        refusals.refused(&words(line), error);
    }
    // An effect that a replica would take is refused a client, too, in a transaction and in a script as well.
    let effect = [&[1], [7; 16].as_slice(), &[0; 8]].concat();
    refusals.refused(&[b"ALKEY.APPLY".as_slice(), b"alkey", &effect], INTERNAL);
    let script = b"return redis.pcall('ALKEY.APPLY', KEYS[1], ARGV[1])".as_slice();
    refusals.refused(&[b"EVAL", script, b"1", b"alkey", &effect], INTERNAL);
}

#[test]
fn what_looks_like_an_identifier_must_be_one() {
    let mut refusals = Refusals::new();
    for malformed in MALFORMED_EVERYWHERE {
        for command in WITH_PARTS.iter().chain(&WITH_IDENTIFIERS) {
            refusals.malformed(&format!("{command} {malformed}"));
        }
    }
    for malformed in MALFORMED_AS_IDENTIFIERS {
        for command in WITH_IDENTIFIERS {
            refusals.malformed(&format!("{command} {malformed}"));
        }
    }
    // All arguments are judged before anything changes, so the last may be the one that is wrong.
    for valid in
        ["ALKEY.KEY alkey{new}:users#1", "ALKEY.LOOKUP alkey{new}:users#1", "ALKEY.TOUCH alkey:users#1"]
    {
        refusals.malformed(&format!("{valid} alkey:users"));
    }
    for valid in
        ["RECORD alkey:tx:0 alkey:users#1", "RECORD new alkey:users#1", "COMMIT alkey:tx:0 alkey:users#1"]
    {
        refusals.malformed(&format!("ALKEY.{valid} alkey:users"));
    }
}

#[test]
fn an_error_repeats_what_was_sent_in_one_printable_line() {
    let mut refusals = Refusals::new();
    let quoted = |quoted: &str| format!("ERR \"{quoted}\" {EXPECTED}");
    let key = b"ALKEY.KEY".as_slice();
    refusals.refused(&[key, b"alkey:\r\n+OK\r\n"], &quoted("alkey:\\r\\n+OK\\r\\n"));
    refusals.refused(&[key, b"alkey:\0\xff\"%s%n"], &quoted("alkey:\\x00\\xff\\\"%s%n"));
    let long = format!("alkey:{}", "x".repeat(58));
    refusals.refused(&[key, long.as_bytes()], &quoted(&long));
    refusals.refused(&[key, format!("{long}y").as_bytes()], &quoted(&format!("{long}...")));
}

#[test]
fn errors_in_a_transaction_or_script_are_the_same() {
    let mut refusals = Refusals::new();
    let mut client = Client::of(&refusals.server);
    client.ok("MULTI");
    assert_eq!(client.text("ALKEY.TOUCH alkey:users"), "+QUEUED\r\n");
    assert_eq!(client.text("EXEC"), format!("*1\r\n-ERR \"alkey:users\" {EXPECTED}\r\n"));
    let script = "return redis.pcall('ALKEY.TOUCH', KEYS[1])";
    let refused = format!("ERR \"alkey:users\" {EXPECTED}");
    refusals.refused(&["EVAL", script, "1", "alkey:users"], &refused);
}

/// A server with some state, and what must not change in it.
struct Refusals {
    server: Server,
    client: Client,
    state: State,
}

/// What would show it if a command that was refused had changed anything.
#[derive(Debug, PartialEq, Eq)]
struct State {
    digest: String,
    pending: Vec<(String, i64)>,
    key: String,
    log_bytes: u64,
}

impl Refusals {
    fn new() -> Self {
        // The file is written before a reply is sent, unless the server waits for the disk once a second.
        let server = quick_server(&[("appendonly", "yes"), ("appendfsync", "no")]);
        let mut client = Client::of(&server);
        client.settle(&["alkey", "alkey{shop}"]);
        client.lease_ms(LEASE_MS_LONG);
        client.ok("SET alkey{taken} text");
        client.integer("ALKEY.TOUCH alkey:users#1 alkey{shop}:users#1");
        client.integer("ALKEY.RECORD alkey:tx:0 alkey:users#2");
        let state = State::of(&server, &mut client);
        Self { server, client, state }
    }

    #[track_caller]
    fn refused(&mut self, command: &[impl AsRef<[u8]>], error: &str) {
        let call = || -> Vec<String> {
            command.iter().map(|word| String::from_utf8_lossy(word.as_ref()).into_owned()).collect()
        };
        assert_eq!(self.client.raw().text(command), format!("-{error}\r\n"), "{:?}", call());
        assert_eq!(State::of(&self.server, &mut self.client), self.state, "after {:?}", call());
    }

    /// The last word of the command is no identifier.
    #[track_caller]
    fn malformed(&mut self, line: &str) {
        let words = words(line);
        let last = words.last().expect("there is one");
        self.refused(&words, &format!("ERR \"{last}\" {EXPECTED}"));
    }
}

impl State {
    #[track_caller]
    fn of(server: &Server, client: &mut Client) -> Self {
        let files = fs::read_dir(server.dir().join("appendonlydir")).expect("there is a log");
        let log_bytes = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
        Self {
            digest: client.digest(),
            pending: client.pending(),
            key: client.key("alkey:*#* alkey{shop}:*#*"),
            log_bytes,
        }
    }
}
