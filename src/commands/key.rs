//! `ALKEY.KEY part [part ...]`: the cache key of what depends on these parts, for relaxed readers.
//!
//! A part is an identifier or any other value; after an argument `--` every part is a value. The key changes when
//! anything named is committed, and is the same until then. Order matters, repeats count.
//!
//! - Complexity: O(N), N parts.
//! - Reply: bulk string, 64 lower-case hexadecimal characters.
//! - Errors: a part that looks like an identifier and is none. Never for memory.
//! - Replicated: nothing, but that a namespace was created or renewed, or that a lease was over.

use crate::protocol::digest::Mode;
use crate::protocol::error::{Error, Result};
use crate::protocol::parts::Parts;
use crate::protocol::versions::Versions;
use crate::server::call::Call;
use crate::server::counters::Counter;
use crate::server::keyspace;
use crate::server::register::{Argument, Command, Keys, Spec};

pub(crate) struct Key;

impl Command for Key {
    const SPEC: Spec = Spec {
        name: c"alkey.key",
        flags: c"write fast getkeys-api no-mandatory-keys",
        arity: -2,
        keys: Keys::IdentifiersRead,
        categories: "write fast",
        counter: Some(Counter::Keys),
        summary: c"Returns a cache key that changes when what it names does.",
        complexity: c"O(N) where N is the number of parts",
        arguments: &[Argument::one(c"part").key().repeated()],
    };

    fn run(call: &Call) -> Result<()> {
        let mut parts = Parts::default();
        read(call, Self::NAME, &mut parts)?;
        keyspace::judge(call, &parts.namespaces)?;
        let mut versions = Versions::new(&parts);
        for name in &parts.namespaces {
            keyspace::write(call, name, |primary| {
                versions.read(name, primary.namespace, |_, _| ());
                Ok(())
            })?;
        }
        call.bytes(&versions.key(Mode::Relaxed));
        Ok(())
    }
}

/// Reads the parts of a call: at least one.
#[inline]
pub(super) fn read<'a>(call: &Call<'a>, command: &'static str, parts: &mut Parts<'a>) -> Result<()> {
    parts.read(call.arguments())?;
    if parts.parts.is_empty() {
        // All there was is the `--`.
        return Err(Error::Arity(command));
    }
    Ok(())
}
