//! `ALKEY.COMMIT tx [id ...]`: everything recorded under a transaction's name changed.
//!
//! To be called after the database committed. What was recorded under `tx`, and the identifiers given here, get one
//! fresh stamp, and with it new keys; the flight ends. It can be repeated, and with the identifiers given it doesn't
//! depend on what the server remembers.
//!
//! - Complexity: O(N), N identifiers recorded and given.
//! - Reply: integer, how many identifiers were committed; 0 if nothing was known under this name.
//! - Errors: a malformed identifier, one of another namespace than the transaction's. Never for memory.
//! - Replicated: as `ALKEY.APPLY`, with the stamp given.

use super::Named;
use crate::protocol::error::Result;
use crate::server::call::Call;
use crate::server::counters::Counter;
use crate::server::keyspace;
use crate::server::register::{Argument, Command, Keys, Spec};

pub(crate) struct Commit;

impl Command for Commit {
    const SPEC: Spec = Spec {
        name: c"alkey.commit",
        flags: c"write fast",
        arity: -2,
        keys: Keys::AllWritten,
        categories: "write fast",
        counter: Some(Counter::Commits),
        summary: c"Changes the keys of what a transaction recorded, after the database committed it.",
        complexity: c"O(N) where N is the number of identifiers recorded and given",
        arguments: &[
            Argument::one(c"transaction").key(),
            Argument::one(c"identifier").key().optional().repeated(),
        ],
    };

    fn run(call: &Call) -> Result<()> {
        let mut named = Named::default();
        named.read(call.arguments(), Self::NAME, 0)?;
        let identifiers = named.identifiers.iter().copied();
        let committed =
            keyspace::write(call, named.namespace, |primary| Ok(primary.commit(named.name, identifiers)))?;
        call.count(committed);
        Ok(())
    }
}
