//! Identifiers: bytes are one exactly if the grammar says so, and the names of transactions likewise.

use super::{changed, changes};
use crate::protocol::error::Error;
use crate::protocol::identifier::{
    Identifier, Member, Target, looks_like_identifier, namespace_of_transaction,
};
use crate::protocol::limits::NAME_BYTES_MAX;
use proptest::collection::vec;
use proptest::prelude::*;

/// Pieces that identifiers are made of, sound ones and others, and changes to what they make.
pub(super) fn nearly_an_identifier() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec!["alkey", "alkey:", "alkey{", "{", "}", "}:", ":", "#", "*", "#*", "*#*", "--"])
            .prop_map(|piece| piece.as_bytes().to_vec()),
        2 => prop::sample::select(vec!["users", "1", "tx", "%s%n", "\0", "\u{ff}"])
            .prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..4),
    ];
    let sound = prop::sample::select(vec![
        "alkey:users#1",
        "alkey:users#*",
        "alkey:*#*",
        "alkey{shop}:users#1",
        "alkey{shop}:*#*",
        "alkey:tx:1",
        // Nearly so.
        "alkey{}:users#1",
        "alkey:users#",
        "alkey:#1",
        "alkey:*#1",
    ]);
    let base = prop_oneof![
        2 => vec(piece, 0..9).prop_map(|pieces| pieces.concat()),
        2 => sound.prop_map(|sound| sound.as_bytes().to_vec()),
        1 => (NAME_BYTES_MAX - 15..NAME_BYTES_MAX + 3)
            .prop_map(|length| [b"alkey:users#".as_slice(), &vec![b'x'; length - 12]].concat()),
    ];
    (base, changes()).prop_map(|(base, changes)| changed(base, &changes))
}

/// The namespace, table and row of an identifier, by the grammar, one byte after the other.
fn grammar(bytes: &[u8]) -> Option<(usize, &[u8], &[u8])> {
    let mut at = 0;
    let expect = |text: &[u8], at: &mut usize| -> bool {
        let found = bytes.len() >= *at + text.len() && &bytes[*at..*at + text.len()] == text;
        *at += if found { text.len() } else { 0 };
        found
    };
    if !expect(b"alkey", &mut at) {
        return None;
    }
    if expect(b"{", &mut at) {
        let tag = at;
        while at < bytes.len() && bytes[at] != b'}' {
            at += 1;
        }
        if at == tag || !expect(b"}", &mut at) {
            return None;
        }
    }
    let namespace = at;
    if !expect(b":", &mut at) {
        return None;
    }
    let table = at;
    while at < bytes.len() && bytes[at] != b'#' {
        at += 1;
    }
    let end_of_table = at;
    if end_of_table == table || !expect(b"#", &mut at) {
        return None;
    }
    let (table, row) = (&bytes[table..end_of_table], &bytes[at..]);
    let is_sound = !row.is_empty() && (table != b"*" || row == b"*");
    is_sound.then_some((namespace, table, row))
}

proptest! {
    #[test]
    fn what_is_an_identifier_is_what_the_grammar_says(bytes in nearly_an_identifier()) {
        let parsed = Identifier::parse(&bytes);
        if bytes.len() > NAME_BYTES_MAX {
            prop_assert_eq!(parsed, Err(Error::TooLong(bytes.len())));
            return Ok(());
        }
        let Some((length, table, row)) = grammar(&bytes) else {
            prop_assert_eq!(parsed, Err(Error::Malformed(bytes.clone())));
            return Ok(());
        };
        let parsed = parsed.unwrap();
        let expected = match (table, row) {
            (b"*", b"*") => Target::Everything,
            (table, b"*") => Target::Table { table },
            (table, row) => Target::Row { table, row },
        };
        prop_assert!(looks_like_identifier(&bytes));
        prop_assert_eq!(parsed.namespace(), &bytes[..length]);
        prop_assert_eq!(parsed.target(), expected);
        prop_assert_eq!(parsed.bytes(), &bytes);
        prop_assert_eq!(parsed.member().target(), expected);
        prop_assert_eq!(Member::parse(parsed.member().bytes), Some(parsed.member()));
        prop_assert!(expected.overlaps(expected) && expected.overlaps(Target::Everything));
    }

    #[test]
    fn every_name_of_a_transaction_has_a_namespace(bytes in nearly_an_identifier()) {
        let expected = match bytes.len() {
            0 => Err(Error::EmptyName),
            1..=NAME_BYTES_MAX => {
                // It begins with a namespace and a colon, as what follows it is anything.
                let completed = [&bytes, b"t#1".as_slice()].concat();
                let begins = (1..=bytes.len())
                    .find(|end| bytes[end - 1] == b':' && grammar(&[&completed[..*end], b"t#1"].concat())
                        .is_some_and(|(length, table, _)| length == end - 1 && table == b"t"));
                Ok(begins.map_or(b"alkey".as_slice(), |end| &bytes[..end - 1]))
            }
            length => Err(Error::TooLong(length)),
        };
        prop_assert_eq!(namespace_of_transaction(&bytes), expected);
    }
}
