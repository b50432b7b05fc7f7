//! Identifiers: what a cached value depends on, parsed from the bytes a client sent.
//!
//! ```text
//! identifier = namespace ":" table "#" row
//! namespace  = "alkey" [ "{" 1*(any byte but "}") "}" ]
//! table      = 1*(any byte but "#")        ; "*" alone: every table, and then row must be "*"
//! row        = 1*(any byte)                ; "*" alone: every row. May contain "#"
//! ```
//!
//! Parsing is total: bytes are an identifier, or plainly something else, or an error. Nothing that looks like an
//! identifier is silently taken for a value, since it would be a dependency that never invalidates.

use super::error::{Error, Result};
use super::limits::NAME_BYTES_MAX;

/// The name of every namespace begins with it.
pub(crate) const PREFIX: &[u8] = b"alkey";

/// What an identifier names, within its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// One row, `table#row`.
    Row { table: &'a [u8], row: &'a [u8] },
    /// Any row of a table, `table#*`.
    Table { table: &'a [u8] },
    /// Anything, `*#*`.
    Everything,
}

/// Splits `table#row`, if the two go together.
#[inline]
fn split_target(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (table, row) = split_at_byte(bytes, b'#')?;
    let is_none = table.is_empty() || row.is_empty() || (table == b"*" && row != b"*");
    (!is_none).then_some((table, row))
}

impl Target<'_> {
    /// Whether a commit of one changes the keys of the other.
    pub(crate) fn overlaps(self, other: Target) -> bool {
        match (self, other) {
            (Self::Everything, _) | (_, Target::Everything) => true,
            (Self::Row { table, row }, Target::Row { table: other_table, row: other_row }) => {
                (table, row) == (other_table, other_row)
            }
            (
                Self::Row { table, .. } | Self::Table { table },
                Target::Row { table: other, .. } | Target::Table { table: other },
            ) => table == other,
        }
    }
}

/// An identifier within its namespace: the bytes `table#row`, and where in them its pieces meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) shape: Shape,
}

/// Where the pieces of `table#row` meet, and what they name together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    table_length: u16,
    names: Names,
}

impl<'a> Member<'a> {
    /// Reads `table#row`, if the two go together.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (table, row) = split_target(bytes)?;
        Some(Self { bytes, shape: Shape::of(table, row)? })
    }

    /// Everything in its table.
    pub(crate) fn whole_table(table: &[u8]) -> Vec<u8> {
        [table, b"#*"].concat()
    }

    #[inline]
    pub(crate) fn is_whole_table(&self) -> bool {
        self.shape.names == Names::Table
    }

    #[inline]
    pub(crate) fn is_row(&self) -> bool {
        self.shape.names == Names::Row
    }

    #[inline]
    pub(crate) fn table(&self) -> &'a [u8] {
        self.bytes.get(..self.shape.table_length()).unwrap_or_default()
    }

    /// What it names.
    #[inline]
    pub(crate) fn target(&self) -> Target<'a> {
        let row = self.bytes.get(self.shape.table_length() + 1..).unwrap_or_default();
        self.shape.names.target(self.table(), row)
    }
}

impl Shape {
    fn of(table: &[u8], row: &[u8]) -> Option<Self> {
        let names = match (table, row) {
            (b"*", _) => Names::Everything,
            (_, b"*") => Names::Table,
            _ => Names::Row,
        };
        Some(Self { table_length: u16::try_from(table.len()).ok()?, names })
    }

    #[inline]
    fn table_length(self) -> usize {
        usize::from(self.table_length)
    }
}

/// An identifier, parsed: its bytes, and where in them its pieces meet. Small, since a key holds many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identifier<'a> {
    bytes: &'a [u8],
    namespace_length: u16,
    shape: Shape,
    continues: bool,
}

/// What an identifier names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Row,
    Table,
    Everything,
}

impl Names {
    #[inline]
    fn target<'a>(self, table: &'a [u8], row: &'a [u8]) -> Target<'a> {
        match self {
            Self::Row => Target::Row { table, row },
            Self::Table => Target::Table { table },
            Self::Everything => Target::Everything,
        }
    }
}

impl<'a> Identifier<'a> {
    /// Reads an identifier; anything else is an error.
    #[inline]
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self> {
        if bytes.len() > NAME_BYTES_MAX {
            return Err(Error::TooLong(bytes.len()));
        }
        Self::split(bytes).ok_or_else(|| Error::Malformed(bytes.to_vec()))
    }

    fn split(bytes: &'a [u8]) -> Option<Self> {
        let (namespace, target) = split_namespace(bytes)?;
        let (table, row) = split_target(target)?;
        let namespace_length = u16::try_from(namespace.len()).ok()?;
        Some(Self { bytes, namespace_length, shape: Shape::of(table, row)?, continues: false })
    }

    /// All of it, as it was sent.
    #[inline]
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The namespace, which is also the name of the Redis key that holds its state.
    #[inline]
    pub(crate) fn namespace(&self) -> &'a [u8] {
        self.bytes.get(..usize::from(self.namespace_length)).unwrap_or_default()
    }

    /// The part after the namespace: `table#row`.
    #[inline]
    pub(crate) fn member(&self) -> Member<'a> {
        let bytes = self.bytes.get(usize::from(self.namespace_length) + 1..).unwrap_or_default();
        Member { bytes, shape: self.shape }
    }

    /// Whether it is known to be of the same table as the one before it.
    #[inline]
    pub(crate) fn continues(&self) -> bool {
        self.continues
    }

    #[inline]
    pub(crate) fn table(&self) -> &'a [u8] {
        self.member().table()
    }

    /// What it names.
    #[inline]
    pub(crate) fn target(&self) -> Target<'a> {
        self.member().target()
    }
}

/// Reads many identifiers. Callers mostly name one row of a table after another, and to compare an identifier with the
/// one before it is half the work of searching it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IdentifierReader<'a> {
    /// The last one that did not continue the one before it. None if it names all tables, `*`, which have no rows.
    first: Option<Identifier<'a>>,
    /// All of it up to the row.
    head: &'a [u8],
}

impl<'a> IdentifierReader<'a> {
    /// Reads the next identifier; anything else is an error.
    #[inline]
    pub(crate) fn next(&mut self, bytes: &'a [u8]) -> Result<Identifier<'a>> {
        match self.of_same_table(bytes) {
            Some(identifier) => Ok(identifier),
            None => self.begin(bytes),
        }
    }

    /// Reads an identifier of another table than the one before it.
    #[cold]
    fn begin(&mut self, bytes: &'a [u8]) -> Result<Identifier<'a>> {
        let identifier = Identifier::parse(bytes)?;
        let row_at = usize::from(identifier.namespace_length) + identifier.shape.table_length() + 2;
        self.head = bytes.get(..row_at).unwrap_or_default();
        self.first = Some(identifier).filter(|first| first.shape.names != Names::Everything);
        Ok(identifier)
    }

    /// The identifier that these bytes are if they differ from the first in nothing but the row.
    #[inline]
    fn of_same_table(&self, bytes: &'a [u8]) -> Option<Identifier<'a>> {
        let row = bytes.strip_prefix(self.head)?;
        if row.is_empty() || bytes.len() > NAME_BYTES_MAX {
            return None;
        }
        let names = if row == b"*" { Names::Table } else { Names::Row };
        let first = self.first?;
        Some(Identifier { bytes, shape: Shape { names, ..first.shape }, continues: true, ..first })
    }
}

/// Whether bytes look like an identifier, and so must be one: they start with `alkey:` or `alkey{`.
#[inline]
pub(crate) fn looks_like_identifier(bytes: &[u8]) -> bool {
    matches!(bytes.strip_prefix(PREFIX), Some([b':' | b'{', ..]))
}

/// Splits what starts with a namespace and a colon into the namespace and what follows the colon.
#[inline]
fn split_namespace(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let name_length = match bytes.strip_prefix(PREFIX)? {
        [b':', ..] => PREFIX.len(),
        [b'{', tagged @ ..] => {
            let tag_length = memchr::memchr(b'}', tagged)?;
            if tag_length == 0 {
                return None;
            }
            PREFIX.len() + tag_length + 2
        }
        _ => return None,
    };
    let (namespace, rest) = bytes.split_at_checked(name_length)?;
    Some((namespace, rest.strip_prefix(b":")?))
}

/// The namespace of a transaction: the one that its name begins with, `alkey` for any other name.
pub(crate) fn namespace_of_transaction(name: &[u8]) -> Result<&[u8]> {
    match name.len() {
        0 => Err(Error::EmptyName),
        1..=NAME_BYTES_MAX => Ok(split_namespace(name).map_or(PREFIX, |(namespace, _)| namespace)),
        length => Err(Error::TooLong(length)),
    }
}

/// In cluster mode a namespace needs a hash tag: the key that holds its state, `alkey{tag}`, is then in the slot
/// of every identifier and transaction that a client names. Newer servers silently lose a write elsewhere.
pub(crate) fn require_hash_tag(namespace: &[u8], given: &[u8]) -> Result<()> {
    if namespace.len() > PREFIX.len() { Ok(()) } else { Err(Error::NoHashTag(given.to_vec())) }
}

#[inline]
fn split_at_byte(bytes: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let (head, tail) = bytes.split_at_checked(memchr::memchr(byte, bytes)?)?;
    Some((head, tail.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row<'a>(table: &'a [u8], row: &'a [u8]) -> Target<'a> {
        Target::Row { table, row }
    }

    #[test]
    fn what_is_an_identifier() {
        let cases: &[(&[u8], &[u8], Target)] = &[
            (b"alkey:users#1", b"alkey", row(b"users", b"1")),
            (b"alkey:users#*", b"alkey", Target::Table { table: b"users" }),
            (b"alkey:*#*", b"alkey", Target::Everything),
            (b"alkey{shop}:users#1", b"alkey{shop}", row(b"users", b"1")),
            (b"alkey{shop}:*#*", b"alkey{shop}", Target::Everything),
            (b"alkey{:}:users#1", b"alkey{:}", row(b"users", b"1")),
            (b"alkey{{}:users#1", b"alkey{{}", row(b"users", b"1")),
            (b"alkey:users#a#b", b"alkey", row(b"users", b"a#b")),
            (b"alkey:users##", b"alkey", row(b"users", b"#")),
            (b"alkey:users#**", b"alkey", row(b"users", b"**")),
            (b"alkey:**#1", b"alkey", row(b"**", b"1")),
            (b"alkey:public.users-2#-5", b"alkey", row(b"public.users-2", b"-5")),
            (b"alkey::#1", b"alkey", row(b":", b"1")),
            (b"alkey:a\0b#\xff\0", b"alkey", row(b"a\0b", b"\xff\0")),
        ];
        for (bytes, namespace, target) in cases {
            let parsed = Identifier::parse(bytes).unwrap();
            assert_eq!(
                (parsed.namespace(), parsed.target()),
                (*namespace, *target),
                "{}",
                bytes.escape_ascii()
            );
            assert!(looks_like_identifier(bytes));
        }
    }

    #[test]
    fn what_looks_like_one_and_is_none() {
        let cases: &[&[u8]] = &[
            b"alkey:",
            b"alkey:users",
            b"alkey:#1",
            b"alkey:users#",
            b"alkey:*#7",
            b"alkey:#",
            b"alkey{",
            b"alkey{}",
            b"alkey{}:users#1",
            b"alkey{shop:users#1",
            b"alkey{shop}users#1",
            b"alkey{shop}",
            b"alkey{shop}:",
            b"alkey{shop}:users",
            b"alkey{shop}:*#1",
        ];
        for bytes in cases {
            assert_eq!(
                Identifier::parse(bytes),
                Err(Error::Malformed(bytes.to_vec())),
                "{}",
                bytes.escape_ascii()
            );
            assert!(looks_like_identifier(bytes));
        }
    }

    #[test]
    fn what_is_plainly_a_value() {
        for bytes in
            [b"".as_slice(), b"alkey", b"alkeys:users#1", b"Alkey:users#1", b" alkey:users#1", b"users#1"]
        {
            assert!(!looks_like_identifier(bytes));
            assert!(matches!(Identifier::parse(bytes), Err(Error::Malformed(_))));
        }
    }

    #[test]
    fn the_longest_identifier_and_one_byte_more() {
        let mut bytes = b"alkey:users#".to_vec();
        bytes.resize(NAME_BYTES_MAX, b'x');
        assert!(Identifier::parse(&bytes).is_ok());
        bytes.push(b'x');
        assert_eq!(Identifier::parse(&bytes), Err(Error::TooLong(NAME_BYTES_MAX + 1)));
    }

    #[test]
    fn the_namespace_of_a_transaction() {
        let cases: &[(&[u8], &[u8])] = &[
            (b"alkey:tx:1", b"alkey"),
            (b"alkey{shop}:tx:1", b"alkey{shop}"),
            (b"alkey{}:tx:1", b"alkey"),
            (b"alkey{shop", b"alkey"),
            (b"alkey{shop}", b"alkey"),
            (b"anything", b"alkey"),
        ];
        for (name, namespace) in cases {
            assert_eq!(namespace_of_transaction(name), Ok(*namespace), "{}", name.escape_ascii());
        }
        assert_eq!(namespace_of_transaction(b""), Err(Error::EmptyName));
        assert_eq!(namespace_of_transaction(&[b'x'; 5000]), Err(Error::TooLong(5000)));
    }

    proptest! {
        #[test]
        fn an_identifier_is_its_pieces(
            tag in proptest::option::of(proptest::collection::vec(any::<u8>().prop_filter("no brace", |b| *b != b'}'), 1..5)),
            table in proptest::collection::vec(any::<u8>().prop_filter("no hash", |b| *b != b'#'), 1..9),
            row in proptest::collection::vec(any::<u8>(), 1..9),
        ) {
            let namespace = tag.map_or(PREFIX.to_vec(), |tag| [b"alkey{", tag.as_slice(), b"}"].concat());
            let bytes = [&namespace, b":".as_slice(), &table, b"#", &row].concat();
            let expected = match (table.as_slice(), row.as_slice()) {
                (b"*", b"*") => Some(Target::Everything),
                (b"*", _) => None,
                (table, b"*") => Some(Target::Table { table }),
                (table, row) => Some(Target::Row { table, row }),
            };
            match (Identifier::parse(&bytes), expected) {
                (Ok(parsed), Some(target)) => {
                    prop_assert_eq!(parsed.namespace(), namespace);
                    prop_assert_eq!(parsed.target(), target);
                    prop_assert_eq!(parsed.member().target(), target);
                    prop_assert_eq!(Member::parse(parsed.member().bytes), Some(parsed.member()));
                }
                (Err(Error::Malformed(_)), None) => {}
                (parsed, expected) => prop_assert!(false, "{parsed:?}, expected {expected:?}"),
            }
        }

        #[test]
        fn any_bytes_are_parsed_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Identifier::parse(&bytes);
            let _ = namespace_of_transaction(&bytes);
        }
    }
}
