//! Leases and grace that are over end though nobody sends a command: whoever reads a replica, or tracks keys, hears of a
//! dead writer all the same.
//!
//! So does what came from elsewhere, once somebody may read it on a replica: after a promotion, or when a replica comes.
//! After a start nobody reads before that, and a former primary that writes nothing can still follow its successor without
//! a full synchronisation.
//!
//! One timer of the server's runs for the first namespace that is due. What is due is entered as by a write command, so
//! nothing here is needed for what strict readers are promised: they end what is over themselves.

use super::api::{self, Ctx};
use super::call::Call;
use super::keys::Names;
use super::state::{self, Place};
use super::{guard, keyspace, registry};
use redis_module::raw;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ffi::c_void;

/// So many namespaces are entered at once, some 3 µs each; then others have their turn.
const AT_ONCE: usize = 64;

/// How long to wait before it is asked again whether replicas may be told of anything.
const PAUSED_MS: u64 = 50;

/// The namespaces that are to be entered at some time.
#[derive(Debug, Default)]
pub(super) struct Due {
    queue: BinaryHeap<Reverse<Entry>>,
    /// The timer that runs, and for when.
    timer: Option<(raw::RedisModuleTimerID, u64)>,
    /// Where to go on in the list of all namespaces, if they are to be entered.
    next_of_all: Option<usize>,
}

#[derive(Debug)]
struct Entry {
    due_ms: u64,
    database: i32,
    names: Names,
}

impl Due {
    /// Has a namespace entered when the first lease or grace in it is over, if anything is.
    #[inline]
    pub(super) fn enlist(&mut self, ctx: Ctx, now_ms: u64, place: &mut Place) {
        if let Some(due_ms) = place.local.due_ms()
            && due_ms < place.due_ms
        {
            place.due_ms = due_ms;
            self.queue.push(Reverse(Entry { due_ms, database: place.database, names: place.names.clone() }));
            self.run_timer(ctx, now_ms, due_ms);
        }
    }

    /// Has all namespaces entered, soon.
    pub(super) fn enter_all(&mut self, ctx: Ctx) {
        self.next_of_all = Some(0);
        self.run_timer(ctx, 0, 0);
    }

    /// What is due first, if it is due now.
    pub(super) fn pop(&mut self, now_ms: u64) -> Option<(u64, i32, Names)> {
        if self.queue.peek()?.0.due_ms > now_ms {
            return None;
        }
        self.queue.pop().map(|Reverse(Entry { due_ms, database, names })| (due_ms, database, names))
    }

    pub(super) fn clear(&mut self) {
        self.queue = BinaryHeap::new();
        self.next_of_all = None;
    }

    fn run_timer(&mut self, ctx: Ctx, now_ms: u64, due_ms: u64) {
        if let Some((timer, timer_ms)) = self.timer {
            if timer_ms <= due_ms {
                return;
            }
            // SAFETY: the context is one that the server gave, and there is no data to be returned.
            unsafe { api::stop_timer(ctx, timer, core::ptr::null_mut()) };
        }
        let period_ms = i64::try_from(due_ms.saturating_sub(now_ms)).unwrap_or(i64::MAX);
        // SAFETY: the context is one that the server gave; the callback is a function of the type asked for.
        let timer = unsafe { api::create_timer(ctx, period_ms, Some(on_timer), core::ptr::null_mut()) };
        self.timer = Some((timer, due_ms));
    }

    /// Runs a timer again after one has fired, while anything is to be done.
    fn go_on(&mut self, ctx: Ctx, now_ms: u64, earliest_ms: u64) {
        self.timer = None;
        let first = self.queue.peek().map(|Reverse(entry)| entry.due_ms);
        if let Some(due_ms) = self.next_of_all.map(|_| 0).or(first) {
            self.run_timer(ctx, now_ms, due_ms.max(earliest_ms));
        }
    }
}

extern "C" fn on_timer(ctx: Ctx, _: *mut c_void) {
    let _ = guard::run("ending leases", || {
        // SAFETY: it takes nothing.
        let is_paused = unsafe { api::avoid_replica_traffic() } != 0;
        // A server whose writes are paused (CLIENT PAUSE, a failover, a shutdown) ends when anything is replicated.
        let wait_ms = if is_paused { PAUSED_MS } else { 0 };
        if !is_paused {
            enter_due(ctx);
        }
        state::with(|state| {
            let now_ms = state.clock.now().uptime_ms;
            state.due.go_on(ctx, now_ms, now_ms + wait_ms);
        });
    });
}

/// Enters some of what is due.
fn enter_due(ctx: Ctx) {
    for _ in 0..AT_ONCE {
        let Some((database, names)) = state::with(next).flatten() else { return };
        // SAFETY: the context is that of the timer.
        if unsafe { api::select_db(ctx, database) } != 0 {
            continue;
        }
        // SAFETY: there are no words, and the context is that of the timer, which has not returned yet.
        let call = unsafe { Call::new(ctx, core::ptr::null_mut(), 0) };
        // What can't be entered is left to the command that names it: that one is told why.
        let _ = keyspace::end_overdue(&call, names.namespace.bytes());
    }
}

fn next(state: &mut state::State) -> Option<(i32, Names)> {
    if state.is_replica {
        state.due.clear();
        return None;
    }
    if let Some(from) = state.due.next_of_all {
        let walked = registry::walk(from, state.clock.term.number);
        state.due.next_of_all = walked.as_ref().map(|walked| walked.next);
        if let Some((database, name)) = walked.and_then(|walked| walked.found) {
            return Some((database, Names::of(&name)));
        }
    }
    state.next_due()
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.due_ms == other.due_ms
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.due_ms.cmp(&other.due_ms)
    }
}
