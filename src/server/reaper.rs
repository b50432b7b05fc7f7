//! A thread that frees what would stall the server if it were freed on the spot.

use crate::protocol::flights::Flights;
use crate::protocol::waste::Waste;
use lazy_static::lazy_static;
use std::sync::mpsc::{Sender, channel};

/// So many pieces of memory are freed on the spot: some 3 µs, about what handing them over costs.
const ALLOCATIONS_ON_THE_SPOT_MAX: usize = 64;

/// What is to be freed. It is dropped, never read.
enum Garbage {
    Waste(#[expect(dead_code, reason = "it is dropped")] Waste),
    Flights(#[expect(dead_code, reason = "it is dropped")] Vec<Flights>),
}

lazy_static! {
    /// The thread is started by the first large drop. It runs as long as the process; a forked child that saves a
    /// dump doesn't have it, and drops nothing. None if the system refused a thread: then the server frees.
    static ref REAPER: Option<Sender<Garbage>> = {
        let (sender, receiver) = channel::<Garbage>();
        let reap = move || receiver.into_iter().for_each(drop);
        let thread = std::thread::Builder::new().name("alkey-reaper".into()).spawn(reap);
        thread.ok().map(|_| sender)
    };
}

/// Frees the waste, now or soon.
pub(super) fn free(waste: Waste) {
    if waste.allocations() <= ALLOCATIONS_ON_THE_SPOT_MAX {
        return;
    }
    send(Garbage::Waste(waste));
}

/// Frees what was in flight, soon.
pub(super) fn free_flights(flights: Vec<Flights>) {
    if flights.iter().any(|flights| !flights.is_empty()) {
        send(Garbage::Flights(flights));
    }
}

fn send(garbage: Garbage) {
    if let Some(reaper) = REAPER.as_ref() {
        // Refused only if the thread died; what was sent then comes back in the error, and is dropped with it.
        let _ = reaper.send(garbage);
    }
}
