//! One file per command: arguments in, protocol call, reply out.
//!
//! Each opens with its syntax, complexity, replies, errors and what it replicates. A handler judges all its
//! arguments before anything changes.

pub(crate) mod apply;
pub(crate) mod commit;
pub(crate) mod discard;
pub(crate) mod explain;
pub(crate) mod help;
pub(crate) mod key;
pub(crate) mod key_ro;
pub(crate) mod lookup;
pub(crate) mod pending;
pub(crate) mod record;
pub(crate) mod token;
pub(crate) mod touch;

use crate::protocol::error::{Error, Result};
use crate::protocol::identifier::{Identifier, namespace_of_transaction};
use crate::protocol::limits::PARTS_PER_CALL_MAX;
use crate::protocol::parts::limit;
use smallvec::SmallVec;

/// A transaction's name, and identifiers of its namespace as `table#row`: what RECORD and COMMIT take.
struct Named<'a> {
    name: &'a [u8],
    namespace: &'a [u8],
    identifiers: SmallVec<[&'a [u8]; 16]>,
}

impl<'a> Named<'a> {
    /// Reads the arguments of `command`, which takes at least so many identifiers.
    fn parse(
        mut arguments: impl ExactSizeIterator<Item = &'a [u8]>,
        command: &'static str,
        identifiers_min: usize,
    ) -> Result<Self> {
        limit(arguments.len(), PARTS_PER_CALL_MAX)?;
        let name = arguments.next().ok_or(Error::Arity(command))?;
        if arguments.len() < identifiers_min {
            return Err(Error::Arity(command));
        }
        let namespace = namespace_of_transaction(name)?;
        let identifiers = arguments.map(|argument| {
            let identifier = Identifier::parse(argument)?;
            if identifier.namespace() != namespace {
                return Err(Error::OtherNamespace {
                    identifier: argument.to_vec(),
                    namespace: namespace.to_vec(),
                });
            }
            Ok(identifier.target_bytes())
        });
        Ok(Self { name, namespace, identifiers: identifiers.collect::<Result<_>>()? })
    }
}
