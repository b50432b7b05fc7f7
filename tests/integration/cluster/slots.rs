//! Slots that are taken from a node and given back, without their keys: what was not this node's for a moment is from
//! elsewhere.

use crate::commands::client::{Client, LEASE_MS_LONG, LEASE_MS_SHORT};
use crate::harness::{DEADLINE, Server, wait_until};

const NAMESPACE: &str = "alkey{shop}";

/// A cluster of one node, with a namespace out of grace, and the namespace's slot.
fn node() -> (Server, Client, String) {
    let server = Server::builder().module_arg("lease-ms", "1").cluster().start();
    let mut client = Client::of(&server);
    client.settle(&[NAMESPACE]);
    let slot = client.integer(&format!("CLUSTER KEYSLOT {NAMESPACE}")).to_string();
    (server, client, slot)
}

fn wait_until_served(client: &mut Client) {
    wait_until(DEADLINE, "the cluster serves", || {
        let info = client.text("CLUSTER INFO");
        if info.contains("cluster_state:ok") { Ok(()) } else { Err(info) }
    });
}

#[test]
fn what_was_lost_for_a_moment_is_from_elsewhere() {
    let (server, mut client, slot) = node();
    let (before, after) = (slot.parse::<u32>().unwrap() - 1, slot.parse::<u32>().unwrap() + 1);
    let myself = client.string("CLUSTER MYID").unwrap();
    let row = format!("{NAMESPACE}:t#1");
    for (taken, given) in [
        (format!("DELSLOTS {slot}"), format!("ADDSLOTS {slot}")),
        (format!("DELSLOTS 0 {slot} 1"), format!("addslots 1 0 {slot}")),
        (format!("DELSLOTSRANGE {before} {after}"), format!("ADDSLOTSRANGE {before} {after}")),
        (format!("DELSLOTSRANGE 0 5 {slot} {slot}"), format!("ADDSLOTSRANGE {slot} {slot} 0 5")),
        (format!("DELSLOTS {slot}"), format!("SETSLOT {slot} NODE {myself}")),
    ] {
        client.settle(&[NAMESPACE]);
        client.lease_ms(LEASE_MS_SHORT);
        let keys = [client.key(&row), client.lookup(&row).0];
        client.ok(&format!("CLUSTER {taken}"));
        // In between, another node may own the slot.
        client.ok(&format!("CLUSTER {given}"));
        wait_until_served(&mut client);
        // Nobody knows who has recorded there, so there is grace.
        assert_eq!(client.settled(&row), -1, "{taken}");
        assert_ne!([client.key(&row), client.lookup(&row).0], keys, "{taken}");
    }
    assert!(!server.log().contains("all keys change"), "{}", server.log());
}

#[test]
fn whoever_takes_it_and_gives_it_back() {
    let (server, mut client, slot) = node();
    let row = format!("{NAMESPACE}:t#1");
    let key = client.key(&row);
    let mut other = Client::of(&server);
    other.ok(&format!("CLUSTER DELSLOTS {slot}"));
    client.ok(&format!("CLUSTER ADDSLOTS {slot}"));
    wait_until_served(&mut client);
    client.lease_ms(LEASE_MS_SHORT);
    assert_ne!(client.key(&row), key);

    client.settle(&[NAMESPACE]);
    let key = client.key(&row);
    let script = format!("return redis.call('CLUSTER', 'DELSLOTS', {slot})");
    client.raw().call(&["EVAL", &script, "0"]);
    other.ok(&format!("CLUSTER ADDSLOTS {slot}"));
    wait_until_served(&mut client);
    assert_ne!(client.key(&row), key);
}

#[test]
fn what_was_never_lost_stays() {
    let (server, mut client, slot) = node();
    let row = format!("{NAMESPACE}:t#1");
    let key = client.key(&row);
    let other_slot = (slot.parse::<u32>().unwrap() + 1).to_string();
    for command in [
        format!("ADDSLOTS {slot}"),
        format!("ADDSLOTS {slot} {slot}"),
        "ADDSLOTS".into(),
        "DELSLOTS 99999".into(),
        // Both are refused as long as there are keys.
        "FLUSHSLOTS".into(),
        "RESET".into(),
        "RESET HARD".into(),
        "UNHEARDOF".into(),
        format!("SETSLOT {slot} STABLE"),
        format!("COUNTKEYSINSLOT {slot}"),
        "SLOTS".into(),
        "NODES".into(),
        "SAVECONFIG".into(),
        format!("DELSLOTS {other_slot}"),
        format!("ADDSLOTS {other_slot}"),
    ] {
        client.text(&format!("CLUSTER {command}"));
        if command.starts_with("DELSLOTS") {
            continue;
        }
        wait_until_served(&mut client);
        assert_eq!(client.string(&format!("ALKEY.KEY_RO {row}")), Some(key.clone()), "{command}");
        assert!(client.settled(&row) >= 0, "{command}");
    }
    // One who may not say this takes nothing.
    client.ok("ACL SETUSER stranger on nopass ~* +@all -cluster");
    let mut stranger = server.resp2();
    assert_eq!(stranger.text(&["AUTH", "stranger", ""]), "+OK\r\n");
    assert!(stranger.text(&["CLUSTER", "DELSLOTS", &slot]).starts_with("-NOPERM"));
    // What goes and comes in one transaction was never anybody else's.
    client.ok("MULTI");
    client.text(&format!("CLUSTER DELSLOTS {slot}"));
    client.text(&format!("CLUSTER ADDSLOTS {slot}"));
    client.call("EXEC");
    wait_until_served(&mut client);
    assert_eq!(client.key(&row), key);
}

/// It could not ask which slots are its own, and would take what came back for what it was.
#[test]
fn where_the_server_cannot_be_asked_for_its_slots_alkey_is_not_loaded() {
    for command in ["EXISTS", "CLUSTER"] {
        let builder = Server::builder().config("rename-command", &format!("{command} \"\""));
        builder.clone().start();
        let Err(log) = builder.config("cluster-enabled", "yes").try_start() else {
            panic!("it is loaded without {command}");
        };
        let why = "alkey is not loaded: in a cluster it asks the server by EXISTS and CLUSTER NODES which slots are its \
                   own: expected these commands under their names, see rename-command";
        assert!(log.contains(why), "{log}");
    }
}

/// While this node did not own the slot, another did: what was committed there is not missed, nor who recorded there.
#[test]
fn what_another_node_committed_meanwhile_is_not_missed() {
    let (one, mut client, slot) = node();
    let two = Server::builder().module_arg("lease-ms", "1").config("cluster-enabled", "yes").start();
    let mut other = Client::of(&two);
    for client in [&mut client, &mut other] {
        client.ok("CONFIG SET cluster-require-full-coverage no");
    }
    other.text("CLUSTER SET-CONFIG-EPOCH 2");
    other.ok(&format!("CLUSTER MEET 127.0.0.1 {}", one.port()));
    for client in [&mut client, &mut other] {
        wait_until(DEADLINE, "the nodes know each other", || {
            let nodes = client.text("CLUSTER NODES");
            let known = nodes.matches(" connected").count() == 2 && !nodes.contains("handshake");
            if known { Ok(()) } else { Err(nodes) }
        });
    }
    let row = format!("{NAMESPACE}:t#1");
    let key = client.lookup(&row).0;
    let answers = |client: &mut Client| client.text(&format!("EXISTS {NAMESPACE}")).starts_with(':');
    // There, by the operator's word on both nodes.
    client.ok(&format!("CLUSTER DELSLOTS {slot}"));
    other.text(&format!("CLUSTER DELSLOTS {slot}"));
    other.ok(&format!("CLUSTER ADDSLOTS {slot}"));
    wait_until(DEADLINE, "the other node serves the slot", || {
        if answers(&mut other) { Ok(()) } else { Err(()) }
    });
    other.lease_ms(LEASE_MS_LONG);
    other.integer(&format!("ALKEY.TOUCH {row}"));
    // And back.
    other.ok(&format!("CLUSTER DELSLOTS {slot}"));
    client.text(&format!("CLUSTER DELSLOTS {slot}"));
    client.ok(&format!("CLUSTER ADDSLOTS {slot}"));
    wait_until(DEADLINE, "this node serves the slot", || if answers(&mut client) { Ok(()) } else { Err(()) });
    let (back, settled) = client.lookup(&row);
    assert_ne!(back, key);
    assert_eq!(settled, Some(-1), "whoever recorded there may still commit");
}
