//! The text of every error, to the letter: applications and people's searches depend on it.

use crate::protocol::error::Error;

#[track_caller]
fn assert_text(error: &Error, expected: &str) {
    let text = error.text();
    assert_eq!(text, expected);
    // What clients rely on: a code, a space, and one sentence on one line, for RESP's sake.
    let (code, sentence) = text.split_once(' ').expect("a code and a sentence");
    assert!(["ERR", "READONLY", "TRYAGAIN", "WRONGTYPE"].contains(&code), "{code} is no code");
    assert!(!sentence.is_empty() && !sentence.ends_with('.') && !sentence.contains(". "), "{sentence}");
    assert!(text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{text}");
    // The match has no wildcard, so that a new error needs a line in the table below.
    match error {
        Error::Arity(_)
        | Error::Malformed(_)
        | Error::TooLong(_)
        | Error::EmptyName
        | Error::TooManyParts { .. }
        | Error::TooManyNamespaces
        | Error::OtherNamespace { .. }
        | Error::NoHashTag(_)
        | Error::NotHereYet(_)
        | Error::WrongType(_)
        | Error::TooManyTransactions
        | Error::Replica
        | Error::Internal(_)
        | Error::Corrupt(_)
        | Error::Defect(_) => {}
    }
}

#[test]
fn each_error_says_what_was_wrong_and_what_was_expected() {
    let cases = [
        (Error::Arity("alkey.key"), "ERR wrong number of arguments for 'alkey.key' command"),
        (
            Error::Malformed(b"alkey:users".to_vec()),
            "ERR \"alkey:users\" is not an identifier: expected alkey:TABLE#ROW, alkey:TABLE#*, alkey:*#*, or the \
             same with a tag as in alkey{TAG}:TABLE#ROW",
        ),
        (Error::TooLong(4097), "ERR a name of 4097 bytes is too long: expected at most 4096"),
        (Error::EmptyName, "ERR the transaction has no name: expected a unique one, such as alkey:tx:UUID"),
        (
            Error::TooManyParts { count: 100_001, max: 100_000 },
            "ERR 100001 arguments are too many for one call: expected at most 100000",
        ),
        (Error::TooManyNamespaces, "ERR identifiers of too many namespaces in one call: expected at most 16"),
        (
            Error::OtherNamespace { identifier: b"alkey:a#1".to_vec(), namespace: b"alkey{shop}".to_vec() },
            "ERR \"alkey:a#1\" is not in the transaction's namespace: expected an identifier that begins with \
             \"alkey{shop}:\"",
        ),
        (
            Error::NoHashTag(b"alkey:a#1".to_vec()),
            "ERR \"alkey:a#1\" has no hash tag: in cluster mode expected one right after alkey, as in \
             alkey{TAG}:TABLE#ROW",
        ),
        (
            Error::NotHereYet(b"alkey{shop}".to_vec()),
            "TRYAGAIN the slot of \"alkey{shop}\" is moving: expected a node that owns it",
        ),
        (
            Error::WrongType(b"alkey".to_vec()),
            "WRONGTYPE the key \"alkey\" holds something else: expected a namespace of alkey or no key",
        ),
        (
            Error::TooManyTransactions,
            "ERR too many transactions are in flight: expected at most 100000 in a namespace",
        ),
        (Error::Replica, "READONLY You can't write against a replica: alkey expected the primary"),
        (
            Error::Internal("ALKEY.APPLY"),
            "ERR ALKEY.APPLY is internal: expected only from a primary or an append-only file",
        ),
        (
            Error::Corrupt("expected a floor below 64"),
            "ERR the data of an alkey namespace is corrupt: expected a floor below 64",
        ),
        (
            Error::Defect("ALKEY.KEY"),
            "ERR a defect in alkey stopped ALKEY.KEY: expected a report with the server's log",
        ),
    ];
    for (error, expected) in &cases {
        assert_text(error, expected);
    }
}

#[test]
fn a_callers_bytes_are_escaped_and_cut() {
    let fits = "x".repeat(64);
    for (bytes, quoted) in [
        (b"".to_vec(), String::new()),
        (b"a \"b\" \\ 'c'".to_vec(), r#"a \"b\" \\ \'c\'"#.to_owned()),
        (b"a\r\nb\0\x1b\xff".to_vec(), r"a\r\nb\x00\x1b\xff".to_owned()),
        ("é".as_bytes().to_vec(), r"\xc3\xa9".to_owned()),
        (fits.clone().into_bytes(), fits.clone()),
        (format!("{fits}x").into_bytes(), format!("{fits}...")),
        // Cut before they are escaped, so that no escape is cut in two.
        (vec![0xff; 65], format!("{}...", r"\xff".repeat(64))),
    ] {
        let expected = format!(
            "WRONGTYPE the key \"{quoted}\" holds something else: expected a namespace of alkey or no key"
        );
        assert_text(&Error::WrongType(bytes), &expected);
    }
}
