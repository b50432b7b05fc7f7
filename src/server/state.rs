//! What the process knows outside the keyspace: its clock and term, its role, and what is in flight.
//!
//! Commands run on the server's main thread alone, so it is that thread's own; no lock is needed, and none can be
//! forgotten.

use super::clock::Clock;
use crate::protocol::local::Local;
use hashbrown::HashMap;
use std::cell::RefCell;

/// Locals of namespaces that are idle are kept up to so many, since they will be used again.
const IDLE_MAX: usize = 64;

/// The state of this process.
#[derive(Debug)]
pub(super) struct State {
    pub(super) clock: Clock,
    pub(super) is_replica: bool,
    pub(super) is_cluster: bool,
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

thread_local! {
    static STATE: RefCell<State> = RefCell::new(State {
        clock: Clock::start(),
        is_replica: false,
        is_cluster: false,
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
        let mut key = (database, Vec::new());
        key.1.extend_from_slice(namespace);
        if let Some(local) = self.locals.get_mut(&key) {
            return work(local, &self.clock);
        }
        let mut local = Local::default();
        let answer = work(&mut local, &self.clock);
        if !local.is_idle() {
            if self.locals.len() >= IDLE_MAX {
                self.locals.retain(|_, local| !local.is_idle());
            }
            self.locals.insert(key, local);
        }
        answer
    }

    /// What is in flight in all of them, and how long grace still is, after a term of this lease.
    pub(super) fn flights(&self, lease_ms: u64) -> FlightTotals {
        let now_ms = self.clock.now().uptime_ms;
        let term_grace_until_ms = self.clock.term.started_ms.saturating_add(lease_ms);
        let mut totals = FlightTotals {
            grace_left_ms: term_grace_until_ms.saturating_sub(now_ms),
            ..FlightTotals::default()
        };
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
