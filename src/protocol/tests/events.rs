//! What happens to a process, and strategies that make it up.

use super::process::Process;
use proptest::collection::vec;
use proptest::prelude::*;

/// What commands name, and in `d` what none of them does.
const NAMED: [&str; 16] = [
    "a#1", "a#2", "a#3", "a#4", "a#5", "a#6", "a#7", "a#8", "a#*", "b#1", "b#2", "b#*", "c#1", "c#2", "c#*",
    "*#*",
];
const UNNAMED: [&str; 2] = ["d#1", "d#*"];
pub(super) const NAMES: [&str; 4] = ["tx1", "tx2", "tx3", "tx4"];

pub(super) fn everything() -> impl Iterator<Item = &'static str> {
    NAMED.into_iter().chain(UNNAMED)
}

/// What happens to a process.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Record(&'static str, Vec<&'static str>),
    Commit(&'static str, Vec<&'static str>),
    Discard(&'static str),
    Touch(Vec<&'static str>),
    Look,
    Pass(u64),
    SetLease(u64),
    Flush,
    /// A new term, in which the wall clock says so many milliseconds more than at the start.
    Term(u64),
    /// Somebody saves the state.
    Save,
    /// The state is replaced by one that was saved before.
    Restore(prop::sample::Index),
    /// The value is moved away and back.
    Unlink,
}

impl Event {
    /// Has the process do it, if it is a command or time that passes; returns what is replied.
    pub(super) fn happen(&self, process: &mut Process) -> usize {
        match self {
            Self::Record(name, all) => process.record(name, all),
            Self::Commit(name, all) => process.commit(name, all),
            Self::Discard(name) => process.discard(name),
            Self::Touch(all) => process.touch(all),
            Self::Pass(ms) => {
                process.pass(*ms);
                0
            }
            _ => process.write(|_| 0),
        }
    }
}

fn identifiers(count: core::ops::Range<usize>) -> impl Strategy<Value = Vec<&'static str>> {
    // Rows are named most, or nothing would ever be settled.
    let identifier = prop_oneof![
        6 => prop::sample::select(&NAMED[..8]),
        4 => prop::sample::select(&NAMED[8..15]),
        1 => Just("*#*"),
    ];
    vec(identifier, count)
}

/// What commands do, and time that passes.
pub(super) fn command() -> impl Strategy<Value = Event> {
    let name = || prop::sample::select(&NAMES[..]);
    prop_oneof![
        6 => (name(), identifiers(1..4)).prop_map(|(name, all)| Event::Record(name, all)),
        4 => (name(), identifiers(0..3)).prop_map(|(name, all)| Event::Commit(name, all)),
        2 => name().prop_map(Event::Discard),
        2 => identifiers(1..4).prop_map(Event::Touch),
        3 => Just(Event::Look),
        3 => (0..3_u64).prop_map(Event::Pass),
        3 => (0..40_u64).prop_map(Event::Pass),
    ]
}

/// All that happens.
pub(super) fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        20 => command(),
        2 => (50..250_u64).prop_map(Event::Pass),
        1 => prop_oneof![Just(86_400_000_u64), Just(86_400_001)].prop_map(Event::Pass),
        1 => prop_oneof![Just(20_u64), Just(100), Just(300)].prop_map(Event::SetLease),
        1 => Just(Event::Flush),
        1 => (0..2_000_u64).prop_map(Event::Term),
        1 => Just(Event::Save),
        1 => any::<prop::sample::Index>().prop_map(Event::Restore),
        1 => Just(Event::Unlink),
    ]
}
