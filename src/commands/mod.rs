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
use crate::protocol::identifier::{IdentifierReader, Member, namespace_of_transaction};
use crate::protocol::limits::PARTS_PER_CALL_MAX;
use crate::protocol::parts::limit;
use smallvec::SmallVec;

/// A transaction's name, and identifiers of its namespace: what RECORD and COMMIT take.
#[derive(Default)]
struct Named<'a> {
    name: &'a [u8],
    namespace: &'a [u8],
    identifiers: SmallVec<[Member<'a>; 16]>,
}

impl<'a> Named<'a> {
    /// Reads the arguments of `command`, which takes at least so many identifiers: in place, since to move this costs
    /// as much as to read one of them.
    #[inline]
    fn read(
        &mut self,
        mut arguments: impl ExactSizeIterator<Item = &'a [u8]>,
        command: &'static str,
        identifiers_min: usize,
    ) -> Result<()> {
        limit(arguments.len(), PARTS_PER_CALL_MAX)?;
        self.name = arguments.next().ok_or(Error::Arity(command))?;
        if arguments.len() < identifiers_min {
            return Err(Error::Arity(command));
        }
        self.namespace = namespace_of_transaction(self.name)?;
        self.identifiers.reserve(arguments.len());
        let mut reader = IdentifierReader::default();
        for argument in arguments {
            let identifier = reader.next(argument)?;
            if !identifier.continues() && identifier.namespace() != self.namespace {
                return Err(Error::OtherNamespace {
                    identifier: argument.to_vec(),
                    namespace: self.namespace.to_vec(),
                });
            }
            self.identifiers.push(identifier.member());
        }
        Ok(())
    }
}
