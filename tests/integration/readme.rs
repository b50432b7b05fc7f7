//! The README's sessions, typed as they stand, so that they can't rot.

use crate::harness::Server;
use crate::harness::session::{DIFFERS, Document, shortened};

const MOVING: &str = "adapters/python/docs/moving.md";

#[test]
fn the_sessions_of_the_readme_are_true() {
    Document::read("README.md").check().unwrap_or_else(|error| panic!("{error}"));
}

/// What README.md does not tell those who have used alkey 0.7.1.
#[test]
fn the_sessions_of_moving_are_true() {
    Document::read(MOVING).check().unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_readme_that_is_not_true_is_found_out() {
    let readme = Document::read("README.md");
    // The keys before and after the commit, as the README shortens them.
    let replies = readme.sessions().expect("the README has sessions");
    let lines = replies.iter().flat_map(|exchange| exchange.reply.lines());
    let mut keys = lines.filter_map(shortened).map(|(_, key)| key);
    let before = keys.next().expect("a key");
    let after = keys.find(|key| *key != before).expect("another key");

    let cases: &[(&str, &str, &str, &str)] = &[
        ("a key that doesn't change", after, before, "stands for"),
        ("another number", "(integer) -1", "(integer) 0", DIFFERS),
        ("a line too many", "(integer) -1", "(integer) -1\n5) (nil)", DIFFERS),
        ("a line too few", "3) \"settled\"\n", "", DIFFERS),
        ("an unknown command", "ALKEY.COMMIT \"", "ALKEY.COMIT \"", DIFFERS),
        ("an unquoted identifier", "\"alkey:users#1\"", "alkey:users#1", "is to be quoted"),
        ("sessions without prompts", "\n$ ", "\n", "expected a session"),
    ];
    for (what, true_text, false_text, expected) in cases {
        let error = readme.with(true_text, false_text).check().expect_err(what);
        assert!(error.contains(expected), "{what}: {error}");
    }
    let touch = "$ redis-cli ALKEY.TOUCH \"alkey:users#1\"\n(integer) 1\n";
    let error = Document::read(MOVING).with(touch, "").check().expect_err("a token that changes by itself");
    assert!(error.contains(DIFFERS) || error.contains("stands for"), "{error}");
    let empty = Document { text: "# alkey\n".into(), ..readme.clone() };
    assert_eq!(empty.check(), Err("README.md: expected a session".into()));
}

#[test]
fn the_readme_names_only_commands_that_are_there() {
    let server = Server::start();
    let readme = Document::read("README.md").text;
    let mut commands: Vec<String> = readme
        .split("ALKEY.")
        .skip(1)
        .map(|rest| rest.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect())
        .collect();
    commands.sort();
    commands.dedup();
    assert!(commands.len() >= 5, "found only {commands:?}");
    for command in commands {
        let known = server.resp2().text(&["COMMAND", "INFO", &format!("ALKEY.{command}")]);
        assert_ne!(known, "*1\r\n*-1\r\n", "the README names ALKEY.{command}");
    }
}
