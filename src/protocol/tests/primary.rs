//! The same random commands for [`Process`] and [`Oracle`]: what is replied, and what every identifier's version,
//! flight and settled time are after each command, is the same.
//!
//! Beside that, from one look to the next: a version never gets smaller within an epoch, and it changes if and only
//! if something it depends on was committed or its floor rose.

use super::events::{Event, NAMES, event, everything};
use super::oracle::{Oracle, State, settled_ms, touches};
use super::process::{Looked, Process, UNIX_MS_AT_START, epoch, member, target};
use crate::protocol::identifier::Target;
use crate::protocol::limits::Settings;
use crate::protocol::namespace::Namespace;
use crate::protocol::rows::floor_of;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn settings() -> impl Strategy<Value = Settings> {
    let sweep_threshold = prop_oneof![Just(2_usize), Just(3), Just(10_000)];
    let rows_max = prop_oneof![Just(1_usize), Just(4), Just(1_000_000)];
    (sweep_threshold, rows_max, any::<bool>()).prop_map(|(sweep_threshold, rows_max, trust_restored)| {
        Settings { lease_ms: 100, sweep_threshold, rows_max, trust_restored }
    })
}

/// A process, what should have come of it, and what was seen of it last.
struct Compared {
    process: Process,
    oracle: Oracle,
    seen: BTreeMap<&'static str, (u64, u64)>,
    saved: Vec<(Namespace, State)>,
}

impl Compared {
    fn happen(&mut self, event: &Event) {
        let Self { process, oracle, seen, saved } = self;
        let moment = process.moment;
        if oracle.may_forget(&moment) {
            // When it does is its own affair, but it forgets all or none.
            process.write(|_| ());
            oracle.enter(&moment);
            if process.local.flights.remembered() < oracle.remembered() {
                oracle.forget(&moment);
            }
        }
        let (replied, expected) = match event {
            Event::Record(name, all) => (event.happen(process), oracle.record(name, all, &moment)),
            Event::Commit(name, all) => (event.happen(process), oracle.commit(name, all, &moment)),
            Event::Discard(name) => (event.happen(process), oracle.discard(name, &moment)),
            Event::Touch(all) => (event.happen(process), oracle.commit("", all, &moment)),
            Event::Look => {
                oracle.enter(&moment);
                (event.happen(process), 0)
            }
            Event::Pass(ms) => return process.pass(*ms),
            Event::SetLease(ms) => return process.moment.settings.lease_ms = *ms,
            Event::Flush => {
                process.flush();
                oracle.state = None;
                return;
            }
            Event::Term(ms) => return process.start_term(UNIX_MS_AT_START + ms),
            Event::Save => {
                return saved.extend(process.namespace.clone().zip(oracle.state.clone()));
            }
            Event::Restore(index) if !saved.is_empty() => {
                let (namespace, mut state) = saved[index.index(saved.len())].clone();
                process.take_over(Some(namespace));
                state.term = 0;
                oracle.state = Some(state);
                // Older versions come back to whoever trusts old state.
                return seen.clear();
            }
            Event::Restore(_) => return,
            Event::Unlink => {
                process.take_over(process.namespace.clone());
                if let Some(state) = &mut oracle.state {
                    state.term = 0;
                }
                return;
            }
        };
        assert_eq!(replied, expected, "what is replied");
        self.compare();
    }

    /// Looks at everything, which must change nothing.
    fn compare(&mut self) {
        let Self { process, oracle, seen, .. } = self;
        let moment = process.moment;
        let bytes = process.state().bytes();
        let committed = core::mem::take(&mut oracle.committed);
        let all = process.look_at(everything());
        assert_eq!(process.effect, None, "looking was told to replicas");
        for (identifier, looked) in all {
            let floor = floor(process.state(), identifier);
            let state = oracle.enter(&moment);
            let (number, version) = (state.epoch, state.version(identifier).max(floor));
            let since_ms = state.since_ms;
            let settled_ms =
                (!oracle.is_unsettled(identifier)).then(|| settled_ms(version, since_ms, &moment));
            let expected = Looked { epoch: epoch(number), version, settled_ms };
            assert_eq!(looked, expected, "{identifier}");

            let holders = process.local.flights.holders(member(identifier));
            let holders: Vec<&str> = holders.iter().map(|name| core::str::from_utf8(name).unwrap()).collect();
            assert_eq!(holders, oracle.holders(identifier), "who holds {identifier}");

            let before = seen.insert(identifier, (number, version));
            if let Some((_, before)) = before.filter(|(before, _)| *before == number) {
                assert!(looked.version >= before, "the version of {identifier} went back");
                let is_touched = committed.iter().any(|committed| touches(committed, identifier));
                let is_risen = floor > before;
                assert_eq!(looked.version > before, is_touched || is_risen, "a change of {identifier}");
            }
        }
        assert_eq!(process.state().bytes(), bytes, "looking stored something");
        self.compare_what_is_held();
    }

    fn compare_what_is_held(&self) {
        let Self { process, oracle, .. } = self;
        let state = oracle.state.as_ref().expect("a command made one");
        assert_eq!(process.state().lease_ms(), state.lease_ms);
        for (name, table) in process.state().tables() {
            let name = core::str::from_utf8(name).unwrap();
            let rows_max = process.moment.settings.rows_max;
            assert!(table.rows.len() <= rows_max, "more rows than allowed");
            let written = state.rows_written(name);
            assert!(table.rows.len() <= written, "rows that nobody wrote since the table was swept");
            if written <= rows_max {
                assert_eq!(table.rows.len(), written);
                assert_eq!(table.floors().count(), 0, "a floor rose without need");
            }
        }
        let told: Vec<_> = (process.local.flights.pending(process.moment.now.uptime_ms).into_iter())
            .map(|it| {
                (String::from_utf8(it.name.to_vec()).unwrap(), it.age_ms, it.lease_left_ms, it.identifiers)
            })
            .collect();
        assert_eq!(told, oracle.pending(&process.moment));
        let flights = &process.local.flights;
        assert_eq!((flights.open(), flights.remembered()), (told.len(), oracle.remembered()));
        let oldest_ms = told.first().map_or(0, |(_, age_ms, ..)| *age_ms);
        assert_eq!(flights.oldest_ms(process.moment.now.uptime_ms), oldest_ms);
    }

    /// However it came about: once nothing is recorded any more, nothing is in flight.
    fn end(&mut self) {
        for name in NAMES {
            self.happen(&Event::Discard(name));
        }
        let flights = &self.process.local.flights;
        assert!(flights.is_empty());
        assert_eq!(flights.open(), 0);
        for identifier in everything() {
            assert!(!flights.hold(member(identifier)), "{identifier} is held by nobody");
        }
    }
}

/// The stamp of the floor that a row stands on.
fn floor(namespace: &Namespace, identifier: &str) -> u64 {
    let Target::Row { table, row } = target(identifier) else { return 0 };
    let own = floor_of(namespace.epoch().fingerprints().of(row));
    let mut floors = namespace.tables().get(table).into_iter().flat_map(|table| table.floors());
    floors.find(|(floor, _)| *floor == own).map_or(0, |(_, stamp)| stamp.to_bits())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    #[test]
    fn the_primary_does_what_the_oracle_says(
        settings in settings(),
        cluster in any::<bool>(),
        events in vec(event(), 1..80),
    ) {
        let mut process = Process::start(settings);
        process.moment.cluster = cluster;
        let mut compared =
            Compared { process, oracle: Oracle::default(), seen: BTreeMap::new(), saved: Vec::new() };
        for event in events {
            compared.happen(&event);
        }
        compared.end();
    }
}
