//! The README's sessions, typed as they stand, so that they can't rot.

use crate::harness::Server;
use crate::harness::session::{DIFFERS, Document, shortened};

#[test]
fn the_sessions_of_the_readme_are_true() {
    Document::read("README.md").check().unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_readme_that_is_not_true_is_found_out() {
    const TOUCH: &str = "$ redis-cli ALKEY.TOUCH \"alkey:users#1\"\n(integer) 1\n";
    let readme = Document::read("README.md");
    // The first and the second key of the first session, as the README shortens them.
    let replies = readme.sessions().expect("the README has sessions");
    let mut keys = replies.iter().map(|exchange| exchange.reply).filter(|reply| shortened(reply).is_some());
    let (before, after) = (keys.next().expect("a key"), keys.next().expect("another key"));

    let cases: &[(&str, &str, &str, &str)] = &[
        ("a key that doesn't change", after, before, "stands for"),
        ("a token that changes by itself", TOUCH, "", "stands for"),
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
