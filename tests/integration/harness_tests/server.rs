//! Servers of every sort start, and start again.

use crate::harness::{Server, free_port};

#[test]
fn a_killed_server_starts_again_with_its_data() {
    let mut server = Server::builder().config("appendonly", "yes").config("appendfsync", "always").start();
    let port = server.port();
    assert_eq!(server.resp2().text(&["SET", "greeting", "hi"]), "+OK\r\n");

    server.kill9();
    assert_eq!(server.process_id(), None);
    server.restart();
    assert_eq!(server.port(), port);
    assert_eq!(server.resp2().text(&["GET", "greeting"]), "$2\r\nhi\r\n");

    server.restart();
    assert_eq!(server.resp2().text(&["GET", "greeting"]), "$2\r\nhi\r\n");
    assert!(server.dir().join("appendonlydir").is_dir());
    assert_eq!(server.log().matches("Ready to accept connections").count(), 3);
}

#[test]
fn a_server_that_does_not_start_tells_why() {
    let log = Server::builder().config("no-such-setting", "1").try_start().err().unwrap();
    assert!(log.contains("no-such-setting"), "{log}");
    let log = Server::builder().module_arg("lease-ms", "soon").try_start().err().unwrap();
    assert!(log.contains("Module not loaded"), "{log}");
}

#[test]
fn a_server_takes_another_port_if_its_first_is_taken() {
    let first = Server::start();
    let ports = [first.port(), first.port(), free_port()];
    let second = Server::builder().try_start_on_first_free(ports).unwrap();
    assert_eq!(second.port(), ports[2]);
}

#[test]
fn a_replica_has_what_the_primary_has() {
    let (primary, replica) = (Server::start(), Server::start());
    replica.replica_of(&primary);
    primary.resp2().text(&["SET", "greeting", "hi"]);
    replica.catch_up_with(&primary);
    assert_eq!(replica.resp2().text(&["GET", "greeting"]), "$2\r\nhi\r\n");
}

#[test]
fn a_cluster_of_one_node_takes_every_key() {
    let server = Server::builder().cluster().start();
    let mut raw = server.resp2();
    for key in ["a", "b", "{c}d"] {
        assert_eq!(raw.text(&["SET", key, "hi"]), "+OK\r\n");
    }
}

#[test]
fn memory_grows_with_the_data() {
    let server = Server::start();
    let before = server.used_memory();
    server.resp2().call(&["SETRANGE", "a", "1000000", "x"]);
    assert!(server.used_memory() >= before + 1_000_000);
}
