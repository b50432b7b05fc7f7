//! Every error that alkey answers, in one place.
//!
//! They come from three sides. Most are a caller's mistakes: the text says which argument was wrong and what was
//! expected, so that whoever reads it in an application's log can mend the call. Some are the operator's: a key
//! of another type, a limit. A few can't be reached by a client at all and say that alkey itself is wrong.
//! An error is answered before anything has changed.

use super::limits::{NAME_BYTES_MAX, NAMESPACES_PER_CALL_MAX, TRANSACTIONS_OPEN_MAX};
use std::borrow::Cow;

/// Why a command was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// The wrong number of arguments for the command named.
    Arity(&'static str),
    /// An argument of KEY that looks like an identifier and is none, or an identifier wanted and none given.
    Malformed(Vec<u8>),
    /// An identifier, transaction name or namespace of too many bytes.
    TooLong(usize),
    /// An empty transaction name.
    EmptyName,
    /// Too many arguments in one call, and how many it takes.
    TooManyParts { count: usize, max: usize },
    /// Identifiers of too many namespaces in one call.
    TooManyNamespaces,
    /// An identifier of another namespace than its transaction's.
    OtherNamespace { identifier: Vec<u8>, namespace: Vec<u8> },
    /// In cluster mode: a namespace without a hash tag.
    NoHashTag(Vec<u8>),
    /// In cluster mode: the namespace's slot is on its way here, and its state may come yet.
    NotHereYet(Vec<u8>),
    /// The namespace's key holds something else.
    WrongType(Vec<u8>),
    /// Too many transactions in flight.
    TooManyTransactions,
    /// A write command on a replica, whatever `replica-read-only` says.
    Replica,
    /// A client called a command that only replication and the append-only file may.
    Internal(&'static str),
    /// A dump, or a replicated effect, that can't be read.
    Corrupt(&'static str),
    /// A handler panicked: a defect of alkey's, with the command it was in.
    Defect(&'static str),
}

/// Longest piece of a caller's bytes that an error repeats.
const QUOTED_BYTES_MAX: usize = 64;

/// A caller's bytes as they may stand in an error: printable, on one line, not too long.
fn quoted(bytes: &[u8]) -> String {
    let cut = bytes.split_at_checked(QUOTED_BYTES_MAX).filter(|(_, rest)| !rest.is_empty());
    let (head, ellipsis) = cut.map_or((bytes, ""), |(head, _)| (head, "..."));
    format!("\"{}{ellipsis}\"", head.escape_ascii())
}

impl Error {
    /// The reply: a code that clients switch on, a space, one sentence.
    pub(crate) fn text(&self) -> Cow<'static, str> {
        match self {
            Self::Arity(command) => format!("ERR wrong number of arguments for '{command}' command").into(),
            Self::Malformed(bytes) => format!(
                "ERR {} is not an identifier: expected alkey:TABLE#ROW, alkey:TABLE#*, alkey:*#*, or the same \
                 with a tag as in alkey{{TAG}}:TABLE#ROW",
                quoted(bytes)
            )
            .into(),
            Self::TooLong(length) => {
                format!("ERR a name of {length} bytes is too long: expected at most {NAME_BYTES_MAX}").into()
            }
            Self::EmptyName => {
                "ERR the transaction has no name: expected a unique one, such as alkey:tx:UUID".into()
            }
            Self::TooManyParts { count, max } => format!(
                "ERR {count} arguments are too many for one call: expected at most {max}"
            )
            .into(),
            Self::TooManyNamespaces => format!(
                "ERR identifiers of too many namespaces in one call: expected at most {NAMESPACES_PER_CALL_MAX}"
            )
            .into(),
            Self::OtherNamespace { identifier, namespace } => format!(
                "ERR {} is not in the transaction's namespace: expected an identifier that begins with {}",
                quoted(identifier),
                quoted(&[namespace, b":".as_slice()].concat())
            )
            .into(),
            Self::NoHashTag(name) => format!(
                "ERR {} has no hash tag: in cluster mode expected one right after alkey, as in \
                 alkey{{TAG}}:TABLE#ROW",
                quoted(name)
            )
            .into(),
            Self::NotHereYet(namespace) => format!(
                "TRYAGAIN the slot of {} is moving: expected a node that owns it",
                quoted(namespace)
            )
            .into(),
            Self::WrongType(key) => format!(
                "WRONGTYPE the key {} holds something else: expected a namespace of alkey or no key",
                quoted(key)
            )
            .into(),
            Self::TooManyTransactions => format!(
                "ERR too many transactions are in flight: expected at most {TRANSACTIONS_OPEN_MAX} in a namespace"
            )
            .into(),
            Self::Replica => "READONLY You can't write against a replica: alkey expected the primary".into(),
            Self::Internal(command) => format!(
                "ERR {command} is internal: expected only from a primary or an append-only file"
            )
            .into(),
            Self::Corrupt(what) => format!("ERR the data of an alkey namespace is corrupt: {what}").into(),
            Self::Defect(command) => {
                format!("ERR a defect in alkey stopped {command}: expected a report with the server's log").into()
            }
        }
    }
}

/// What a protocol function answers.
pub(crate) type Result<T> = core::result::Result<T, Error>;
