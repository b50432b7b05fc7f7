//! Who reaches a server, as docs/access.md and redis.conf.example have it: nobody without a password, replicas, Sentinel.

use std::io::{BufRead, BufReader, Write, stderr};
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::path::Path;

use super::{
    DEFAULT_IS_CLOSED, READER, REPLICA, SENTINEL, documented_users, log_in, password,
    server_with_documented_users,
};
use crate::commands::client::words;
use crate::harness::{DEADLINE, Raw, Sentinels, Server, wait_until};

#[test]
fn who_names_no_user_is_refused() {
    let server = server_with_documented_users();
    let mut admin = server.resp2();
    let calls = ["PING", "ALKEY.LOOKUP alkey:users#1", "INFO", "CONFIG GET *", "DEL alkey"];
    for call in calls {
        let open = server.resp2().text(&words(call));
        assert!(!open.starts_with('-'), "without that line everybody may {call}: {open}");
    }
    close_default(&mut admin);
    for call in calls {
        let reply = server.resp2().text(&words(call));
        assert!(reply.starts_with("-NOAUTH "), "{call}: {reply}");
    }
    let reply = log_in(&server, READER).text(&words("ALKEY.LOOKUP alkey:users#1"));
    assert!(reply.starts_with('*'), "{reply}");
}

/// Nobody but this machine reaches a server with the example configuration, until it has users and `default` is closed.
#[test]
fn the_example_configuration_is_not_open_to_the_network() {
    let Some(address) = address_on_the_network() else {
        writeln!(stderr(), "skipped: this machine has no address but its own")
            .expect("there is standard error");
        return;
    };
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("redis.conf.example");
    let server = Server::builder().based_on(&example).config("bind", "* -::*").start();
    assert!(ask_from_the_network(&server, address, "PING").starts_with("-DENIED "));
    let mut admin = server.resp2();
    close_default(&mut admin);
    assert!(ask_from_the_network(&server, address, "PING").starts_with("-NOAUTH "));
}

/// By the line of docs/access.md. Who is connected stays so.
fn close_default(admin: &mut Raw) {
    let line: Vec<&str> = ["ACL", "SETUSER"].into_iter().chain(DEFAULT_IS_CLOSED.split(' ')).collect();
    assert_eq!(admin.text(&line), "+OK\r\n");
}

/// The address from which this machine would call others. Nothing is sent.
fn address_on_the_network() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback())
}

fn ask_from_the_network(server: &Server, address: IpAddr, call: &str) -> String {
    let mut stream = TcpStream::connect((address, server.port())).expect("it listens on all addresses");
    // One that is refused is closed before it can write.
    drop(write!(stream, "{call}\r\n"));
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply).expect("text");
    reply
}

#[test]
fn a_replica_and_sentinel_need_no_more_than_the_documented_users() {
    let users = documented_users();
    let [mut primary, replica] = [(); 2].map(|()| {
        let builder = Server::builder().module_arg("lease-ms", "1");
        let builder = users.iter().fold(builder, |builder, user| builder.config("user", user));
        builder.config("masteruser", REPLICA).config("masterauth", &password(REPLICA)).start()
    });
    replica.replica_of(&primary);
    let sentinels = Sentinels::start_as(&primary, Some((SENTINEL, &password(SENTINEL))));
    sentinels.wait_for_replica(&replica);
    let connections_of = |user: &str, server: &Server| {
        let clients = server.resp2().text(&["CLIENT", "LIST"]);
        clients.lines().filter(|line| line.contains(&format!(" user={user} "))).count()
    };
    assert!(connections_of(REPLICA, &primary) > 0 && connections_of(SENTINEL, &primary) > 0);
    assert_eq!(primary.resp2().text(&["ACL", "LOG"]), "*0\r\n", "nothing was refused");

    primary.kill9();
    sentinels.wait_for_primary(&[&replica]);
    wait_until(DEADLINE, "the sentinels watch the new primary", || {
        replica.info_is("replication", "role", "master").map_err(|role| (role, 0))?;
        let connections = connections_of(SENTINEL, &replica);
        if connections > 0 { Ok(()) } else { Err((None, connections)) }
    });
    assert_eq!(replica.resp2().text(&["ACL", "LOG"]), "*0\r\n", "nothing was refused");
}
