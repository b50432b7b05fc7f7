//! The settings: defaults and bounds as docs/configuration.md has them, wherever they are set, and redis.conf.example.

use std::fs;
use std::path::Path;

use crate::commands::client::{Client, fields, text_of};
use crate::harness::session::Document;
use crate::harness::{Server, module_path};

/// A row of the table of settings.
struct Setting {
    name: String,
    default: String,
    /// None for the one that is yes or no.
    bounds: Option<(u64, u64)>,
}

impl Setting {
    /// As the load line has it.
    fn short_name(&self) -> &str {
        self.name.strip_prefix("alkey.").expect("all settings are alkey's")
    }

    /// The last values that are allowed.
    fn allowed(&self) -> [String; 2] {
        self.bounds.map_or(["yes".into(), "no".into()], |(least, most)| [least, most].map(|n| n.to_string()))
    }

    /// The first values that are refused, and what is no value at all.
    fn refused(&self) -> Vec<String> {
        let mut refused: Vec<String> = ["", "abc", "1.5", "-1", "1k"].map(str::to_owned).to_vec();
        match self.bounds {
            Some((least, most)) => {
                refused.extend([
                    (least - 1).to_string(),
                    (most + 1).to_string(),
                    "9223372036854775808".into(),
                ]);
            }
            None => refused.extend(["maybe", "1", "0"].map(str::to_owned)),
        }
        refused
    }

    /// What the error of the load line expects.
    fn expected(&self) -> String {
        self.bounds.map_or("yes or no".into(), |(least, most)| format!("a number from {least} to {most}"))
    }
}

/// The settings as the documentation has them.
#[track_caller]
fn settings() -> Vec<Setting> {
    let document = Document::read("docs/configuration.md");
    let (_, section) = document.text.split_once("\n## The settings\n").expect("there is a section");
    let rows = crate::docs::rows(section);
    rows.iter()
        .map(|row| Setting {
            name: row[0].split('`').nth(1).expect("a name").to_owned(),
            default: row[1].clone(),
            bounds: row[2].parse().ok().map(|least| (least, row[3].parse().expect("a number"))),
        })
        .collect()
}

#[track_caller]
fn get(server: &Server, name: &str) -> String {
    let reply = fields(&Client::of(server).call(&format!("CONFIG GET {name}")));
    text_of(reply.get(1).unwrap_or_else(|| panic!("there is no setting {name}")))
}

/// The server refuses to start with this, and says why.
#[track_caller]
fn refuses(what: &str, started: Result<Server, String>, why: &str) {
    match started {
        Ok(_) => panic!("the server started with {what}"),
        Err(log) => assert!(log.lines().any(|line| line.ends_with(why)), "{what}: no {why:?} in\n{log}"),
    }
}

#[test]
fn the_settings_and_their_defaults_are_those_of_the_documentation() {
    let server = Server::start();
    let all = fields(&Client::of(&server).call("CONFIG GET alkey.*"));
    let mut told: Vec<String> = all.chunks_exact(2).map(|pair| text_of(&pair[0])).collect();
    told.sort();
    let settings = settings();
    let mut names: Vec<&str> = settings.iter().map(|setting| setting.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, told);
    for Setting { name, default, .. } in &settings {
        assert_eq!(get(&server, name), *default, "{name}");
    }
}

#[test]
fn config_set_holds_to_the_bounds() {
    let server = Server::start();
    let mut raw = server.resp2();
    for setting in settings() {
        let name = &setting.name;
        for value in setting.allowed() {
            assert_eq!(raw.text(&["CONFIG", "SET", name, &value]), "+OK\r\n", "{name} {value}");
            assert_eq!(get(&server, name), value, "{name}");
        }
        let before = get(&server, name);
        for value in setting.refused() {
            let reply = raw.text(&["CONFIG", "SET", name, &value]);
            assert!(reply.starts_with("-ERR CONFIG SET failed "), "{name} {value:?}: {reply}");
            assert_eq!(get(&server, name), before, "{name} {value:?}");
        }
        if let Some((least, most)) = setting.bounds {
            let reply = raw.text(&["CONFIG", "SET", name, &(most + 1).to_string()]);
            let expected = format!("argument must be between {least} and {most} inclusive\r\n");
            assert!(reply.ends_with(&expected), "{reply}");
        }
    }
}

#[test]
fn the_load_line_holds_to_the_bounds() {
    let settings = settings();
    for nth in 0..2 {
        let server = settings
            .iter()
            .fold(Server::builder(), |line, setting| {
                line.module_arg(setting.short_name(), &setting.allowed()[nth])
            })
            .start();
        for setting in &settings {
            assert_eq!(get(&server, &setting.name), setting.allowed()[nth], "{}", setting.name);
        }
    }
    // A server that is already there loads the module with a line of the same kind, and says the same.
    let server = server_without_alkey();
    let mut raw = server.resp2();
    let module = module_path().to_str().expect("a path in UTF-8");
    let mut load = |arguments: &[&str]| raw.text(&[&["MODULE", "LOAD", module], arguments].concat());
    for setting in &settings {
        let name = setting.short_name();
        for value in setting.refused() {
            refused(&server, &load(&[name, &value]), &no_value(setting, &value));
        }
        refused(&server, &load(&[name]), &no_value(setting, ""));
        refused(&server, &load(&[&setting.name, &setting.default]), &no_setting(&setting.name));
    }
    refused(&server, &load(&["lease-ms", "7", "leases", "7"]), &no_setting("leases"));
    refused(&server, &load(&["LEASE-MS", "7"]), &no_setting("LEASE-MS"));
    refused(&server, &load(&["%s%n\n", "7"]), &no_setting("%s%n\\n"));
    // What was refused has left nothing behind.
    assert_eq!(load(&[]), "+OK\r\n");
    for Setting { name, default, .. } in &settings {
        assert_eq!(get(&server, name), *default, "{name}");
    }
}

#[test]
fn a_server_does_not_start_with_a_wrong_load_line() {
    for setting in settings() {
        let value = setting.refused().pop().expect("there is one");
        let started = Server::builder().module_arg(setting.short_name(), &value).try_start();
        refuses(&format!("{} {value}", setting.name), started, &no_value(&setting, &value));
    }
    refuses("leases 7", Server::builder().module_arg("leases", "7").try_start(), &no_setting("leases"));
}

#[test]
fn the_configuration_file_holds_to_the_bounds() {
    let settings = settings();
    for nth in 0..2 {
        let server = settings
            .iter()
            .fold(Server::builder(), |file, setting| file.config(&setting.name, &setting.allowed()[nth]))
            .start();
        for setting in &settings {
            assert_eq!(get(&server, &setting.name), setting.allowed()[nth], "{}", setting.name);
        }
    }
    let why = "alkey is not loaded: the config file has a wrong value";
    for setting in &settings {
        let outside = setting.bounds.map_or(vec!["maybe".into()], |(least, most)| {
            vec![(least - 1).to_string(), (most + 1).to_string()]
        });
        for value in outside {
            let started = Server::builder().config(&setting.name, &value).try_start();
            refuses(&format!("{} {value}", setting.name), started, why);
        }
    }
}

#[test]
fn the_configuration_file_overrides_the_load_line() {
    let builder = Server::builder().module_arg("lease-ms", "7").module_arg("max-rows", "64");
    let server = builder.config("alkey.lease-ms", "8").start();
    assert_eq!(["alkey.lease-ms", "alkey.max-rows"].map(|name| get(&server, name)), ["8", "64"]);
}

#[test]
fn config_rewrite_keeps_what_was_set() {
    // Of the load line, of the file, and of neither; also what was set back to the default.
    let builder = Server::builder().module_arg("lease-ms", "7").module_arg("max-rows", "64");
    let mut server = builder.config("alkey.sweep-threshold", "8").config("alkey.max-rows", "65").start();
    let mut client = Client::of(&server);
    client.ok(
        "CONFIG SET alkey.lease-ms 5000 alkey.max-rows 64 alkey.sweep-threshold 9 alkey.trust-restored yes",
    );
    client.ok("CONFIG REWRITE");
    let set = [
        ("alkey.lease-ms", "5000"),
        ("alkey.max-rows", "64"),
        ("alkey.sweep-threshold", "9"),
        ("alkey.trust-restored", "yes"),
    ];
    for _ in 0..2 {
        server.restart();
        for (name, value) in set {
            assert_eq!(get(&server, name), value, "{name}");
        }
        Client::of(&server).ok("CONFIG REWRITE");
    }
}

#[test]
fn module_loadex_takes_settings() {
    let mut server = server_without_alkey();
    let module = module_path().to_str().expect("a path in UTF-8");
    let mut raw = server.resp2();
    let mut load = |arguments: &[&str]| raw.text(&[&["MODULE", "LOADEX", module], arguments].concat());
    refused(
        &server,
        &load(&["CONFIG", "alkey.lease-ms", "0"]),
        "alkey is not loaded: the config file has a wrong value",
    );
    refused(&server, &load(&["ARGS", "leases", "7"]), &no_setting("leases"));
    let taken = ["CONFIG", "alkey.lease-ms", "8", "CONFIG", "alkey.trust-restored", "yes"];
    let arguments = ["ARGS", "lease-ms", "7", "max-rows", "64"];
    assert_eq!(load(&[taken.as_slice(), &arguments].concat()), "+OK\r\n");
    let set = [
        ("alkey.lease-ms", "8"),
        ("alkey.trust-restored", "yes"),
        ("alkey.max-rows", "64"),
        ("alkey.sweep-threshold", "10000"),
    ];
    for (name, value) in set {
        assert_eq!(get(&server, name), value, "{name}");
    }
    // The load line is written into the file, and with it what it says.
    Client::of(&server).ok("CONFIG REWRITE");
    server.restart();
    for (name, value) in set {
        assert_eq!(get(&server, name), value, "{name}");
    }
}

#[test]
fn a_server_starts_with_the_example_as_it_stands() {
    let example = example();
    let server = Server::builder().based_on(&example_path()).start();
    for Setting { name, default, .. } in settings() {
        assert_eq!(get(&server, &name), default, "{name}");
    }
    let lines = example.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut count = 0;
    for (name, value) in lines.map(|line| line.split_once(' ').expect("a name and a value")) {
        if name != "port" {
            assert_eq!(get(&server, name), value, "{name}");
        }
        count += 1;
    }
    assert_eq!(count, 4);
    assert!(Client::of(&server).token("alkey:users#1").is_none());
}

#[test]
fn what_the_example_has_commented_out_is_true() {
    let example = example();
    let is_setting = |line: &str| {
        line.split_once(' ')
            .is_some_and(|(name, _)| name.starts_with("alkey.") || name.starts_with("min-replicas-"))
    };
    let mut uncommented = Vec::new();
    let lines = example.lines().map(|line| match line.strip_prefix("# ") {
        Some(setting) if is_setting(setting) => {
            uncommented.push(setting.split_once(' ').expect("a value"));
            setting
        }
        _ => line,
    });
    let text = lines.collect::<Vec<&str>>().join("\n");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("redis.conf");
    fs::write(&file, text).expect("a writable directory");
    let server = Server::builder().based_on(&file).start();

    let settings = settings();
    let documented = settings.iter().map(|Setting { name, default, .. }| (name.as_str(), default.as_str()));
    let replicas = [("min-replicas-to-write", "1"), ("min-replicas-max-lag", "5")];
    let mut expected: Vec<(&str, &str)> = documented.chain(replicas).collect();
    expected.sort_unstable();
    for (name, value) in &expected {
        assert_eq!(get(&server, name), *value, "{name}");
    }
    uncommented.sort_unstable();
    assert_eq!(uncommented, expected);
    // As the example says, a server without replicas refuses every write with them.
    let reply = Client::of(&server).text("ALKEY.KEY alkey:users#1");
    assert!(reply.starts_with("-NOREPLICAS "), "{reply}");
}

fn example_path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("redis.conf.example")
}

fn example() -> String {
    fs::read_to_string(example_path()).expect("there is an example")
}

#[track_caller]
pub(crate) fn server_without_alkey() -> Server {
    Server::builder().without_module().config("enable-module-command", "yes").start()
}

/// The server did not load the module, and its log ends with the reason.
#[track_caller]
fn refused(server: &Server, reply: &str, why: &str) {
    assert_eq!(reply, "-ERR Error loading the extension. Please check the server logs.\r\n", "{why}");
    let log = server.log();
    let last = log.lines().rev().find(|line| line.contains("alkey is not loaded"));
    assert!(last.is_some_and(|line| line.ends_with(why)), "{last:?} does not end with {why}");
}

fn no_value(setting: &Setting, value: &str) -> String {
    let (name, expected) = (setting.short_name(), setting.expected());
    format!("alkey is not loaded: {value:?} is no value for {name}: expected {expected}")
}

fn no_setting(name: &str) -> String {
    let names = "lease-ms, sweep-threshold, max-rows, trust-restored";
    format!("alkey is not loaded: \"{name}\" is no setting: expected one of {names}")
}
