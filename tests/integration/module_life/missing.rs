//! A server without the module meets data of the module: it stops, says why, and nothing is lost.

use std::process::Command;

use super::{read_config, with_load_line, write_config};
use crate::commands::client::{Client, fields, quick_server, text_of};
use crate::harness::{DEADLINE, Server, wait_until};

/// What the log says then, in lower case, since servers differ in that.
const NO_TYPE: &str = "module data i can't load: no matching module type 'alkey-nsp'";
const NO_COMMAND: &str = "unknown command 'alkey.apply'";

type Config = &'static [(&'static str, &'static str)];

/// How a server keeps its data, what makes it do so before it ends, and what it says without the module.
const WAYS: [(Config, &str, &str); 3] = [
    (&[], "SAVE", NO_TYPE),
    (&[("appendonly", "yes"), ("appendfsync", "always")], "BGREWRITEAOF", NO_TYPE),
    (
        &[("appendonly", "yes"), ("appendfsync", "always"), ("aof-use-rdb-preamble", "no")],
        "BGREWRITEAOF",
        NO_COMMAND,
    ),
];

#[test]
fn a_start_without_it_on_its_data_is_refused_and_loses_nothing() {
    for (config, save, why) in WAYS {
        let mut server = quick_server(config);
        let mut client = Client::of(&server);
        client.ok("SET other data");
        client.integer("ALKEY.TOUCH alkey:users#1");
        let digest = client.digest();
        keep(&server, &mut client, save);
        server.kill9();

        let config = read_config(&server);
        write_config(&server, &with_load_line(&config, ""));
        let log = server.try_restart().expect_err("a server without alkey has loaded its data");
        assert!(log.to_lowercase().contains(why), "{save}: no {why:?} in\n{log}");

        write_config(&server, &config);
        server.restart();
        assert_eq!(Client::of(&server).digest(), digest, "{save}");
    }
}

#[test]
fn without_its_data_a_server_starts_without_it() {
    for (config, save, _) in WAYS {
        let mut server = quick_server(config);
        let mut client = Client::of(&server);
        client.ok("SET other data");
        for database in ["1", "0"] {
            client.ok(&format!("SELECT {database}"));
            client.integer("ALKEY.TOUCH alkey:users#1 alkey{shop}:users#1");
        }
        delete_namespaces(&mut client);
        keep(&server, &mut client, save);
        server.kill9();
        write_config(&server, &with_load_line(&read_config(&server), ""));
        server.restart();
        assert_eq!(Client::of(&server).string("GET other"), Some("data".into()), "{save}");
    }
}

/// As docs/operations.md has it: in each database, the keys of alkey's type.
fn delete_namespaces(client: &mut Client) {
    let mut deleted = 0;
    for database in 0..16 {
        client.ok(&format!("SELECT {database}"));
        let found = fields(&client.call("SCAN 0 COUNT 1000000 TYPE alkey-nsp"));
        for namespace in fields(&found[1]) {
            deleted += client.integer(&format!("DEL {}", text_of(&namespace)));
        }
    }
    assert_eq!(deleted, 4);
    client.ok("SELECT 0");
}

#[test]
fn its_settings_without_it_are_refused() {
    let mut server = Server::builder().config("alkey.lease-ms", "77").start();
    server.kill9();
    write_config(&server, &with_load_line(&read_config(&server), ""));
    let log = server.try_restart().expect_err("a server without alkey has taken its setting");
    assert!(log.contains("Module Configuration detected without loadmodule directive"), "{log}");
}

#[test]
fn a_replica_without_it_ends_at_the_first_full_sync() {
    for diskless in ["no", "yes"] {
        let primary = quick_server(&[("repl-diskless-sync", diskless)]);
        Client::of(&primary).integer("ALKEY.TOUCH alkey:users#1");
        let mut replica = Server::builder()
            .without_module()
            .config("repl-diskless-load", if diskless == "yes" { "swapdb" } else { "disabled" })
            .start();
        let port = primary.port().to_string();
        assert_eq!(replica.resp2().text(&["REPLICAOF", "127.0.0.1", &port]), "+OK\r\n");
        let process = replica.process_id().expect("it runs").to_string();
        wait_until(DEADLINE, "the replica has ended", || {
            let state = Command::new("ps").args(["-o", "stat=", &process]).output().expect("there is ps");
            let state = String::from_utf8_lossy(&state.stdout).into_owned();
            if state.is_empty() || state.starts_with('Z') { Ok(()) } else { Err((state, replica.log())) }
        });
        replica.kill9();
        assert!(replica.log().to_lowercase().contains(NO_TYPE), "{}", replica.log());
        assert_eq!(Client::of(&primary).text("PING"), "+PONG\r\n");
    }
}

fn keep(server: &Server, client: &mut Client, save: &str) {
    client.call(save);
    wait_until(DEADLINE, "it is saved", || server.info_is("persistence", "aof_rewrite_in_progress", "0"));
}
