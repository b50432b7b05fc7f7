//! What the process knows outside the keyspace: its clock and term, its role, and what is in flight.
//!
//! There is one for the process, whichever thread calls: the main one, or one of another module's that holds the
//! server's lock.

use super::clock::Clock;
use super::config;
use super::due::Due;
use super::keys::Names;
use crate::protocol::flights::Flights;
use crate::protocol::local::Local;
use core::hash::BuildHasher;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::sync::{Mutex, TryLockError};

/// So many places, at least, are kept although nothing is in flight there, since they will be used again.
const IDLE_MAX: usize = 64;

/// The state of this process.
#[derive(Debug)]
pub(super) struct State {
    pub(super) clock: Clock,
    pub(super) is_replica: bool,
    pub(super) is_cluster: bool,
    pub(super) due: Due,
    /// How many places there may be before the idle ones are dropped.
    purge_at: usize,
    /// By database and namespace.
    places: HashTable<Place>,
    hasher: DefaultHashBuilder,
}

/// A namespace in a database, whether or not there is a key that holds its state.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) database: i32,
    pub(super) names: Names,
    pub(super) local: Local,
    /// The entry in [`State::due`]; [`u64::MAX`] if there is none.
    pub(super) due_ms: u64,
}

/// What is in flight in the whole process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FlightTotals {
    pub(super) in_flight: usize,
    pub(super) oldest_ms: u64,
    pub(super) remembered: usize,
    pub(super) bytes: usize,
    pub(super) grace_left_ms: u64,
}

/// None until the module is loaded. The server's lock keeps others out, so nobody ever waits for this one.
static STATE: Mutex<Option<State>> = Mutex::new(None);

// SAFETY: all but the names of keys may be sent anyway. Those are strings of the server's, which count their references
// without a lock of their own: whoever gets at the state holds the server's lock, as for everything of the server's.
unsafe impl Send for State {}

/// Starts with the knowledge of a process that knows nothing, in its first term.
pub(super) fn start(is_replica: bool, is_cluster: bool) {
    let state = State {
        clock: Clock::start(config::settings().lease_ms),
        is_replica,
        is_cluster,
        due: Due::default(),
        purge_at: IDLE_MAX,
        places: HashTable::new(),
        hasher: DefaultHashBuilder::default(),
    };
    *STATE.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(state);
}

/// Works on the state; None before the module is loaded, or if it is being worked on already, which no path of alkey's
/// does.
#[inline]
pub(super) fn with<T>(work: impl FnOnce(&mut State) -> T) -> Option<T> {
    let mut state = match STATE.try_lock() {
        Ok(state) => state,
        // What a panic leaves is sound to read: see the guard.
        Err(TryLockError::Poisoned(state)) => state.into_inner(),
        Err(TryLockError::WouldBlock) => return None,
    };
    state.as_mut().map(work)
}

impl State {
    /// What is known of a namespace, which may be nothing, the clock beside it, and when what is to be entered.
    #[inline]
    pub(super) fn place(&mut self, database: i32, namespace: &[u8]) -> (&mut Place, &Clock, &mut Due) {
        let Self { clock, due, places, purge_at, hasher, .. } = self;
        let hash_of = |database, namespace: &[u8]| hasher.hash_one((database, namespace));
        let hash = hash_of(database, namespace);
        let is_here = |place: &Place| place.is_of(database, namespace);
        if places.len() >= *purge_at && places.find(hash, is_here).is_none() {
            places.retain(|place| !place.local.is_idle());
            // Twice what is left, so that however many are busy each new one costs the same.
            *purge_at = IDLE_MAX.max(2 * places.len());
        }
        let rehash = |place: &Place| hash_of(place.database, place.names.namespace.bytes());
        let place = places.entry(hash, is_here, rehash).or_insert_with(|| Place::new(database, namespace));
        (place.into_mut(), clock, due)
    }

    /// The next namespace in which a lease or grace is over, if it is: its database and its names.
    pub(super) fn next_due(&mut self) -> Option<(i32, Names)> {
        let now_ms = self.clock.now().uptime_ms;
        let Self { due, places, hasher, .. } = self;
        loop {
            let (due_ms, database, names) = due.pop(now_ms)?;
            let name = names.namespace.bytes();
            let hash = hasher.hash_one((database, name));
            let Some(place) = places.find_mut(hash, |place| place.is_of(database, name)) else { continue };
            // It may have been entered here again, for another moment.
            if place.due_ms == due_ms {
                place.due_ms = u64::MAX;
                return Some((database, names));
            }
        }
    }

    /// Starts the next term.
    pub(super) fn start_term(&mut self) {
        self.clock.start_term(config::settings().lease_ms);
    }

    /// Forgets what was in flight, as a process does that has just started: the next term's grace covers it. Returns it,
    /// since to free it takes long.
    pub(super) fn forget_flights(&mut self) -> Vec<Flights> {
        self.due.clear();
        self.places.drain().map(|place| place.local.flights).collect()
    }

    /// Leases are of another length from now on.
    pub(super) fn set_lease(&mut self, lease_ms: u64) {
        let now_ms = self.clock.now().uptime_ms;
        self.clock.term.set_lease(now_ms, lease_ms);
    }

    /// What is in flight in all of them, and how long grace still is. A replica knows of none.
    pub(super) fn flights(&self) -> FlightTotals {
        let now_ms = self.clock.now().uptime_ms;
        let mut totals = FlightTotals::default();
        if !config::settings().trust_restored && !self.is_replica {
            totals.grace_left_ms = self.clock.term.grace_until_ms.saturating_sub(now_ms);
        }
        for Place { local: Local { flights, grace }, .. } in &self.places {
            totals.in_flight += flights.open();
            totals.remembered += flights.remembered();
            totals.bytes += flights.heap_bytes();
            totals.oldest_ms = totals.oldest_ms.max(flights.oldest_ms(now_ms));
            let grace_left_ms = grace.map_or(0, |grace| grace.until_ms.saturating_sub(now_ms));
            totals.grace_left_ms = totals.grace_left_ms.max(grace_left_ms);
        }
        totals
    }

    /// What is known of the namespaces of a database.
    pub(super) fn locals_of(&self, database: i32) -> impl Iterator<Item = &Local> {
        self.places.iter().filter(move |place| place.database == database).map(|place| &place.local)
    }
}

impl Place {
    #[cold]
    fn new(database: i32, namespace: &[u8]) -> Self {
        Self { database, names: Names::of(namespace), local: Local::default(), due_ms: u64::MAX }
    }

    #[inline]
    fn is_of(&self, database: i32, namespace: &[u8]) -> bool {
        self.database == database && self.names.namespace.bytes() == namespace
    }
}
