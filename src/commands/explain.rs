//! `ALKEY.EXPLAIN part [part ...]`: for people: what a key of these parts hangs on.
//!
//! - Complexity: O(N * M), N parts, M identifiers in flight.
//! - Reply: array with a map for each part; in RESP2 each map is a flat array:
//!   - `part`: as it was given;
//!   - `kind`: `row`, `table`, `namespace` or `value`;
//!   - `version`: integer; null for a value, and where TOKEN is null;
//!   - `age-ms`: integer, since the version was given; null where there is none;
//!   - `set-by`: what gave the version: `row` (a commit of it), `table` or `namespace` (a commit of anything in it),
//!     `table-sweep` or `namespace-sweep` (a commit of all of it), `floor` (too many rows), `epoch` (not written since
//!     it began); null where there is none;
//!   - `in-flight`: array of the transactions that hold it.
//! - Errors: as for KEY; more than 16 parts.
//! - Replicated: nothing; it never writes.

use super::key::read;
use crate::protocol::error::Result;
use crate::protocol::identifier::{Identifier, Target};
use crate::protocol::limits::PARTS_EXPLAINED_MAX;
use crate::protocol::namespace::Cause;
use crate::protocol::parts::{Part, Parts, limit};
use crate::protocol::stamp::Stamp;
use crate::server::call::Call;
use crate::server::keyspace;
use crate::server::register::{Argument, Command, Keys, Spec};
use std::sync::Arc;

pub(crate) struct Explain;

impl Command for Explain {
    const SPEC: Spec = Spec {
        name: c"alkey.explain",
        flags: c"readonly getkeys-api no-mandatory-keys",
        arity: -2,
        keys: Keys::IdentifiersRead,
        categories: "read slow",
        counter: None,
        summary: c"Tells what a cache key hangs on, and what holds it in flight.",
        complexity: c"O(N*M) where N is the number of parts and M that of the identifiers in flight",
        arguments: &[Argument::one(c"part").key().repeated()],
    };

    fn run(call: &Call) -> Result<()> {
        limit(call.arguments().len(), PARTS_EXPLAINED_MAX)?;
        let mut parts = Parts::default();
        read(call, Self::NAME, &mut parts)?;
        // Everything is found out before the reply begins: an error can't follow half a reply.
        let explained = parts.parts.iter().map(|part| match part {
            Part::Value(value) => {
                Ok(Explained { part: value, kind: "value", version: None, holders: Vec::new() })
            }
            Part::Identifier(identifier) => explain(call, identifier),
        });
        let explained = explained.collect::<Result<Vec<_>>>()?;
        call.array(explained.len());
        for part in &explained {
            part.reply(call);
        }
        Ok(())
    }
}

/// A part, with what its version and its age are and come from.
struct Explained<'a> {
    part: &'a [u8],
    kind: &'static str,
    version: Option<(Stamp, u64, Cause)>,
    holders: Vec<Arc<[u8]>>,
}

fn explain<'a>(call: &Call, identifier: &Identifier<'a>) -> Result<Explained<'a>> {
    let (namespace, target) = (identifier.namespace(), identifier.target());
    let kind = match target {
        Target::Row { .. } => "row",
        Target::Table { .. } => "table",
        Target::Everything => "namespace",
    };
    let version = keyspace::read(call, namespace, |namespace, now| {
        let version = namespace.version(target);
        (version, now.unix_ms.saturating_sub(version.unix_ms()), namespace.cause(target))
    })?;
    let holders = keyspace::on_local(call, namespace, |local| local.flights.holders(identifier.member()))?;
    Ok(Explained { part: identifier.bytes(), kind, version, holders })
}

impl Explained<'_> {
    fn reply(&self, call: &Call) {
        call.map(6);
        call.bytes(b"part");
        call.bytes(self.part);
        call.bytes(b"kind");
        call.bytes(self.kind.as_bytes());
        call.bytes(b"version");
        self.reply_with(call, |(version, _, _)| call.milliseconds(version.to_bits()));
        call.bytes(b"age-ms");
        self.reply_with(call, |(_, age_ms, _)| call.milliseconds(age_ms));
        call.bytes(b"set-by");
        self.reply_with(call, |(_, _, cause)| call.bytes(name(cause).as_bytes()));
        call.bytes(b"in-flight");
        call.array(self.holders.len());
        for holder in &self.holders {
            call.bytes(holder);
        }
    }

    fn reply_with(&self, call: &Call, reply: impl FnOnce((Stamp, u64, Cause))) {
        self.version.map_or_else(|| call.null(), reply);
    }
}

fn name(cause: Cause) -> &'static str {
    match cause {
        Cause::RowCommit => "row",
        Cause::TableCommit => "table",
        Cause::AnyCommit => "namespace",
        Cause::TableSweep => "table-sweep",
        Cause::NamespaceSweep => "namespace-sweep",
        Cause::Floor => "floor",
        Cause::Epoch => "epoch",
    }
}
