//! What docs/ says of the commands is what the server does: its sessions are typed, its tables compared.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::commands::client::{Client, fields, settled_server, text_of, words};
use crate::harness::session::{Document, is_abridged};
use crate::harness::{Cluster, Server};

const COMMANDS: &str = "docs/commands.md";
/// These have programs and figures, which other tests make true.
const WITHOUT_SESSIONS: [&str; 5] =
    ["docs/adapters.md", "docs/benchmarks.md", "docs/guarantees.md", "docs/installing.md", "docs/names.md"];
const DOCUMENTS: [&str; 6] = [
    "docs/access.md",
    COMMANDS,
    "docs/configuration.md",
    "docs/monitoring.md",
    "docs/operations.md",
    "docs/scaling.md",
];

#[test]
fn the_sessions_of_the_docs_are_true() {
    let files = fs::read_dir(root().join("docs")).expect("there are docs");
    let mut names: Vec<String> =
        files.map(|file| format!("docs/{}", file.unwrap().file_name().to_str().unwrap())).collect();
    names.retain(|name| Path::new(name).extension().is_some_and(|extension| extension == "md"));
    names.retain(|name| !WITHOUT_SESSIONS.contains(&name.as_str()));
    names.sort();
    assert_eq!(names, DOCUMENTS, "each is to be checked here");
    for name in DOCUMENTS {
        Document::read(name).check().unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn each_command_has_a_section_that_tells_its_syntax_and_complexity() {
    let server = Server::start();
    let mut client = Client::of(&server);
    let document = Document::read(COMMANDS);
    let listed = fields(&client.call("COMMAND LIST FILTERBY MODULE alkey"));
    let expected: BTreeSet<String> = listed.iter().map(|name| text_of(name).to_uppercase()).collect();
    let titles = document.text.lines().filter_map(|line| line.strip_prefix("## "));
    let titles: BTreeSet<String> =
        titles.filter(|title| title.starts_with("ALKEY.")).map(str::to_owned).collect();
    assert_eq!(titles, expected);

    let help: Vec<String> = fields(&client.call("ALKEY.HELP")).iter().map(text_of).collect();
    for name in expected {
        let (_, section) = document.text.split_once(&format!("\n## {name}\n")).unwrap();
        let syntax = section.lines().find_map(|line| line.strip_prefix("    ")).expect("a line of syntax");
        assert!(
            name == "ALKEY.APPLY" || help.iter().any(|line| line.starts_with(&format!("{syntax}:"))),
            "HELP doesn't say {syntax:?}"
        );
        let docs = fields(&fields(&client.call(&format!("COMMAND DOCS {name}")))[1]);
        let complexity = docs.chunks_exact(2).find(|pair| text_of(&pair[0]) == "complexity").unwrap();
        let documented = rows(section).into_iter().find(|row| row[0] == "complexity").expect("a complexity");
        assert_eq!(documented[1], text_of(&complexity[1]), "{name}");
    }
}

/// Calls, each refused in one of the ways of the table.
const REFUSED: [&str; 8] = [
    "ALKEY.KEY",
    "ALKEY.KEY alkey:users",
    "ALKEY.DISCARD \"\"",
    "ALKEY.RECORD alkey:tx:1 alkey{shop}:users#1",
    "ALKEY.KEY alkey{taken}:users#1",
    "ALKEY.APPLY alkey effect",
    "ALKEY.RECORD alkey:tx:100001 alkey:users#1",
    "ALKEY.TOUCH alkey{1}:a#1 alkey{2}:a#1 alkey{3}:a#1 alkey{4}:a#1 alkey{5}:a#1 alkey{6}:a#1 alkey{7}:a#1 alkey{8}:a#1 \
     alkey{9}:a#1 alkey{10}:a#1 alkey{11}:a#1 alkey{12}:a#1 alkey{13}:a#1 alkey{14}:a#1 alkey{15}:a#1 alkey{16}:a#1 \
     alkey{17}:a#1",
];

#[test]
fn the_errors_are_those_of_the_table() {
    let (server, mut client) = settled_server();
    client.ok("SET alkey{taken} text");
    // In a script: a round trip for each would take long.
    let record = "for i = 1, 100000 do redis.call('ALKEY.RECORD', 'alkey:tx:' .. i, 'alkey:users#1') end";
    client.raw().call(&["EVAL", record, "0"]);
    let mut met: Vec<String> = REFUSED.iter().map(|line| client.raw().text(&words(line))).collect();
    met.push(client.raw().text(&["ALKEY.KEY".to_owned(), format!("alkey:users#{}", "x".repeat(4096))]));
    met.push(client.raw().text(&[vec!["ALKEY.KEY"], vec![""; 100_001]].concat()));

    // A replica of nobody is one, too. It would refuse a write command before alkey sees it.
    client.ok("CONFIG SET replica-read-only no");
    client.ok("REPLICAOF 127.0.0.1 1");
    met.push(client.text("ALKEY.KEY alkey:users#1"));
    drop(server);
    let cluster = Cluster::start(&Server::builder(), 2);
    let [_, of_the_other] = &cluster.namespaces(2)[..] else { panic!("there are two") };
    let mut node = Client::of(cluster.node(0));
    met.push(node.text("ALKEY.KEY alkey:users#1"));
    cluster.ok(0, &["SETSLOT", &cluster.slot(of_the_other), "IMPORTING", &cluster.id(1)]);
    node.ok("ASKING");
    met.push(node.text(&format!("ALKEY.KEY {of_the_other}:users#1")));

    let document = Document::read(COMMANDS);
    let (_, section) = document.text.split_once("\n## Errors\n").expect("there is a section");
    let mut documented: Vec<String> = rows(section).into_iter().map(|row| unquoted(&row[1])).collect();
    let count = documented.len();
    for error in &met {
        let error = error.trim_start_matches('-').trim_end();
        let known = documented.iter().position(|pattern| is_abridged(pattern, error));
        documented.remove(known.unwrap_or_else(|| panic!("{error} is not in the table, or twice")));
    }
    assert_eq!(documented, Vec::<String>::new(), "these were not met; all in all {count}");
}

#[test]
fn the_fields_of_info_are_those_of_the_table() {
    let server = Server::start();
    let mut client = Client::of(&server);
    for tag in 0..11 {
        client.key(&format!("alkey{{{tag}}}:users#1"));
    }
    let info = text_of(&client.call("INFO alkey"));
    let told: Vec<&str> = info.lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();

    let document = Document::read(COMMANDS);
    let (_, section) = document.text.split_once("\n## INFO alkey\n").expect("there is a section");
    let mut documented = Vec::new();
    for row in rows(section) {
        match row[0].split_once(" to ") {
            None => documented.push(unquoted(&row[0])),
            Some((first, last)) => {
                assert_eq!((first, last), ("`alkey_namespace_0`", "`alkey_namespace_9`"));
                documented.extend((0..10).map(|position| format!("alkey_namespace_{position}")));
            }
        }
    }
    assert_eq!(told, documented);
    let everything = text_of(&client.call("INFO everything"));
    assert!(everything.contains("\r\n# alkey\r\n"));
}

#[test]
fn every_link_leads_somewhere() {
    let names =
        ["README.md", "DESIGN.md", "CONTRIBUTING.md"].into_iter().chain(DOCUMENTS).chain(WITHOUT_SESSIONS);
    let mut links = 0;
    for name in names {
        let document = Document::read(name);
        let folder = Path::new(name).parent().unwrap();
        for rest in document.text.split("](").skip(1) {
            let target = rest.split_once(')').expect("a link ends").0;
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').map_or((target, None), |(file, at)| (file, Some(at)));
            let path = if file.is_empty() { root().join(name) } else { root().join(folder).join(file) };
            let text = fs::read_to_string(&path);
            let text = text.unwrap_or_else(|error| panic!("{name} links to {target}: {error}"));
            if let Some(anchor) = anchor {
                let mut titles = text.lines().filter(|line| line.starts_with('#'));
                assert!(titles.any(|title| anchor_of(title) == anchor), "{name} links to {target}");
            }
            links += 1;
        }
    }
    assert!(links > 30, "only {links} were found");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The anchor that a reader of Markdown gives to a title.
fn anchor_of(title: &str) -> String {
    let title = title.trim_start_matches('#').trim().to_lowercase();
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The rows of the tables in a section of a document, without their heads: cell by cell.
pub(crate) fn rows(section: &str) -> Vec<Vec<String>> {
    let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
    let lines: Vec<&str> = section.lines().collect();
    let is_rule = |line: &str| line.starts_with("|---") || line.starts_with("| ---");
    let is_head = |at: usize| lines.get(at + 1).is_some_and(|next| is_rule(next));
    let body = lines
        .iter()
        .enumerate()
        .filter(|(at, line)| line.starts_with('|') && !is_rule(line) && !is_head(*at));
    body.map(|(_, line)| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// The text between backticks.
fn unquoted(cell: &str) -> String {
    cell.trim_matches('`').to_owned()
}
