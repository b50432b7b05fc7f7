//! Who is told of what a command came to: replicas and the append-only file, of the effect; transactions that watch,
//! clients that track and subscribers to keyspace events, of each identifier whose keys changed.

use super::api;
use super::call::Call;
use super::keys::{KeyName, Names, SentName};
use crate::protocol::effect::Effect;
use crate::protocol::identifier::Target;
use crate::protocol::identifier_set::IdentifierSet;
use crate::protocol::limits::SIGNALS_PER_COMMIT_MAX;
use crate::protocol::outcome::Outcome;
use smallvec::SmallVec;
use std::ffi::CStr;

/// The one internal command: see [`crate::commands::apply`].
pub(crate) const APPLY: &CStr = c"alkey.apply";

/// The keys of an identifier, or of everything in a namespace, changed.
const COMMITTED: &CStr = c"alkey.commit";
/// A namespace is in a new epoch: all its keys changed.
const NEW_EPOCH: &CStr = c"alkey.epoch";
/// A replica, or a server that loads an append-only file, was told of a change.
const APPLIED: &CStr = c"alkey.apply";

/// Tells everybody of what a client's command came to.
pub(super) fn announce(call: &Call, names: &Names, outcome: &Outcome) {
    let Some(effect) = outcome.effect.bytes() else { return };
    replicate(call, names, effect);
    if outcome.is_new_epoch {
        signal_all(call, names, NEW_EPOCH);
    }
    if !outcome.committed.is_empty() {
        signal_all(call, names, COMMITTED);
    }
    for set in &outcome.committed {
        if set.len() > SIGNALS_PER_COMMIT_MAX {
            signal_tables(call, names, effect);
        } else {
            signal_set(call, names, set);
        }
    }
}

/// Tells everybody of what was done elsewhere. Its rows are known by their fingerprints alone.
pub(super) fn announce_applied(call: &Call, names: &Names, effect: &[u8]) {
    replicate(call, names, effect);
    signal_all(call, names, APPLIED);
}

fn replicate(call: &Call, names: &Names, effect: &[u8]) {
    // SAFETY: the context is that of this call, and the command's name ends in NUL.
    unsafe { api::replicate_two(call.ctx, APPLY.as_ptr(), names.namespace.bytes(), effect) };
}

/// Signals the namespace itself, and the identifier of everything in it.
fn signal_all(call: &Call, names: &Names, event: &CStr) {
    names.namespace.signal(call, event);
    names.everything.signal(call, event);
}

/// Signals the identifiers of one commit, and those of their tables, whose keys changed with them.
fn signal_set(call: &Call, names: &Names, set: &IdentifierSet) {
    let namespace = names.namespace.bytes();
    // To make a string takes longer than to signal it, so what the client sent is signalled as it came. It mostly
    // names what is committed in the same order, behind the transaction's name if there is one.
    let mut arguments = SentName::all(call).peekable();
    if let (Some(first), Some(key)) = (set.iter().next(), arguments.peek())
        && !key.is(namespace, first.bytes)
    {
        arguments.next();
    }
    let mut last_table: &[u8] = b"";
    for identifier in set.iter() {
        let target = identifier.target();
        let key = arguments.next_if(|key| key.is(namespace, identifier.bytes));
        match (target, key) {
            // It was signalled for all of them.
            (Target::Everything, _) => {}
            (_, Some(key)) => key.signal(call, COMMITTED),
            (_, None) => signal(call, &[namespace, b":", identifier.bytes]),
        }
        // Identifiers of one table mostly follow each other; to signal a table again does no harm.
        if let Target::Row { table, .. } = target
            && table != last_table
        {
            signal_table(call, namespace, table);
            last_table = table;
        }
    }
}

/// Signals the tables alone. The effect names them; to find them among many identifiers takes long.
fn signal_tables(call: &Call, names: &Names, effect: &[u8]) {
    let Ok(effect) = Effect::parse(effect) else { return };
    for table in effect.tables() {
        signal_table(call, names.namespace.bytes(), table);
    }
}

fn signal_table(call: &Call, namespace: &[u8], table: &[u8]) {
    signal(call, &[namespace, b":", table, b"#*"]);
}

/// Signals the identifier of these pieces.
fn signal(call: &Call, pieces: &[&[u8]]) {
    let mut text: SmallVec<[u8; TEXT_USUAL]> = SmallVec::new();
    for piece in pieces {
        text.extend_from_slice(piece);
    }
    KeyName::new(&text).signal(call, COMMITTED);
}

/// Bytes of an identifier, as it mostly is.
const TEXT_USUAL: usize = 128;
