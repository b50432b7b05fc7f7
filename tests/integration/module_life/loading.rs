//! The module is loaded into a server that already serves, and stays.

use std::fs;

use super::{is_load_line, module, read_config, with_load_line, write_config};
use crate::commands::client::{Client, LEASE_MS_LONG, fields, settled_server, text_of};
use crate::configuration::server_without_alkey;
use crate::harness::Server;

#[test]
fn loaded_while_the_server_runs_it_serves_at_once() {
    let mut server = server_without_alkey();
    let mut before = Client::of(&server);
    before.ok("SET other data");
    assert!(before.text("ALKEY.KEY alkey:users#1").starts_with("-ERR unknown command"));

    let lease = LEASE_MS_LONG.to_string();
    assert_eq!(before.raw().text(&["MODULE", "LOAD", module(), "lease-ms", &lease]), "+OK\r\n");
    // Also over a connection that is older than it. What was promised before it came, by another server or by itself,
    // it can't know: so there is grace.
    before.key("alkey:users#1");
    assert_eq!(before.settled("alkey:users#1"), -1);
    assert_eq!(before.string("GET other"), Some("data".into()));

    // What was loaded by a command is gone with the process, unless it is written down.
    before.lease_ms(77);
    before.ok("CONFIG REWRITE");
    server.restart();
    let mut after = Client::of(&server);
    after.key("alkey:users#1");
    assert_eq!(text_of(&fields(&after.call("CONFIG GET alkey.lease-ms"))[1]), "77");
}

/// Whether this server ends when it is to load any module that has a data type, with a setting it doesn't know.
fn crashes_over_unknown_settings(server: &Server) -> bool {
    let version = server.info("server", "redis_version").expect("a field of INFO");
    let crashes = server.info("server", "server_name").as_deref() == Some("valkey")
        || ["7.2.", "7.4."].iter().any(|crashing| version.starts_with(crashing));
    if crashes {
        eprintln!("skipped: this server crashes over a setting that it doesn't know: docs/operations.md");
    }
    crashes
}

#[test]
fn a_load_that_was_refused_leaves_nothing_behind() {
    let server = server_without_alkey();
    let mut client = Client::of(&server);
    let mut refused = vec![
        // A wrong value behind right ones, in either form, and a word too many.
        vec!["LOADEX", module(), "CONFIG", "alkey.lease-ms", "1", "CONFIG", "alkey.sweep-threshold", "0"],
        vec!["LOADEX", module(), "CONFIG", "alkey.trust-restored", "yes", "CONFIG", "alkey.max-rows", "x"],
        vec!["LOADEX", module(), "ARGS", "lease-ms", "1", "max-rows", "65", "lease", "7"],
        vec!["LOAD", module(), "trust-restored", "yes", "lease-ms"],
    ];
    if !crashes_over_unknown_settings(&server) {
        refused.push(vec![
            "LOADEX",
            module(),
            "CONFIG",
            "alkey.lease-ms",
            "1",
            "CONFIG",
            "alkey.lease",
            "100",
        ]);
    }
    for arguments in &refused {
        let reply = client.raw().text(&[&["MODULE"], &arguments[..]].concat());
        assert!(reply.starts_with("-ERR Error loading the extension."), "{arguments:?}: {reply}");
        assert!(client.text("ALKEY.KEY x").starts_with("-ERR unknown command"), "{arguments:?}");
        // Events that alkey would listen to.
        client.ok("SWAPDB 0 1");
        client.ok("REPLICAOF 127.0.0.1 1");
        client.ok("REPLICAOF NO ONE");
    }
    assert_eq!(client.raw().text(&["MODULE", "LOAD", module()]), "+OK\r\n");
    for (name, value) in [
        ("lease-ms", "5000"),
        ("sweep-threshold", "10000"),
        ("max-rows", "1000000"),
        ("trust-restored", "no"),
    ] {
        assert_eq!(text_of(&fields(&client.call(&format!("CONFIG GET alkey.{name}")))[1]), value, "{name}");
    }
    client.key("alkey:users#1");
    assert_eq!(server.info("alkey", "alkey_keys").as_deref(), Some("1"));
}

#[test]
fn what_is_sent_in_one_piece_with_the_load_is_served() {
    let server = server_without_alkey();
    let mut raw = server.resp2();
    raw.send(&["MODULE", "LOAD", module(), "trust-restored", "yes"]);
    raw.send(&["ALKEY.KEY", "alkey:users#1"]);
    raw.send(&["ALKEY.TOUCH", "alkey:users#1"]);
    assert_eq!(raw.read_bytes(), b"+OK\r\n");
    let key = raw.read();
    if matches!(key, redis::Value::ServerError(_)) {
        eprintln!("skipped: this server looks up the commands of a pipeline before it runs the first");
        return;
    }
    let key = text_of(&key);
    assert_eq!(raw.read_bytes(), b":1\r\n");
    assert_ne!(text_of(&raw.call(&["ALKEY.KEY", "alkey:users#1"])), key);
}

#[test]
fn a_server_loads_modules_on_command_only_if_its_configuration_allows_it() {
    let server = Server::builder().without_module().start();
    let reply = server.resp2().text(&["MODULE", "LOAD", module()]);
    assert!(reply.starts_with("-ERR MODULE command not allowed. "), "{reply}");
}

#[test]
fn unloading_is_refused_for_the_data_type_and_changes_nothing() {
    let server = Server::builder().config("enable-module-command", "yes").start();
    let mut client = Client::of(&server);
    let key = client.key("alkey:users#1");
    // Its values would stay behind, and nobody could free them.
    let refused = "-ERR Error unloading module: the module exports one or more module-side data types, can't unload\r\n";
    assert_eq!(client.text("MODULE UNLOAD alkey"), refused);
    let again = client.raw().text(&["MODULE", "LOAD", module()]);
    assert!(again.starts_with("-ERR Error loading the extension."), "{again}");
    assert_eq!(client.key("alkey:users#1"), key);
}

/// The servers' own fault, as docs/operations.md tells.
#[test]
fn a_load_line_in_an_included_file_is_loaded_twice_after_a_rewrite() {
    let (mut server, _) = settled_server();
    let config = read_config(&server);
    let line = config.lines().find(|line| is_load_line(line)).expect("a line that loads it");
    let included = server.dir().join("alkey.conf");
    fs::write(&included, format!("{line}\n")).expect("it can be written");
    write_config(&server, &with_load_line(&config, &format!("include {included:?}\n")));
    server.kill9();
    server.restart();
    Client::of(&server).ok("CONFIG REWRITE");
    server.kill9();
    let log = server.try_restart().expect_err("a module was loaded twice");
    assert!(log.contains("initialization failed"), "{log}");
    fs::write(&included, "").expect("it can be written");
    server.restart();
    Client::of(&server).key("alkey:users#1");
}

#[test]
fn a_rewritten_configuration_loads_it_once() {
    let (server, mut client) = settled_server();
    client.ok("CONFIG REWRITE");
    client.ok("CONFIG REWRITE");
    // There is one such line, or this fails.
    with_load_line(&read_config(&server), "");
}
