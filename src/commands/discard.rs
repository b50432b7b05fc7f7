//! `ALKEY.DISCARD tx`: forgets a transaction; nothing changed.
//!
//! To be called after the database rolled back.
//!
//! - Complexity: O(N), N identifiers recorded.
//! - Reply: integer, how many identifiers were dropped.
//! - Errors: an empty or too long name. Never for memory.
//! - Replicated: nothing.

use crate::protocol::error::Result;
use crate::protocol::identifier::namespace_of_transaction;
use crate::server::call::Call;
use crate::server::counters::Counter;
use crate::server::keyspace;
use crate::server::register::{Argument, Command, Keys, Spec};

pub(crate) struct Discard;

impl Command for Discard {
    const SPEC: Spec = Spec {
        name: c"alkey.discard",
        flags: c"write fast",
        arity: 2,
        keys: Keys::FirstWritten,
        categories: "write fast",
        counter: Some(Counter::Discards),
        summary: c"Forgets a transaction that the database rolled back.",
        complexity: c"O(N) where N is the number of identifiers recorded",
        arguments: &[Argument::one(c"transaction").key()],
    };

    fn run(call: &Call) -> Result<()> {
        let [name] = call.exactly(Self::NAME)?;
        let namespace = namespace_of_transaction(name)?;
        let dropped = keyspace::write(call, namespace, |primary| Ok(primary.discard(name)))?;
        call.count(dropped);
        Ok(())
    }
}
