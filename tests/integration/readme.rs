//! The README's sessions, typed as they stand, so that they can't rot.
//!
//! A session is a fenced block of which the first line begins with `$ `: such a line is typed, the lines up to the
//! next one are the reply. In a reply `"ee32…"` is a key or token, shortened: the same short text stands for the same
//! key everywhere, another one for another key. Any other `…` stands for any run of characters.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::{DEADLINE, Server, wait_until};

const ELLIPSIS: char = '…';
const DIFFERS: &str = "the reply is not what the README says";

#[test]
fn the_sessions_of_the_readme_are_true() {
    check(&readme()).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_readme_that_is_not_true_is_found_out() {
    const TOUCH: &str = "$ redis-cli ALKEY.TOUCH \"alkey:users#1\"\n(integer) 1\n";
    let readme = readme();
    // The first and the second key of the first session, as the README shortens them.
    let replies = sessions(&readme).expect("the README has sessions");
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
        let changed = readme.replace(true_text, false_text);
        assert_ne!(changed, readme, "{what}: the README has no {true_text:?}");
        let error = check(&changed).expect_err(what);
        assert!(error.contains(expected), "{what}: {error}");
    }
    assert_eq!(check("# alkey\n"), Err("README.md: expected a session".into()));
}

#[test]
fn the_readme_names_only_commands_that_are_there() {
    let server = Server::start();
    let readme = readme();
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

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    fs::read_to_string(path).expect("there is a README")
}

/// A command as it is typed, and the reply that the README shows.
struct Exchange<'a> {
    /// The command's line, from 1.
    line: usize,
    command: &'a str,
    reply: &'a str,
}

/// Types all sessions of a README into one server, in order.
fn check(readme: &str) -> Result<(), String> {
    let exchanges = sessions(readme)?;
    let server = server_as_scripts_serve_starts_it();
    let mut keys = HashMap::new();
    for exchange in exchanges {
        let Exchange { line, command, reply } = exchange;
        let actual = typed(&server, command);
        agrees(reply, &actual, &mut keys).map_err(|error| {
            format!(
                "README.md:{line}: $ {command}\nthe README says\n{reply}\nthe server says\n{actual}\n{error}"
            )
        })?;
    }
    Ok(())
}

/// The sessions of a README, one after another. There must be one, and nothing may look like one without being it.
fn sessions(readme: &str) -> Result<Vec<Exchange<'_>>, String> {
    let mut exchanges = Vec::new();
    // Blocks and what is between them take turns. The first line of a block is its language.
    for block in readme.split("\n```").skip(1).step_by(2) {
        let fence = line_of(block, readme);
        let body = block.split_once('\n').map_or("", |(_language, body)| body);
        let Some(session) = body.strip_prefix("$ ") else {
            if body.contains("redis-cli") {
                return Err(format!("README.md:{fence}: expected a session: its first line begins with $"));
            }
            continue;
        };
        let mut line = fence + 1;
        for exchange in session.split("\n$ ") {
            let (command, reply) = exchange.split_once('\n').unwrap_or((exchange, ""));
            if command.split('"').step_by(2).any(|unquoted| unquoted.contains(['#', '*'])) {
                return Err(format!("README.md:{line}: an identifier is to be quoted"));
            }
            exchanges.push(Exchange { line, command, reply });
            line += exchange.lines().count();
        }
    }
    if exchanges.is_empty() {
        return Err("README.md: expected a session".into());
    }
    Ok(exchanges)
}

/// In which line of `text`, from 1, this piece of it begins.
fn line_of(piece: &str, text: &str) -> usize {
    let before = piece.as_ptr() as usize - text.as_ptr() as usize;
    text.split_at(before).0.lines().count()
}

/// Grace is over before the first command, and the lease lasts for as long as a person types.
fn server_as_scripts_serve_starts_it() -> Server {
    let server = Server::builder().module_arg("lease-ms", "100").start();
    let mut raw = server.resp2();
    wait_until(DEADLINE, "grace is over", || {
        let reply = raw.text(&["ALKEY.LOOKUP", "alkey:serve#1"]);
        if reply.ends_with("\r\n:-1\r\n") { Err(reply) } else { Ok(()) }
    });
    assert_eq!(raw.text(&["CONFIG", "SET", "alkey.lease-ms", "600000"]), "+OK\r\n");
    server
}

/// What a terminal shows after this command was typed into a shell.
fn typed(server: &Server, command: &str) -> String {
    // The alias changes nothing of the text: it finds the server, and replies as to a person although this is
    // a pipe. A shell knows an alias from the next line on.
    let port = server.port();
    let script = format!("alias redis-cli='redis-cli -h 127.0.0.1 -p {port} --no-raw'\n{command} 2>&1\n");
    let output = Command::new("sh").arg("-c").arg(script).output().expect("there is a shell");
    let shown = String::from_utf8(output.stdout).expect("redis-cli escapes what is no text");
    shown.trim_end().to_owned()
}

/// Whether the server's reply is the README's. `keys` are the shortened ones met so far, with what they stand for.
fn agrees(expected: &str, actual: &str, keys: &mut HashMap<String, String>) -> Result<(), String> {
    if expected.lines().count() != actual.lines().count() {
        return Err(DIFFERS.into());
    }
    for (expected, actual) in expected.lines().zip(actual.lines()) {
        let Some((before, short)) = shortened(expected) else {
            if !is_abridged(expected, actual) {
                return Err(DIFFERS.into());
            }
            continue;
        };
        let full = actual.strip_prefix(before).and_then(|rest| rest.strip_prefix('"')?.strip_suffix('"'));
        let full = full.filter(|full| full.len() > short.len() && is_hex(full)).ok_or(DIFFERS)?;
        if let Some((other, _)) = keys.iter().find(|(known, key)| (*known == short) != (*key == full)) {
            return Err(format!("{short}… stands for {full}, and {other}… for {}", keys[other]));
        }
        keys.insert(short.to_owned(), full.to_owned());
    }
    Ok(())
}

/// Takes a line with a shortened key apart: `2) "cd99…"` is `2) ` and `cd99`.
fn shortened(line: &str) -> Option<(&str, &str)> {
    let (before, quoted) = line.split_once('"')?;
    let short = quoted.strip_suffix('"')?.strip_suffix(ELLIPSIS)?;
    (!short.is_empty() && is_hex(short)).then_some((before, short))
}

/// Whether a text is a key or token, or a piece of one.
fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}

/// Whether `pattern` is `text` with runs of characters replaced by ellipses.
fn is_abridged(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once(ELLIPSIS) else {
        return pattern == text;
    };
    let Some(rest) = text.strip_prefix(before) else {
        return false;
    };
    let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.any(|end| is_abridged(after, rest.split_at(end).1))
}

#[test]
fn an_ellipsis_stands_for_any_run_of_characters() {
    let cases = [
        ("(integer) …", "(integer) 17", true),
        ("(integer) …", "(integer) ", true),
        ("(integer) …", "(nil)", false),
        ("…b…d", "abcbd", true),
        ("…b…d", "abcbe", false),
        ("a…", "ba", false),
        ("a", "aa", false),
    ];
    for (pattern, text, expected) in cases {
        assert_eq!(is_abridged(pattern, text), expected, "{pattern} and {text}");
    }
}
