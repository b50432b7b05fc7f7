//! The sessions in our documents, typed as they stand, so that they can't rot.
//!
//! A session is a fenced block of which the first line begins with `$ `. Such a line is typed into a shell, with the
//! lines after it that begin with `> `, the shell's prompt for more; what follows up to the next `$ ` is the reply.
//! In a reply `"ee32…"` is a key or token, shortened: the same short text stands for the same key in the whole
//! document, another one for another key. Any other `…` stands for any run of characters.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::{DEADLINE, Server, wait_until};

const ELLIPSIS: char = '…';

/// The reply of the server is not the one that the document shows.
pub(crate) const DIFFERS: &str = "the reply is not what the document says";

/// One of our documents, by its path from the root.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) name: &'static str,
    pub(crate) text: String,
}

/// A command as it is typed, and the reply that the document shows.
pub(crate) struct Exchange<'a> {
    /// The command's line, from 1.
    line: usize,
    command: String,
    pub(crate) reply: &'a str,
}

impl Document {
    #[track_caller]
    pub(crate) fn read(name: &'static str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name, text }
    }

    /// The same with something replaced, which must be there.
    #[track_caller]
    pub(crate) fn with(&self, true_text: &str, false_text: &str) -> Self {
        let text = self.text.replace(true_text, false_text);
        assert_ne!(text, self.text, "{} has no {true_text:?}", self.name);
        Self { name: self.name, text }
    }

    /// Types all sessions into one server, in order.
    pub(crate) fn check(&self) -> Result<(), String> {
        let name = self.name;
        let exchanges = self.sessions()?;
        let server = server_as_scripts_serve_starts_it();
        let mut keys = HashMap::new();
        for exchange in exchanges {
            let Exchange { line, command, reply } = exchange;
            let actual = typed(&server, &command);
            agrees(reply, &actual, &mut keys).map_err(|error| {
                format!(
                    "{name}:{line}: $ {command}\nthe document says\n{reply}\nthe server says\n{actual}\n{error}"
                )
            })?;
        }
        Ok(())
    }

    /// The sessions, one after another. There must be one, and nothing may look like one without being it.
    pub(crate) fn sessions(&self) -> Result<Vec<Exchange<'_>>, String> {
        let Self { name, text } = self;
        let mut exchanges = Vec::new();
        // Blocks and what is between them take turns. The first line of a block is its language.
        for block in text.split("\n```").skip(1).step_by(2) {
            let fence = line_of(block, text);
            let body = block.split_once('\n').map_or("", |(_language, body)| body);
            let Some(session) = body.strip_prefix("$ ") else {
                if body.contains("redis-cli") {
                    return Err(format!("{name}:{fence}: expected a session: its first line begins with $"));
                }
                continue;
            };
            let mut line = fence + 1;
            for exchange in session.split("\n$ ") {
                let (command, reply) = split_command(exchange);
                if command.split('"').step_by(2).any(|unquoted| unquoted.contains(['#', '*'])) {
                    return Err(format!("{name}:{line}: an identifier is to be quoted"));
                }
                exchanges.push(Exchange { line, command, reply });
                line += exchange.lines().count();
            }
        }
        if exchanges.is_empty() {
            return Err(format!("{name}: expected a session"));
        }
        Ok(exchanges)
    }
}

/// Takes a command, which may go over several lines, from the reply that follows it.
fn split_command(exchange: &str) -> (String, &str) {
    let (first, mut rest) = exchange.split_once('\n').unwrap_or((exchange, ""));
    let mut command = first.to_owned();
    while let Some(more) = rest.strip_prefix("> ") {
        let (line, after) = more.split_once('\n').unwrap_or((more, ""));
        command = format!("{command}\n{line}");
        rest = after;
    }
    (command, rest)
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
    let script =
        format!("exec 2>&1\nalias redis-cli='redis-cli -h 127.0.0.1 -p {port} --no-raw'\n{command}\n");
    let output = Command::new("sh").arg("-c").arg(script).output().expect("there is a shell");
    let shown = String::from_utf8(output.stdout).expect("redis-cli escapes what is no text");
    shown.trim_end().to_owned()
}

/// Whether the server's reply is the document's. `keys` are the shortened ones met so far, with what they stand for.
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
pub(crate) fn shortened(line: &str) -> Option<(&str, &str)> {
    let (before, short) = line.strip_suffix('"')?.strip_suffix(ELLIPSIS)?.rsplit_once('"')?;
    (!short.is_empty() && is_hex(short)).then_some((before, short))
}

/// Whether a text is a key or token, or a piece of one.
fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}

/// Whether `pattern` is `text` with runs of characters replaced by ellipses.
pub(crate) fn is_abridged(pattern: &str, text: &str) -> bool {
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

#[test]
fn a_command_may_go_over_several_lines() {
    let cases = [
        ("a", ("a", "")),
        ("a\nb\n> c", ("a", "b\n> c")),
        ("a\n> b\n> c\nd", ("a\nb\nc", "d")),
        ("a\n> b", ("a\nb", "")),
    ];
    for (exchange, (command, reply)) in cases {
        assert_eq!(split_command(exchange), (command.to_owned(), reply), "{exchange}");
    }
}
