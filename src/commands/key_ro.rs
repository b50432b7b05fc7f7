//! `ALKEY.KEY_RO part [part ...]`: KEY for replicas and read-only scripts.
//!
//! It never writes: it creates and renews nothing, and ends no lease that is over. A client that tracks what it reads
//! (`CLIENT TRACKING`) is told when an identifier named here is committed by name.
//!
//! - Complexity: O(N), N parts.
//! - Reply: bulk string, the key that KEY gives; null where a namespace doesn't exist, or on a primary where KEY would
//!   first give it a new epoch or commit for a writer whose lease is over.
//! - Errors: as for KEY.
//! - Replicated: nothing.

use super::key::read;
use crate::protocol::digest::Mode;
use crate::protocol::error::Result;
use crate::protocol::parts::Parts;
use crate::protocol::versions::Versions;
use crate::server::call::Call;
use crate::server::counters::Counter;
use crate::server::keyspace;
use crate::server::register::{Argument, Command, Keys, Spec};

pub(crate) struct KeyRo;

impl Command for KeyRo {
    const SPEC: Spec = Spec {
        name: c"alkey.key_ro",
        flags: c"readonly fast getkeys-api no-mandatory-keys",
        arity: -2,
        keys: Keys::IdentifiersRead,
        categories: "read fast",
        counter: Some(Counter::Keys),
        summary: c"Returns a cache key without writing anything, for replicas and read-only scripts.",
        complexity: c"O(N) where N is the number of parts",
        arguments: &[Argument::one(c"part").key().repeated()],
    };

    fn run(call: &Call) -> Result<()> {
        let mut parts = Parts::default();
        read(call, Self::NAME, &mut parts)?;
        let mut versions = Versions::new(&parts);
        let mut is_known = true;
        // All of them are looked at, so that a wrong one is an error wherever it stands.
        for name in &parts.namespaces {
            is_known &= keyspace::read(call, name, |namespace, _| versions.read(name, namespace, |_, _| ()))?
                .is_some();
        }
        if is_known {
            call.bytes(&versions.key(Mode::Relaxed));
        } else {
            call.null();
        }
        Ok(())
    }
}
