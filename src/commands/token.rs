//! `ALKEY.TOKEN id`: the token of one identifier, for people: it changes when the identifier's key does.
//!
//! - Complexity: O(1).
//! - Reply: bulk string, a UUID; null where KEY_RO is null.
//! - Errors: a malformed identifier.
//! - Replicated: nothing; it never writes.

use crate::protocol::digest::token;
use crate::protocol::error::Result;
use crate::protocol::identifier::Identifier;
use crate::server::call::Call;
use crate::server::keyspace;
use crate::server::register::{Argument, Command, Keys, Spec};

pub(crate) struct Token;

impl Command for Token {
    const SPEC: Spec = Spec {
        name: c"alkey.token",
        flags: c"readonly fast",
        arity: 2,
        keys: Keys::FirstRead,
        categories: "read fast",
        counter: None,
        summary: c"Returns the token of an identifier, which changes when its keys do.",
        complexity: c"O(1)",
        arguments: &[Argument::one(c"identifier").key()],
    };

    fn run(call: &Call) -> Result<()> {
        let [argument] = call.exactly(Self::NAME)?;
        let identifier = Identifier::parse(argument)?;
        let token = keyspace::read(call, identifier.namespace(), |namespace, _| {
            token(namespace.epoch(), namespace.version(identifier.target()))
        })?;
        match token {
            Some(token) => call.bytes(token.hyphenated().encode_lower(&mut [0; 36]).as_bytes()),
            None => call.null(),
        }
        Ok(())
    }
}
