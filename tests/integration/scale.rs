//! Memory and stalls at size: what a row costs, that reading costs nothing, and that no write stalls the server.
//!
//! The large sizes take minutes and a release build: `scripts/test --long` runs them.

use std::collections::HashMap;
use std::fmt::Write;
use std::iter::successors;

use crate::commands::client::{Client, fields, settled_server, text_of};
use crate::harness::{DEADLINE, wait_until};

const ROW_BYTES_MAX: u64 = 40;
const SMALL_TABLE_BYTES_MAX: u64 = 2048;
const WRITE_US_MAX: u64 = 1000;

/// Connections come and go while memory is measured; each has buffers.
const NOISE_BYTES: u64 = 200_000;

#[test]
fn a_committed_row_takes_little_memory_and_one_looked_up_none() {
    const ROWS: u64 = 100_000;
    let (server, mut client) = settled_server();
    // It keeps the arguments of slow calls, and a debug build on a busy machine has many.
    client.ok("CONFIG SET slowlog-log-slower-than -1");
    let empty = server.used_memory();
    touch(&mut client, "users", 0..ROWS);
    let full = server.used_memory();
    let per_row = full.saturating_sub(empty) / ROWS;
    println!("{per_row} bytes a row at {ROWS} rows");
    assert!(per_row <= ROW_BYTES_MAX, "{per_row} bytes a row");
    // What the server is told of it is what it took, but for what the allocator rounds up.
    let told = u64::try_from(client.integer("MEMORY USAGE alkey SAMPLES 0")).unwrap();
    assert!((ROWS * 16..=full - empty + NOISE_BYTES).contains(&told), "{told} bytes");

    let usage = client.integer("MEMORY USAGE alkey SAMPLES 0");
    // EXPLAIN takes a few at a time.
    for (command, at_a_time) in [("KEY", 1000), ("LOOKUP", 1000), ("KEY_RO", 1000), ("EXPLAIN", 16)] {
        for call in 0..ROWS / 1000 {
            let mut line = format!("ALKEY.{command}");
            for row in 0..at_a_time {
                write!(line, " alkey:users#never{}", call * at_a_time + row).unwrap();
            }
            client.call(&line);
        }
        assert_eq!(client.integer("MEMORY USAGE alkey SAMPLES 0"), usage, "{command}");
    }
    // Nor is anything of it kept beside the namespace, once the buffers of the connection are gone.
    drop(client);
    wait_until(DEADLINE, "nothing is left of what was read", || match server.used_memory() {
        read if read <= full + NOISE_BYTES => Ok(()),
        read => Err(read - full),
    });
}

#[test]
fn a_small_table_takes_little_memory() {
    const TABLES: u64 = 1000;
    let (server, mut client) = settled_server();
    let empty = server.used_memory();
    for table in 0..TABLES {
        touch(&mut client, &format!("table{table}"), 0..10);
    }
    let per_table = server.used_memory().saturating_sub(empty) / TABLES;
    println!("{per_table} bytes for a table of ten rows");
    assert!(per_table <= SMALL_TABLE_BYTES_MAX, "{per_table} bytes");
}

#[test]
#[ignore = "takes minutes: scripts/test --long"]
fn a_row_takes_little_memory_at_any_size() {
    let (server, mut client) = settled_server();
    client.ok("CONFIG SET alkey.max-rows 100000000");
    let empty = server.used_memory();
    let (mut rows, mut most) = (0, 0);
    // Sizes between the powers of two matter: some maps are half empty there.
    let steps = successors(Some(100_000), |size| Some(size * 5 / 4)).take_while(|size| *size < 10_000_000);
    let mut sizes: Vec<u64> = steps.chain([1_000_000, 10_000_000]).collect();
    sizes.sort_unstable();
    for size in sizes {
        touch(&mut client, "users", rows..size);
        rows = size;
        let per_row = server.used_memory().saturating_sub(empty) / rows;
        if [100_000, 1_000_000, 10_000_000].contains(&rows) {
            println!("{per_row} bytes a row at {rows} rows");
        }
        assert!(per_row <= ROW_BYTES_MAX, "{per_row} bytes a row at {rows} rows");
        most = most.max(per_row);
    }
    println!("{most} bytes a row at most");
}

/// A machine that is shared stops a server now and then, but not three servers at the same row. So what was slow
/// every time is the module's doing.
#[test]
#[ignore = "takes minutes: scripts/test --long"]
fn no_write_stalls_the_server_while_a_table_grows() {
    const ROWS: u64 = 10_000_000;
    const LOGGED_US: u64 = 500;
    const SERVERS: usize = 3;
    let mut slow: HashMap<String, Vec<u64>> = HashMap::new();
    for _ in 0..SERVERS {
        let (_server, mut client) = settled_server();
        client.ok("CONFIG SET alkey.max-rows 100000000");
        client.ok("CONFIG SET slowlog-max-len 1000000");
        client.ok(&format!("CONFIG SET slowlog-log-slower-than {LOGGED_US}"));
        touch_one_by_one(&mut client, ROWS);
        assert_eq!(client.key("alkey:users#0").len(), 64);
        for entry in fields(&client.call("SLOWLOG GET -1")) {
            let entry = fields(&entry);
            let call: Vec<String> = fields(&entry[3]).iter().map(text_of).collect();
            if call[0] == "ALKEY.TOUCH" {
                slow.entry(call[1].clone()).or_default().push(text_of(&entry[2]).parse().expect("a number"));
            }
        }
    }
    let every_time = slow.iter().filter(|(_, times)| times.len() == SERVERS);
    let least_us = every_time.map(|(row, times)| (times.iter().copied().min().unwrap_or_default(), row));
    let longest = least_us.max();
    println!(
        "{} writes took {LOGGED_US} µs or more at least once; every time, the longest: {longest:?}",
        slow.len()
    );
    assert!(longest.is_none_or(|(us, _)| us <= WRITE_US_MAX), "{longest:?} µs, on every server");
}

/// Commits rows of a table, a thousand in a call.
fn touch(client: &mut Client, table: &str, rows: std::ops::Range<u64>) {
    for first in rows.clone().step_by(1000) {
        let mut line = "ALKEY.TOUCH".to_owned();
        for row in first..rows.end.min(first + 1000) {
            write!(line, " alkey:{table}#{row}").unwrap();
        }
        client.integer(&line);
    }
}

/// Commits so many rows, each by a call of its own. The server keeps its replies to itself, which is quicker.
fn touch_one_by_one(client: &mut Client, rows: u64) {
    for first in (0..rows).step_by(100_000) {
        let mut calls = b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n".to_vec();
        for row in first..first + 100_000 {
            let identifier = format!("alkey:users#{row}");
            let call = format!("*2\r\n$11\r\nALKEY.TOUCH\r\n${}\r\n{identifier}\r\n", identifier.len());
            calls.extend_from_slice(call.as_bytes());
        }
        client.raw().send_bytes(&calls);
        client.ok("CLIENT REPLY ON");
    }
}
