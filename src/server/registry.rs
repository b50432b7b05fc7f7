//! The namespaces that live in this process, wherever in the keyspace they are: what INFO tells of them.
//!
//! The server has no list of the values of a type, and to walk a keyspace of millions for a handful of namespaces
//! would stall it. So each value enters itself when it is made, and leaves when it is freed.

use crate::protocol::namespace::Namespace;
use crate::protocol::term::ELSEWHERE;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the server holds under a namespace's key.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) namespace: Namespace,
    /// The database and key under which it was seen last.
    place: (i32, Vec<u8>),
}

/// Addresses of values that are alive. The server may free values on a thread of its own.
static ALIVE: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

fn alive() -> MutexGuard<'static, BTreeSet<usize>> {
    // Nothing that holds the lock leaves the set half changed.
    ALIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Value {
    /// Makes a value, to be handed to the server.
    pub(super) fn into_raw(namespace: Namespace, database: i32, name: &[u8]) -> *mut Self {
        let value = Box::into_raw(Box::new(Self { namespace, place: (database, name.to_vec()) }));
        alive().insert(value.expose_provenance());
        value
    }

    /// It may have come here under another name, or from another database.
    pub(super) fn is_seen_at(&mut self, database: i32, name: &[u8]) {
        let (known_database, known_name) = &mut self.place;
        *known_database = database;
        if known_name != name {
            *known_name = name.to_vec();
        }
    }

    /// Takes a value back from the server.
    ///
    /// # Safety
    ///
    /// The value came from [`Value::into_raw`], and is taken back once.
    pub(super) unsafe fn from_raw(value: *mut Self) -> Box<Self> {
        alive().remove(&value.addr());
        // SAFETY: the caller says so.
        unsafe { Box::from_raw(value) }
    }
}

/// A part of a walk over all namespaces.
pub(super) struct Walked {
    /// Where to go on.
    pub(super) next: usize,
    /// The database and name of one, if it is not of the term.
    pub(super) found: Option<(i32, Vec<u8>)>,
}

/// So many namespaces are looked at in one step of a walk: some 20 µs.
const WALKED_AT_ONCE: usize = 256;

/// Goes on in a walk over all namespaces, to the next that is not of this term. None at the end.
///
/// To be called with the server's lock, and not from within a command: nothing else changes a value.
pub(super) fn walk(from: usize, term: u64) -> Option<Walked> {
    let mut next = None;
    for address in alive().range(from..).take(WALKED_AT_ONCE) {
        next = Some(address + 1);
        let value = core::ptr::with_exposed_provenance::<Value>(*address);
        // SAFETY: what is in the set was made by `into_raw` and not taken back.
        let Value { namespace, place } = unsafe { value.as_ref() }?;
        if namespace.term != term {
            return Some(Walked { next: address + 1, found: Some(place.clone()) });
        }
    }
    next.map(|next| Walked { next, found: None })
}

/// Has all namespaces whose names are not kept count as state from elsewhere.
///
/// To be called with the server's lock, and not from within a command: nothing else changes a value.
pub(super) fn estrange(is_kept: impl Fn(&[u8]) -> bool) {
    for address in alive().iter() {
        let value = core::ptr::with_exposed_provenance_mut::<Value>(*address);
        // SAFETY: what is in the set was made by `into_raw` and not taken back, and nobody else refers to it.
        if let Some(Value { namespace, place: (_, name) }) = unsafe { value.as_mut() }
            && !is_kept(name)
        {
            namespace.term = ELSEWHERE;
        }
    }
}

/// Shows all namespaces.
///
/// To be called on the main thread, and not from within a command: nothing else changes a value.
pub(super) fn for_each(mut show: impl FnMut(i32, &[u8], &Namespace)) {
    // While the lock is held none of them is freed.
    for address in alive().iter() {
        let value = core::ptr::with_exposed_provenance::<Value>(*address);
        // SAFETY: what is in the set was made by `into_raw` and not taken back.
        if let Some(Value { namespace, place: (database, name) }) = unsafe { value.as_ref() } {
            show(*database, name, namespace);
        }
    }
}
