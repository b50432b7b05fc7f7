//! DISCARD leaves no trace: one process records and discards a transaction that its twin never hears of, and
//! afterwards nothing that can be asked tells the two apart. (A writer presumed dead leaves a trace, so too little time
//! passes for any lease to end.)

use super::events::{command, everything};
use super::process::{Looked, Process, ROOMY, stamps_of};
use crate::protocol::flights::Pending;
use crate::protocol::limits::Settings;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;

const GHOST: &str = "ghost";

/// Everything that anybody can ask, and what is saved.
#[derive(Debug, PartialEq)]
struct Told {
    looked: Vec<(&'static str, Looked)>,
    pending: Vec<Pending>,
    saved: BTreeSet<Vec<u8>>,
}

fn told(process: &mut Process) -> Told {
    let looked = process.look_at(everything());
    let pending = process.local.flights.pending(process.moment.now.uptime_ms);
    Told { looked, pending, saved: stamps_of(process.state()) }
}

proptest! {
    #[test]
    fn a_discarded_transaction_was_never_there(
        before in vec(command(), 0..10),
        recorded in vec(prop::sample::select(everything().collect::<Vec<_>>()), 1..5),
        between in vec(command(), 0..10),
        again in any::<bool>(),
        after in vec(command(), 0..20),
        sweep_threshold in prop_oneof![Just(2_usize), Just(10_000)],
        rows_max in prop_oneof![Just(2_usize), Just(1_000_000)],
    ) {
        let settings = Settings { lease_ms: 2_000, sweep_threshold, rows_max, ..ROOMY };
        let mut process = Process::settled(settings);
        // The one trace that is meant to stay: the largest lease of the epoch.
        process.record("tx1", &["b#1"]);
        for event in &before {
            event.happen(&mut process);
        }
        let mut twin = process.clone();
        process.record(GHOST, &recorded);
        twin.write(|_| ());
        for event in &between {
            prop_assert_eq!(event.happen(&mut process), event.happen(&mut twin));
        }
        if again {
            process.record(GHOST, &recorded);
            twin.write(|_| ());
        }
        let dropped = process.discard(GHOST);
        prop_assert!(dropped >= 1 && dropped <= recorded.len(), "{dropped} were dropped");
        prop_assert_eq!(process.effect.as_ref(), None);
        prop_assert_eq!(twin.discard(GHOST), 0);
        prop_assert_eq!(told(&mut process), told(&mut twin));
        for event in &after {
            prop_assert_eq!(event.happen(&mut process), event.happen(&mut twin));
            prop_assert_eq!(&process.effect, &twin.effect);
        }
        prop_assert_eq!(told(&mut process), told(&mut twin));
    }
}
