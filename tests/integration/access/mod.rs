//! The users that docs/access.md recommends: each may do its work and nothing else, and nobody else may do anything.

mod rights;
mod servers;

use crate::commands::client::{Client, LEASE_MS_LONG, quick_server};
use crate::harness::session::Document;
use crate::harness::{DEADLINE, Raw, Server, wait_until};

const DEFAULT_IS_CLOSED: &str = "default reset off";

const APPLICATION: &str = "alkey-application";
const WRITER: &str = "alkey-writer";
const READER: &str = "alkey-reader";
const RELAXED: &str = "alkey-relaxed-reader";
const REPLICA_READER: &str = "alkey-replica-reader";
const OPERATOR: &str = "alkey-operator";
const EXPORTER: &str = "alkey-exporter";
const REPLICA: &str = "alkey-replica";
const SENTINEL: &str = "alkey-sentinel";
const USERS: [&str; 9] =
    [APPLICATION, WRITER, READER, RELAXED, REPLICA_READER, OPERATOR, EXPORTER, REPLICA, SENTINEL];

/// The lines of docs/access.md that make users: after `default`, whom the harness is, those that it recommends.
pub(crate) fn documented_users() -> Vec<String> {
    let text = Document::read("docs/access.md").text;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("user "));
    assert_eq!(lines.next(), Some(DEFAULT_IS_CLOSED));
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
    let mut raw = server.resp2();
    assert_eq!(raw.text(&["AUTH", user, &password(user)]), "+OK\r\n");
    raw
}

fn password(user: &str) -> String {
    let users = documented_users();
    let line = users.iter().find(|line| line.split(' ').next() == Some(user)).expect("it is documented");
    line.split(' ').find_map(|word| word.strip_prefix('>')).expect("it has a password").to_owned()
}
