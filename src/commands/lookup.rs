//! `ALKEY.LOOKUP part [part ...]`: the cache key for strict readers, and for how long it has been settled.
//!
//! The parts are those of KEY, but the key is never equal to the one that KEY gives: a relaxed reader can't fill what
//! a strict one reads. `settled` is a lower bound, in milliseconds, on the time since anything in the key last
//! changed. A reader may use the cache only if it is at least the age of the data that it would store.
//!
//! - Complexity: O(N), N parts.
//! - Reply: map of `key` (bulk string) and `settled` (integer; -1 while anything in the key is in flight or the
//!   namespace is in grace; null if the key depends on nothing). In RESP2 a flat array.
//! - Errors and what is replicated: as for KEY.

use super::key::read;
use crate::protocol::digest::Mode;
use crate::protocol::error::Result;
use crate::protocol::parts::Parts;
use crate::protocol::stamp::Stamp;
use crate::protocol::versions::Versions;
use crate::server::call::Call;
use crate::server::counters::Counter;
use crate::server::keyspace;
use crate::server::register::{Argument, Command, Keys, Spec};

pub(crate) struct Lookup;

/// For how long a key has been settled.
#[derive(Clone, Copy)]
enum Settled {
    /// It depends on nothing.
    Always,
    /// For at least so many milliseconds.
    ForMs(u64),
    /// Something in it may be about to change.
    Not,
}

impl Command for Lookup {
    const SPEC: Spec = Spec {
        name: c"alkey.lookup",
        flags: c"write fast getkeys-api no-mandatory-keys",
        arity: -2,
        keys: Keys::IdentifiersRead,
        categories: "write fast",
        counter: Some(Counter::Lookups),
        summary: c"Returns a cache key for strict readers, and for how long it has been settled.",
        complexity: c"O(N) where N is the number of parts",
        arguments: &[Argument::one(c"part").key().repeated()],
    };

    fn run(call: &Call) -> Result<()> {
        let mut parts = Parts::default();
        read(call, Self::NAME, &mut parts)?;
        keyspace::judge(call, &parts.namespaces)?;
        let mut versions = Versions::new(&parts);
        let mut settled = Settled::Always;
        for name in &parts.namespaces {
            keyspace::write(call, name, |primary| {
                let mut unsettled = primary.unsettled();
                let mut is_unsettled = false;
                let mut newest = Stamp::default();
                versions.read(name, primary.namespace, |identifier, stamp| {
                    is_unsettled |= unsettled.is(identifier);
                    newest = newest.max(stamp);
                });
                settled = match settled {
                    _ if is_unsettled => Settled::Not,
                    Settled::Not => Settled::Not,
                    Settled::Always => Settled::ForMs(primary.settled_ms(newest)),
                    Settled::ForMs(ms) => Settled::ForMs(ms.min(primary.settled_ms(newest))),
                };
                Ok(())
            })?;
        }
        call.map(2);
        call.bytes(b"key");
        call.bytes(&versions.key(Mode::Strict));
        call.bytes(b"settled");
        match settled {
            Settled::Always => call.null(),
            Settled::ForMs(ms) => call.milliseconds(ms),
            Settled::Not => call.integer(-1),
        }
        Ok(())
    }
}
