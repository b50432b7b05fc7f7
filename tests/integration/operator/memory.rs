//! Memory: what alkey tells of it is what the server's allocator says, within 5 % if that is jemalloc, whose sizes it
//! reckons with, and a large namespace is freed where it stalls nobody.

use std::fs;

use super::arguments;
use crate::commands::client::{Client, settled_server, text_of};
use crate::harness::{DEADLINE, Server, wait_until};

/// In how many percent of what was allocated the numbers told may be off.
fn off_percent_max(server: &Server) -> u64 {
    let allocator = server.info("memory", "mem_allocator").expect("the server tells its allocator");
    if allocator.starts_with("jemalloc") { 5 } else { 10 }
}

// The buffers of the one client that measures come and go: some 25 KB, so what is measured is above a megabyte.

#[test]
fn the_memory_told_is_what_was_allocated() {
    type Fill = fn(&mut Client);
    let cases: [(&str, Fill); 5] = [
        ("100,000 rows in a table", |client| touch(client, "users", 100_000)),
        ("4,000 tables of ten rows", |client| {
            for table in 0..4000 {
                touch(client, &format!("table{table}"), 10);
            }
        }),
        ("tables of all sizes", |client| {
            for table in 0..300 {
                touch(client, &format!("a_table_of_a_longer_name_{table}"), 1 + table * table / 100);
            }
        }),
        ("tables of one row", |client| {
            for table in 0..8000 {
                touch(client, &format!("{table}"), 1);
            }
        }),
        ("a table whose floors were raised", |client| {
            client.ok("CONFIG SET alkey.max-rows 70000");
            touch(client, "users", 90_000);
        }),
    ];
    let mut wrong = Vec::new();
    for (what, fill) in cases {
        let (server, mut client) = settled_server();
        // It keeps the arguments of slow calls, and a debug build on a busy machine has many.
        client.ok("CONFIG SET slowlog-log-slower-than -1");
        let before = settled_memory(&mut client);
        let told_before = info(&mut client, "alkey", "alkey_memory_bytes");
        // Over a connection of its own, whose buffers go with it.
        fill(&mut Client::of(&server));
        let grown = settled_memory(&mut client) - before;
        let usage = client.integer("MEMORY USAGE alkey").unsigned_abs();
        let told = info(&mut client, "alkey", "alkey_memory_bytes") - told_before;
        println!("{what}: {grown} bytes allocated; MEMORY USAGE tells {usage}, INFO {told}");
        for (who, told) in [("MEMORY USAGE", usage), ("INFO", told)] {
            if told.abs_diff(grown) * 100 > grown * off_percent_max(&server) {
                wrong.push(format!("{what}: {who} tells {told} bytes of {grown}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_memory_told_of_transactions_is_what_was_allocated() {
    let mut wrong = Vec::new();
    for (transactions, identifiers) in [(20_000, 1), (2_000, 30), (20, 5_000)] {
        let (server, mut client) = settled_server();
        // It keeps the arguments of slow calls, and a debug build on a busy machine has many.
        client.ok("CONFIG SET slowlog-log-slower-than -1");
        let before = settled_memory(&mut client);
        let told_before = info(&mut client, "alkey", "alkey_flights_memory_bytes");
        let mut writer = Client::of(&server);
        let rows = arguments(0..identifiers, |row| format!("alkey:users#{row}"));
        for transaction in 0..transactions {
            writer.integer(&format!("ALKEY.RECORD alkey:tx:a-name-like-a-uuid-{transaction}{rows}"));
        }
        drop(writer);
        let grown = settled_memory(&mut client) - before;
        let told = info(&mut client, "alkey", "alkey_flights_memory_bytes") - told_before;
        println!("{transactions} transactions of {identifiers}: {grown} bytes allocated, INFO tells {told}");
        if told.abs_diff(grown) * 100 > grown * off_percent_max(&server) {
            wrong.push(format!("{transactions} transactions of {identifiers}: INFO tells {told} of {grown}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_large_namespace_is_freed_on_another_thread() {
    const ROWS: usize = 100_000;
    for command in
        ["DEL alkey", "FLUSHALL", "ALKEY.TOUCH alkey:*#*", "ALKEY.TOUCH alkey:users#*", "RENAME b alkey"]
    {
        let (server, mut client) = settled_server();
        client.ok("SET b 1");
        let before = settled_memory(&mut client);
        touch(&mut client, "users", ROWS);
        let full = settled_memory(&mut client);
        assert!(full - before > 16 * ROWS as u64, "{} bytes for {ROWS} rows", full - before);
        client.text(command);
        wait_until(DEADLINE, &format!("the memory is free after {command}"), || {
            let now = info(&mut client, "memory", "used_memory");
            if now < before + (full - before) / 5 { Ok(()) } else { Err((before, full, now)) }
        });
        assert!(threads(&server).contains(&"alkey-reaper".to_owned()), "{command}: {:?}", threads(&server));
        assert_eq!(client.text("PING"), "+PONG\r\n");
    }
}

#[test]
fn a_small_namespace_needs_no_other_thread() {
    let (server, mut client) = settled_server();
    touch(&mut client, "users", 1000);
    for command in ["ALKEY.TOUCH alkey:users#*", "DEL alkey", "FLUSHALL"] {
        client.text(command);
    }
    assert!(!threads(&server).contains(&"alkey-reaper".to_owned()), "{:?}", threads(&server));
}

/// In a release build, since it is about time. A machine that is shared stops a server now and then, but not each time.
#[test]
#[ignore = "takes minutes: scripts/test --long"]
fn a_million_rows_are_dropped_within_a_millisecond() {
    const TIMES: usize = 3;
    let (_server, mut client) = settled_server();
    for command in ["DEL alkey", "FLUSHALL", "ALKEY.TOUCH alkey:*#*", "ALKEY.TOUCH alkey:users#*"] {
        let us = [(); TIMES].map(|()| us_to_drop_a_million_rows(&mut client, command));
        println!("{command}: {us:?} us");
        assert!(us.iter().any(|us| *us < 1000), "{command} took {us:?} us");
    }
}

fn us_to_drop_a_million_rows(client: &mut Client, command: &str) -> u64 {
    const ROWS: usize = 1_000_000;
    touch(client, "users", ROWS);
    let full = info(client, "memory", "used_memory");
    client.ok("CONFIG RESETSTAT");
    client.text(command);
    let stats = text_of(&client.call("INFO commandstats"));
    let name = command.split(' ').next().expect("a name").to_lowercase();
    let line = stats.lines().find(|line| line.contains(&name)).expect("its statistics");
    let us = line.split(['=', ',']).nth(3).and_then(|us| us.parse().ok()).expect("microseconds");
    wait_until(DEADLINE, "the memory is free", || {
        let now = info(client, "memory", "used_memory");
        if now < full - 16 * ROWS as u64 { Ok(()) } else { Err((full, now)) }
    });
    us
}

/// Touches rows of a table, from the first.
fn touch(client: &mut Client, table: &str, rows: usize) {
    for first in (0..rows).step_by(1000) {
        let last = rows.min(first + 1000);
        let touched = arguments(first..last, |row| format!("alkey:{table}#{row}"));
        client.integer(&format!("ALKEY.TOUCH{touched}"));
    }
}

/// `used_memory`, once nothing is being freed any more (it is the same twice) and no other client is connected.
fn settled_memory(client: &mut Client) -> u64 {
    let mut last = 0;
    wait_until(DEADLINE, "the memory stands still", || {
        let before = last;
        let info = text_of(&client.call("INFO memory"));
        last = number(&info, "used_memory");
        if last == before && self::info(client, "clients", "connected_clients") == 1 {
            Ok(last)
        } else {
            Err(last)
        }
    })
}

/// A field of INFO, asked over this connection: another one would take memory.
#[track_caller]
fn info(client: &mut Client, section: &str, field: &str) -> u64 {
    number(&text_of(&client.call(&format!("INFO {section}"))), field)
}

#[track_caller]
fn number(info: &str, field: &str) -> u64 {
    let value = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.expect("the field is there").parse().expect("a number")
}

/// The names of the server's threads.
fn threads(server: &Server) -> Vec<String> {
    let process = server.process_id().expect("it runs");
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("the server's threads");
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.map(|name| name.trim().to_owned()).collect()
}
