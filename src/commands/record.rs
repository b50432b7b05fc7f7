//! `ALKEY.RECORD tx id [id ...]`: puts identifiers in flight under a transaction's name.
//!
//! To be called before the database commits. What is in flight is not settled: strict readers wait. The lease of
//! those named begins anew; recording again adds. Past `alkey.sweep-threshold` identifiers of one transaction,
//! further rows are recorded as their tables.
//!
//! - Complexity: O(N), N identifiers.
//! - Reply: integer, how many were not in flight under this name yet.
//! - Errors: a malformed identifier, one of another namespace than the transaction's, too many transactions.
//! - Replicated: nothing, but that a namespace was created, renewed, or given a longer lease than before.

use super::Named;
use crate::protocol::error::Result;
use crate::server::call::Call;
use crate::server::counters::Counter;
use crate::server::keyspace;
use crate::server::register::{Argument, Command, Keys, Spec};

pub(crate) struct Record;

impl Command for Record {
    const SPEC: Spec = Spec {
        name: c"alkey.record",
        // The one command that may be refused for memory: to go on without it is the writer's decision.
        flags: c"write deny-oom fast",
        arity: -3,
        keys: Keys::AllWritten,
        categories: "write fast",
        counter: Some(Counter::Records),
        summary: c"Puts identifiers in flight under a transaction, before the database commits it.",
        complexity: c"O(N) where N is the number of identifiers",
        arguments: &[Argument::one(c"transaction").key(), Argument::one(c"identifier").key().repeated()],
    };

    fn run(call: &Call) -> Result<()> {
        let mut named = Named::default();
        named.read(call.arguments(), Self::NAME, 1)?;
        let identifiers = named.identifiers.iter().copied();
        let new = keyspace::write(call, named.namespace, |primary| primary.record(named.name, identifiers))?;
        call.count(new);
        Ok(())
    }
}
