//! What the process knows outside the keyspace: its clock and term, its role, and what is in flight.
//!
//! Commands run on the server's main thread alone, so it is that thread's own; no lock is needed, and none can be
//! forgotten.

use super::clock::Clock;
use super::config;
use super::keys::Names;
use crate::protocol::local::Local;
use core::hash::BuildHasher;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::cell::RefCell;

/// So many places, at least, are kept although nothing is in flight there, since they will be used again.
const IDLE_MAX: usize = 64;

/// The state of this process.
#[derive(Debug)]
pub(super) struct State {
    pub(super) clock: Clock,
    pub(super) is_replica: bool,
    pub(super) is_cluster: bool,
    /// How many places there may be before the idle ones are dropped.
    purge_at: usize,
    /// By database and namespace.
    places: HashTable<Place>,
    hasher: DefaultHashBuilder,
}

/// A namespace in a database, whether or not there is a key that holds its state.
#[derive(Debug)]
pub(super) struct Place {
    database: i32,
    pub(super) names: Names,
    pub(super) local: Local,
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

thread_local! {
    static STATE: RefCell<State> = RefCell::new(State {
        clock: Clock::start(config::settings().lease_ms),
        is_replica: false,
        is_cluster: false,
        purge_at: IDLE_MAX,
        places: HashTable::new(),
        hasher: DefaultHashBuilder::default(),
    });
}

/// Works on the state; None if it is being worked on already, which no path of alkey's does.
pub(super) fn with<T>(work: impl FnOnce(&mut State) -> T) -> Option<T> {
    STATE.with(|state| state.try_borrow_mut().ok().map(|mut state| work(&mut state)))
}

impl State {
    /// What is known of a namespace, which may be nothing, and the clock beside it.
    #[inline]
    pub(super) fn place(&mut self, database: i32, namespace: &[u8]) -> (&mut Place, &Clock) {
        let Self { clock, places, purge_at, hasher, .. } = self;
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
        (place.into_mut(), clock)
    }

    /// Starts the next term.
    pub(super) fn start_term(&mut self) {
        self.clock.start_term(config::settings().lease_ms);
    }

    /// Leases are of another length from now on.
    pub(super) fn set_lease(&mut self, lease_ms: u64) {
        let now_ms = self.clock.now().uptime_ms;
        self.clock.term.set_lease(now_ms, lease_ms);
    }

    /// What is in flight in all of them, and how long grace still is.
    pub(super) fn flights(&self) -> FlightTotals {
        let now_ms = self.clock.now().uptime_ms;
        let mut totals = FlightTotals::default();
        if !config::settings().trust_restored {
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
        Self { database, names: Names::of(namespace), local: Local::default() }
    }

    #[inline]
    fn is_of(&self, database: i32, namespace: &[u8]) -> bool {
        self.database == database && self.names.namespace.bytes() == namespace
    }
}
