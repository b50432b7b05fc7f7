//! `ALKEY.APPLY namespace effect`: does what was done on a primary. Internal: only replication, append-only files
//! and the import of slots may call it.
//!
//! What changed on a primary is told as its effect and never judged again: stamps, epochs and floors are those that
//! the primary chose. State that came this way counts as from elsewhere, since the last effects may be missing.
//!
//! - Complexity: O(N), N rows in the effect.
//! - Reply: OK.
//! - Errors: a client called it; an effect that can't be read.
//! - Replicated: as it is.

use crate::protocol::error::Result;
use crate::server::announce::APPLY;
use crate::server::call::Call;
use crate::server::keyspace;
use crate::server::register::{Argument, Command, Keys, Spec};

pub(crate) struct Apply;

impl Command for Apply {
    const SPEC: Spec = Spec {
        name: APPLY,
        flags: c"write fast",
        arity: 3,
        keys: Keys::FirstWritten,
        categories: "write fast",
        counter: None,
        summary: c"Internal: applies an effect that was replicated or logged.",
        complexity: c"O(N) where N is the number of rows in the effect",
        arguments: &[Argument::one(c"namespace").key(), Argument::one(c"effect")],
    };

    fn run(call: &Call) -> Result<()> {
        let [namespace, effect] = call.exactly(Self::NAME)?;
        keyspace::apply(call, namespace, effect)?;
        call.ok();
        Ok(())
    }
}
