//! `DEBUG DIGEST-VALUE` sees every stamp: two namespaces that differ in one have different digests, two that don't
//! have the same. It is what the comparisons of copies stand on.
//!
//! The namespaces are made by effects that are written by hand into an append-only file, so that they differ in
//! nothing but what is meant.

use std::fs::File;
use std::io::Write;

use crate::commands::client::{Client, fields, text_of};
use crate::harness::Server;

/// A moment in 2023 as a stamp. The others are a little later.
const BORN: u64 = 1_700_000_000_000 << 20;

/// A namespace's state, piece by piece.
#[derive(Clone)]
struct State {
    epoch: [u8; 16],
    born: u64,
    last: u64,
    any: u64,
    sweep: u64,
    lease_ms: u64,
    table: &'static str,
    table_any: u64,
    table_sweep: u64,
    floors: Vec<(u8, u64)>,
    rows: Vec<(u64, u64)>,
}

const PLAIN_TABLE: &str = "users";

fn plain() -> State {
    State {
        epoch: [7; 16],
        born: BORN,
        last: BORN + 90,
        any: BORN + 80,
        sweep: BORN + 10,
        lease_ms: 5000,
        table: PLAIN_TABLE,
        table_any: BORN + 70,
        table_sweep: BORN + 20,
        floors: vec![(1, BORN + 30), (63, BORN + 31)],
        rows: vec![(64, BORN + 40), (65, BORN + 41), (1 << 63, BORN + 42)],
    }
}

impl State {
    /// The effect that makes it from nothing; see the head of `effect.rs`.
    fn effect(&self) -> Vec<u8> {
        let name = {
            let length = u32::try_from(self.table.len()).expect("a short name");
            [&length.to_le_bytes(), self.table.as_bytes()].concat()
        };
        let numbers =
            |numbers: &[u64]| -> Vec<u8> { numbers.iter().flat_map(|number| number.to_le_bytes()).collect() };
        let mut effect = [vec![1], self.epoch.to_vec(), numbers(&[self.born])].concat();
        effect.extend([vec![1], numbers(&[self.last, self.any, self.sweep])].concat());
        effect.extend([vec![2], numbers(&[self.lease_ms])].concat());
        effect.extend([vec![3], name.clone(), numbers(&[self.table_any, self.table_sweep])].concat());
        for (floor, stamp) in &self.floors {
            effect.extend([vec![4], name.clone(), vec![*floor], numbers(&[*stamp])].concat());
        }
        for (fingerprint, stamp) in &self.rows {
            let count = 1_u32.to_le_bytes().to_vec();
            effect.extend([vec![5], name.clone(), count, numbers(&[*fingerprint, *stamp])].concat());
        }
        effect
    }
}

/// A change, and what is changed.
type Change = (&'static str, fn(&mut State));

/// One change of each kind.
fn changes() -> Vec<(&'static str, State)> {
    let changes: [Change; 16] = [
        ("the epoch's first byte", |state| state.epoch[0] += 1),
        ("the epoch's last byte", |state| state.epoch[15] += 1),
        ("born", |state| state.born -= 1),
        ("last", |state| state.last += 1),
        ("any", |state| state.any += 1),
        ("sweep", |state| state.sweep += 1),
        ("lease", |state| state.lease_ms += 1),
        ("a table's name", |state| state.table = "orders"),
        ("a table's any", |state| state.table_any += 1),
        ("a table's sweep", |state| state.table_sweep += 1),
        ("a floor's stamp", |state| state.floors[0].1 += 1),
        ("a floor's number", |state| state.floors[0].0 = 2),
        ("one floor fewer", |state| state.floors.truncate(1)),
        ("a row's stamp", |state| state.rows[0].1 += 1),
        ("a row's fingerprint", |state| state.rows[0].0 += 2),
        ("one row fewer", |state| state.rows.truncate(2)),
    ];
    changes
        .into_iter()
        .map(|(what, change)| {
            let mut state = plain();
            change(&mut state);
            (what, state)
        })
        .collect()
}

#[test]
fn the_digest_sees_every_stamp() {
    let mut reversed = plain();
    reversed.rows.reverse();
    reversed.floors.reverse();
    let same = [("nothing", plain()), ("nothing but the name of the key", plain()), ("the order", reversed)];
    let different = changes();
    let all: Vec<_> = same.iter().chain(&different).collect();

    let server = loaded(all.iter().map(|(_, state)| state));
    let keys: Vec<String> = (0..all.len()).map(key).collect();
    let mut client = Client::of(&server);
    let digests = fields(&client.call(&format!("DEBUG DIGEST-VALUE {}", keys.join(" "))));
    let digests: Vec<String> = digests.iter().map(text_of).collect();
    assert_eq!(digests.len(), all.len());
    for (position, ((what, _), digest)) in all.iter().zip(&digests).enumerate() {
        let equals = digests[..position].iter().position(|before| before == digest);
        if position == 0 {
            assert_eq!(equals, None);
        } else if position < same.len() {
            assert_eq!(equals, Some(0), "differs in {what}");
        } else {
            assert_eq!(equals, None, "differs in {what}");
        }
    }
}

fn key(position: usize) -> String {
    format!("alkey{{{position}}}")
}

/// A server that has loaded these states from an append-only file.
fn loaded<'a>(states: impl Iterator<Item = &'a State>) -> Server {
    let mut server = Server::builder().config("appendonly", "yes").start();
    server.kill9();
    let path = server.dir().join("appendonlydir/appendonly.aof.1.incr.aof");
    let mut file = File::options().append(true).open(path).expect("the append-only file");
    for (position, state) in states.enumerate() {
        let words = [b"ALKEY.APPLY".to_vec(), key(position).into_bytes(), state.effect()];
        let mut command = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            command.extend(format!("${}\r\n", word.len()).into_bytes());
            command.extend(word);
            command.extend(b"\r\n");
        }
        file.write_all(&command).expect("it can be written");
    }
    server.restart();
    server
}
