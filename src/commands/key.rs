//! `ALKEY.KEY part [part ...]`: the cache key of what depends on these parts, for relaxed readers.
//!
//! A part is an identifier or any other value; after an argument `--` every part is a value. The key changes when
//! anything named is committed, and is the same until then. Order matters, repeats count.
//!
//! - Complexity: O(N), N parts.
//! - Reply: bulk string, 64 lower-case hexadecimal characters.
//! - Errors: a part that looks like an identifier and is none. Never for memory.
//! - Replicated: nothing, but that a namespace was created or renewed, or that a lease was over.

use crate::protocol::digest::{Key as KeyText, KeyHasher, Mode};
use crate::protocol::epoch::Epoch;
use crate::protocol::error::{Error, Result};
use crate::protocol::identifier::Target;
use crate::protocol::parts::{PARTS_USUAL, Part, Parts};
use crate::protocol::primary::Primary;
use crate::protocol::stamp::Stamp;
use crate::server::call::Call;
use crate::server::keyspace;
use crate::server::register::{Argument, Command, Keys, Spec};
use smallvec::SmallVec;

pub(crate) struct Key;

impl Command for Key {
    const SPEC: Spec = Spec {
        name: c"alkey.key",
        flags: c"write fast getkeys-api",
        arity: -2,
        keys: Keys::IdentifiersRead,
        summary: c"Returns a cache key that changes when what it names does.",
        complexity: c"O(N) where N is the number of parts",
        arguments: &[Argument::one(c"part").key().repeated()],
    };

    fn run(call: &Call) -> Result<()> {
        let key = make(call, Self::NAME, Mode::Relaxed, |_, _, _| ())?;
        call.bytes(&key);
        Ok(())
    }
}

/// Makes the key of a call's parts, and shows each identifier's target and version to `seen`.
pub(super) fn make(
    call: &Call,
    command: &'static str,
    mode: Mode,
    mut seen: impl FnMut(&Primary, Target, Stamp),
) -> Result<KeyText> {
    let Parts { parts, namespaces } = Parts::parse(call.arguments())?;
    if parts.is_empty() {
        return Err(Error::Arity(command));
    }
    keyspace::judge(call, &namespaces)?;
    // Versions are collected first, since a key may span namespaces in any order.
    let mut versions: SmallVec<[Stamp; PARTS_USUAL]> = SmallVec::from_elem(Stamp::default(), parts.len());
    let mut epochs: SmallVec<[(&[u8], Epoch); 1]> = SmallVec::new();
    for namespace in namespaces {
        keyspace::write(call, namespace, |primary| {
            epochs.push((namespace, *primary.namespace.epoch()));
            for (part, version) in parts.iter().zip(&mut versions) {
                if let Part::Identifier(identifier) = part
                    && identifier.namespace == namespace
                {
                    *version = primary.namespace.version(identifier.target);
                    seen(primary, identifier.target, *version);
                }
            }
            Ok(())
        })?;
    }
    let mut hasher = KeyHasher::new(mode);
    // A namespace's epoch stands before its first identifier; the namespaces are in the order of theirs.
    let mut epochs = epochs.into_iter().peekable();
    for (part, version) in parts.iter().zip(&versions) {
        match part {
            Part::Value(value) => hasher.value(value),
            Part::Identifier(identifier) => {
                if let Some((_, epoch)) = epochs.next_if(|(namespace, _)| *namespace == identifier.namespace)
                {
                    hasher.epoch(&epoch);
                }
                hasher.identifier(identifier.bytes, *version);
            }
        }
    }
    Ok(hasher.finish())
}
