//! `ALKEY.TOUCH id [id ...]`: a commit without a transaction, for scripts, triggers and change feeds.
//!
//! - Complexity: O(N), N identifiers.
//! - Reply: integer, how many different identifiers were touched.
//! - Errors: a malformed identifier, identifiers of too many namespaces.
//! - Replicated: as `ALKEY.APPLY`, with the stamp given.

use crate::protocol::error::Result;
use crate::protocol::identifier::IdentifierReader;
use crate::protocol::parts::{Part, Parts};
use crate::server::call::Call;
use crate::server::counters::Counter;
use crate::server::keyspace;
use crate::server::register::{Argument, Command, Keys, Spec};

pub(crate) struct Touch;

impl Command for Touch {
    const SPEC: Spec = Spec {
        name: c"alkey.touch",
        flags: c"write fast",
        arity: -2,
        keys: Keys::AllWritten,
        categories: "write fast",
        counter: Some(Counter::Touches),
        summary: c"Changes the keys of identifiers without a transaction.",
        complexity: c"O(N) where N is the number of identifiers",
        arguments: &[Argument::one(c"identifier").key().repeated()],
    };

    fn run(call: &Call) -> Result<()> {
        // Whatever is no identifier is an error here.
        let mut reader = IdentifierReader::default();
        call.arguments().try_for_each(|argument| reader.next(argument).map(drop))?;
        let parts = Parts::parse(call.arguments())?;
        keyspace::judge(call, &parts.namespaces)?;
        let mut touched = 0;
        for namespace in &parts.namespaces {
            let identifiers = parts.parts.iter().filter_map(|part| match part {
                Part::Identifier(identifier) if identifier.namespace() == *namespace => {
                    Some(identifier.member())
                }
                _ => None,
            });
            touched += keyspace::write(call, namespace, |primary| Ok(primary.touch(identifiers)))?;
        }
        call.count(touched);
        Ok(())
    }
}
