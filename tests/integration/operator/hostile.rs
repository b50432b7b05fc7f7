//! Input that is meant to do harm: whatever the bytes are, each command answers once, on one line if it refuses them;
//! the server lives, its log is clean, and what is taken for a name comes back as it was sent.

use redis::Value;

use crate::commands::client::{Client, LEASE_MS_LONG, fields, settled_server};
use crate::harness::{DEADLINE, Raw, Server, wait_until};

/// Bytes that have done harm to some program.
fn nasty() -> Vec<Vec<u8>> {
    let short: [&[u8]; 28] = [
        b"",
        b"\0",
        b"a\0b",
        b"\0\0\0\0\0\0\0\0\0",
        b"\xff\xfe",
        b"\xc3\x28",
        b"\xed\xa0\x80",
        b"%s%n",
        b"%s%s%s%s%s%s%s%s%n%x%p%d",
        b"%",
        b"\r\n",
        b"\r\n-ERR injected\r\n",
        b"\n*1\r\n$8\r\nFLUSHALL\r\n",
        b" ",
        b"\x1b[2J",
        b"'\"\\",
        b"#",
        b"##",
        b"*",
        b"**",
        b"*#*",
        b"*#7",
        b":",
        b"{",
        b"}",
        b"{}",
        b"--",
        b"alkey:t#1",
    ];
    let long = [b'x', b'%', 0, 0xff]
        .into_iter()
        .flat_map(|byte| [64, 65, 4000, 5000, 100_000].map(|length| vec![byte; length]));
    short.into_iter().map(<[u8]>::to_vec).chain(long).collect()
}

/// Where in an argument the bytes may stand.
fn arguments(bytes: &[u8]) -> Vec<Vec<u8>> {
    let around = |before: &[u8], after: &[u8]| [before, bytes, after].concat();
    vec![
        bytes.to_vec(),
        around(b"alkey", b""),
        around(b"alkey:", b""),
        around(b"alkey:t#", b""),
        around(b"alkey:", b"#1"),
        around(b"alkey{", b"}:t#1"),
        around(b"alkey{", b":t#1"),
        around(b"alkey:tx:", b""),
        around(b"alkey{", b"}:tx:1"),
    ]
}

#[test]
fn any_bytes_anywhere_do_no_harm() {
    let (server, mut client) = settled_server();
    client.lease_ms(LEASE_MS_LONG);
    let replica = Server::builder().config("propagation-error-behavior", "panic").start();
    replica.replica_of(&server);
    // The last line of a sync comes a little after it.
    let logged = wait_until(DEADLINE, "the sync is logged", || {
        let log = server.log();
        let is_over = log.contains("Synchronization with replica") && log.contains("RDB transfer terminated");
        if is_over { Ok(log.lines().count()) } else { Err(log) }
    });
    let mut raw = server.resp3();
    for bytes in nasty() {
        for argument in arguments(&bytes) {
            for command in [
                "KEY", "KEY_RO", "LOOKUP", "TOKEN", "EXPLAIN", "TOUCH", "RECORD", "COMMIT", "DISCARD",
                "PENDING", "HELP", "APPLY",
            ] {
                let name = format!("ALKEY.{command}").into_bytes();
                for words in [
                    vec![name.clone(), argument.clone()],
                    vec![name.clone(), b"alkey:tx:1".to_vec(), argument.clone()],
                    vec![name.clone(), argument.clone(), b"alkey:t#1".to_vec()],
                    vec![name.clone(), argument.clone(), argument.clone()],
                ] {
                    assert_answers_once(&mut raw, &words);
                }
            }
        }
    }
    // The section of INFO can still be read, line by line.
    let info = server.resp2().text(&["INFO", "alkey"]);
    assert!(info.lines().skip(1).all(|line| {
        line.is_empty() || line == "# alkey" || line.starts_with("alkey_") && line.contains(':')
    }));
    replica.catch_up_with(&server);
    assert_eq!(Client::of(&replica).digest(), client.digest());
    let surprises: Vec<String> = server.log().lines().skip(logged).map(str::to_owned).collect();
    assert_eq!(surprises, [""; 0], "in the log");
}

/// One reply comes for one call: the next reply is that of the PING that follows.
#[track_caller]
fn assert_answers_once(raw: &mut Raw, words: &[Vec<u8>]) {
    raw.send(words);
    raw.send(&["PING"]);
    let reply = raw.read_bytes();
    let pong = raw.read_bytes();
    let shown = || words.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>();
    assert_eq!(pong, b"+PONG\r\n", "{:?}", shown());
    if let Some(error) = reply.strip_prefix(b"-") {
        let error = error.strip_suffix(b"\r\n").expect("a reply's end");
        assert!(
            error.iter().all(|byte| (b' '..=b'~').contains(byte)),
            "{:?}",
            error.escape_ascii().to_string()
        );
        assert!(error.len() < 500, "an error of {} bytes", error.len());
    }
}

#[test]
fn names_of_any_bytes_come_back_as_they_were_sent() {
    let (_server, mut client) = settled_server();
    let raw = client.raw();
    let mut names: Vec<Vec<u8>> =
        nasty().into_iter().filter(|bytes| !bytes.is_empty() && bytes.len() <= 4000).collect();
    names.retain(|name| name != b"*");
    let text = |value: &Value| match value {
        Value::BulkString(bytes) => bytes.clone(),
        other => panic!("{other:?}"),
    };
    for name in &names {
        let row = [b"alkey:t#", name.as_slice()].concat();
        let transaction = [b"alkey:tx:", name.as_slice()].concat();
        assert_eq!(raw.call(&[b"ALKEY.RECORD", transaction.as_slice(), &row]), Value::Int(1));
        assert_eq!(
            raw.call(&[b"ALKEY.PENDING", transaction.as_slice()]),
            Value::Array(vec![Value::BulkString(row.clone())])
        );
        let explained = fields(&raw.call(&[b"ALKEY.EXPLAIN", row.as_slice()]));
        let explained = fields(&explained[0]);
        assert_eq!(text(&explained[1]), row);
        assert_eq!(
            fields(&explained[11]).iter().map(text).collect::<Vec<_>>(),
            std::slice::from_ref(&transaction)
        );
        assert_eq!(raw.call(&[b"ALKEY.COMMIT", transaction.as_slice()]), Value::Int(1));
    }
    // A commit changes the key of the row that it names, and of no other.
    let rows: Vec<Vec<u8>> = names.iter().map(|name| [b"alkey:t#", name.as_slice()].concat()).collect();
    let mut keys = |touched: &[u8]| -> Vec<Value> {
        raw.call(&[b"ALKEY.TOUCH", touched]);
        rows.iter().map(|row| raw.call(&[b"ALKEY.KEY", row.as_slice()])).collect()
    };
    let mut before = keys(b"alkey:other#1");
    for (position, row) in rows.iter().enumerate() {
        let after = keys(row);
        for (other, (before, after)) in before.iter().zip(&after).enumerate() {
            assert_eq!(before != after, other == position, "{}", rows[other].escape_ascii());
        }
        before = after;
    }
}
