//! What the process knows outside the keyspace: its clock and term, its role, and what is in flight.
//!
//! Commands run on the server's main thread alone, so it is that thread's own; no lock is needed, and none can be
//! forgotten.

use super::clock::Clock;
use super::config;
use crate::protocol::local::Local;
use hashbrown::{Equivalent, HashMap};
use std::cell::RefCell;

/// So many locals, at least, are kept although they are idle, since they will be used again.
const IDLE_MAX: usize = 64;

/// The state of this process.
#[derive(Debug)]
pub(super) struct State {
    pub(super) clock: Clock,
    pub(super) is_replica: bool,
    pub(super) is_cluster: bool,
    /// How many locals there may be before the idle ones are dropped.
    purge_at: usize,
    /// By database and namespace.
    locals: HashMap<(i32, Vec<u8>), Local>,
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

/// Where a namespace is, without a copy of its name.
#[derive(Hash)]
struct Place<'a>(i32, &'a [u8]);

impl Equivalent<(i32, Vec<u8>)> for Place<'_> {
    fn equivalent(&self, (database, namespace): &(i32, Vec<u8>)) -> bool {
        self.0 == *database && self.1 == namespace
    }
}

thread_local! {
    static STATE: RefCell<State> = RefCell::new(State {
        clock: Clock::start(config::settings().lease_ms),
        is_replica: false,
        is_cluster: false,
        purge_at: IDLE_MAX,
        locals: HashMap::new(),
    });
}

/// Works on the state; None if it is being worked on already, which no path of alkey's does.
pub(super) fn with<T>(work: impl FnOnce(&mut State) -> T) -> Option<T> {
    STATE.with(|state| state.try_borrow_mut().ok().map(|mut state| work(&mut state)))
}

impl State {
    /// Works on what is known of a namespace, which may be nothing.
    pub(super) fn on_local<T>(
        &mut self,
        database: i32,
        namespace: &[u8],
        work: impl FnOnce(&mut Local, &Clock) -> T,
    ) -> T {
        if let Some(local) = self.locals.get_mut(&Place(database, namespace)) {
            return work(local, &self.clock);
        }
        let mut local = Local::default();
        let answer = work(&mut local, &self.clock);
        if !local.is_idle() {
            if self.locals.len() >= self.purge_at {
                self.locals.retain(|_, local| !local.is_idle());
                // Twice what is left, so that however many are busy each new one costs the same.
                self.purge_at = IDLE_MAX.max(2 * self.locals.len());
            }
            self.locals.insert((database, namespace.to_vec()), local);
        }
        answer
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
        for Local { flights, grace } in self.locals.values() {
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
        self.locals.iter().filter(move |((of, _), _)| *of == database).map(|(_, local)| local)
    }
}
