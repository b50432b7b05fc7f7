//! What an operator watches: the files in monitoring/ and docs/monitoring.md are of what alkey really tells.

mod prometheus;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::commands::client::{Client, text_of};
use crate::docs::rows;
use crate::harness::Server;
use crate::harness::session::Document;

const DOCUMENT: &str = "docs/monitoring.md";

#[test]
fn the_script_of_the_exporter_gives_the_numbers_of_info() {
    let primary = Server::start();
    let replica = Server::builder().config("replica-serve-stale-data", "no").start();
    Client::of(&primary).integer("ALKEY.TOUCH alkey:users#1");
    replica.replica_of(&primary);
    // On a server where nothing may be written, as well, or when its data may be old.
    Client::of(&primary).ok("CONFIG SET maxmemory 1 maxmemory-policy noeviction");
    let port = primary.port().to_string();
    let full = primary.resp2().text(&["SET", "a", "b"]);
    assert!(full.starts_with("-OOM"), "{full}");
    assert_eq!(replica.resp2().text(&["REPLICAOF", "127.0.0.2", &port]), "+OK\r\n");
    for server in [&primary, &replica] {
        let redis::Value::Array(reply) =
            server.resp2().call(&["EVAL", &read("monitoring/alkey.lua"), "0", "0"])
        else {
            panic!("the script gives an array");
        };
        let given: BTreeMap<String, String> =
            reply.chunks_exact(2).map(|pair| (text_of(&pair[0]), text_of(&pair[1]))).collect();
        let mut told = numbers(server);
        // They run with the time.
        told.insert("alkey_grace_left_ms".into(), given["alkey_grace_left_ms"].clone());
        assert_eq!(given, told);
    }
}

#[test]
fn each_number_of_info_is_on_the_dashboard_and_no_other() {
    let told: BTreeSet<String> = numbers(&Server::start()).into_keys().collect();
    assert_eq!(names_in(&queries().join("\n")), told);
    let rules = read("monitoring/alkey.rules.yml");
    let rules: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect();
    assert!(!rules.is_empty());
    let unknown: Vec<String> = names_in(&rules.join("\n")).difference(&told).cloned().collect();
    assert_eq!(unknown, Vec::<String>::new());
}

#[test]
fn the_document_tells_each_field_of_info() {
    let server = Server::start();
    Client::of(&server).key("alkey:users#1");
    let info = server.resp2().text(&["INFO", "alkey"]);
    let told: Vec<&str> = info.lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();
    assert_eq!(first_cells("\n## What each field says\n"), told);
}

#[test]
fn the_document_tells_each_alert() {
    let rules = read("monitoring/alkey.rules.yml");
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert_eq!(first_cells("\n## The alerts\n"), alerts);
}

#[test]
fn the_document_tells_each_line_of_the_log() {
    // The library that alkey is built with writes some, too.
    let document = Document::read(DOCUMENT);
    for line in Server::start().log().lines().filter_map(|line| Some(line.split_once("<alkey> ")?.1)) {
        assert!(document.text.contains(line), "{line:?} is not in {DOCUMENT}");
    }

    let mut written = Vec::new();
    collect_log_lines(&root().join("src"), &mut written);
    assert!(written.len() >= 5, "{written:?}");
    let mut documented = first_cells("\n## What each line of the log says\n");
    for line in &written {
        let known = documented.iter().position(|documented| documented == line);
        documented.remove(known.unwrap_or_else(|| panic!("{line:?} is not in {DOCUMENT}")));
    }
    assert_eq!(documented, Vec::<String>::new(), "nothing in src/ writes these");
}

/// What stands in the calls of the log's one function, with an ellipsis for each part that varies.
fn collect_log_lines(directory: &Path, written: &mut Vec<String>) {
    for entry in fs::read_dir(directory).expect("a directory of the source") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect_log_lines(&path, written);
            continue;
        }
        let source = fs::read_to_string(&path).expect("a file of the source");
        for call in source.split("log::warn(").skip(1) {
            let text = call.trim_start().trim_start_matches("&format!(").trim_start();
            let text = text.strip_prefix('"').and_then(|text| text.split_once('"'));
            let (text, _) =
                text.unwrap_or_else(|| panic!("{}: expected a text in log::warn", path.display()));
            let mut line = String::new();
            for (position, piece) in text.split('{').enumerate() {
                let piece =
                    if position == 0 { piece } else { piece.split_once('}').expect("a closing brace").1 };
                line += if position == 0 { "" } else { "…" };
                line += piece;
            }
            written.push(line);
        }
    }
}

/// The names in the first column of a section's table, in the document.
fn first_cells(title: &str) -> Vec<String> {
    let document = Document::read(DOCUMENT);
    let (_, section) = document.text.split_once(title).expect("there is a section");
    rows(section).iter().map(|row| row[0].trim_matches('`').to_owned()).collect()
}

/// The queries of the dashboard. Grafana writes each on one line, and ours have nothing that JSON escapes.
fn queries() -> Vec<String> {
    let dashboard = read("monitoring/dashboard.json");
    let lines =
        dashboard.lines().filter_map(|line| line.trim().strip_prefix("\"expr\": \"")?.strip_suffix("\","));
    let queries: Vec<String> = lines.map(str::to_owned).collect();
    assert_eq!(queries.len(), dashboard.matches("\"expr\"").count());
    assert!(!queries.iter().any(|query| query.contains('\\')), "{queries:?}");
    queries
}

/// The names of alkey's numbers in queries.
fn names_in(queries: &str) -> BTreeSet<String> {
    let words = queries.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("alkey_")).map(str::to_owned).collect()
}

/// All fields of `INFO alkey` that are numbers.
fn numbers(server: &Server) -> BTreeMap<String, String> {
    let info = server.resp2().text(&["INFO", "alkey"]);
    let fields = info.lines().filter_map(|line| line.split_once(':'));
    fields
        .filter(|(_, value)| value.parse::<u64>().is_ok())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
