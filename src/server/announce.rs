//! Who is told of what a command came to: replicas and the append-only file, of the effect; transactions that watch,
//! clients that track and subscribers to keyspace events, of each identifier whose keys changed.

use super::api;
use super::call::Call;
use super::keys::KeyName;
use crate::protocol::identifier::Target;
use crate::protocol::identifier_set::IdentifierSet;
use crate::protocol::outcome::Outcome;
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
pub(super) fn announce(call: &Call, name: &KeyName, outcome: &Outcome) {
    let Some(effect) = outcome.effect.bytes() else { return };
    replicate(call, name, effect);
    if outcome.is_new_epoch {
        name.signal(NEW_EPOCH);
        signal(call, name, b"*#*", NEW_EPOCH);
    }
    if !outcome.committed.is_empty() {
        name.signal(COMMITTED);
        signal(call, name, b"*#*", COMMITTED);
    }
    for set in &outcome.committed {
        signal_set(call, name, set);
    }
}

/// Tells everybody of what was done elsewhere. Its rows are known by their fingerprints alone.
pub(super) fn announce_applied(call: &Call, name: &KeyName, effect: &[u8]) {
    replicate(call, name, effect);
    name.signal(APPLIED);
    signal(call, name, b"*#*", APPLIED);
}

fn replicate(call: &Call, name: &KeyName, effect: &[u8]) {
    // SAFETY: the context is that of this call, and the command's name ends in NUL.
    unsafe { api::replicate_two(call.ctx, APPLY.as_ptr(), name.bytes(), effect) };
}

/// Signals the identifiers of one commit, and those of their tables, whose keys changed with them.
fn signal_set(call: &Call, name: &KeyName, set: &IdentifierSet) {
    let mut last_table: &[u8] = b"";
    for identifier in set.iter() {
        if identifier != b"*#*" {
            signal(call, name, identifier, COMMITTED);
        }
        // Identifiers of one table mostly follow each other; to signal a table again does no harm.
        if let Some(Target::Row { table, .. }) = Target::parse(identifier)
            && table != last_table
        {
            signal(call, name, &[table, b"#*"].concat(), COMMITTED);
            last_table = table;
        }
    }
}

fn signal(call: &Call, name: &KeyName, target: &[u8], event: &CStr) {
    KeyName::new(call, &[name.bytes(), b":", target].concat()).signal(event);
}
