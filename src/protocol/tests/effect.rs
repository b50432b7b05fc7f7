//! Effects, applied: each stamp counts, each epoch begins anew, what was applied may come again, and no bytes at all
//! bring a copy into a state that breaks a promise.

use super::encoding::{STAMP, committed, floor, head, lease, operations, rows, stamps, table};
use super::events::command;
use super::process::{Process, ROOMY, apply, epoch, member, stamps_of};
use crate::protocol::effect::Effect;
use crate::protocol::identifier_set::set_of;
use crate::protocol::limits::{LEASE_MS_MAX, Settings};
use crate::protocol::namespace::Namespace;
use crate::protocol::outcome::Outcome;
use crate::protocol::stamp::Stamp;
use crate::protocol::term::Now;
use crate::protocol::waste::Waste;
use proptest::collection::vec;
use proptest::prelude::*;

/// The namespace that these effects make from nothing.
#[track_caller]
fn made_of(effects: &[Vec<u8>]) -> Namespace {
    let mut namespace = None;
    for effect in effects {
        apply(&mut namespace, effect);
    }
    namespace.expect("one effect at least")
}

#[test]
fn every_stamp_counts_in_the_digest() {
    let whole = |operations: &[Vec<u8>]| [head(1, STAMP), operations.concat()].concat();
    let plain = [
        stamps(STAMP + 90, STAMP + 80, STAMP + 1),
        lease(100),
        table("t", STAMP + 70, STAMP + 2),
        floor("t", 63, STAMP + 30),
        rows("t", &[(1, STAMP + 40), (2, STAMP + 50)]),
        committed("t", STAMP + 60, &[3, 4]),
    ];
    let changed = [
        ("last", 0, stamps(STAMP + 91, STAMP + 80, STAMP + 1)),
        ("any", 0, stamps(STAMP + 90, STAMP + 81, STAMP + 1)),
        ("sweep", 0, stamps(STAMP + 90, STAMP + 80, STAMP)),
        ("lease", 1, lease(101)),
        ("a table's name", 2, table("u", STAMP + 70, STAMP + 2)),
        ("a table's any", 2, table("t", STAMP + 71, STAMP + 2)),
        ("a table's sweep", 2, table("t", STAMP + 70, STAMP + 3)),
        ("a floor's number", 3, floor("t", 62, STAMP + 30)),
        ("a floor's stamp", 3, floor("t", 63, STAMP + 31)),
        ("a row", 4, rows("t", &[(5, STAMP + 40), (2, STAMP + 50)])),
        ("a row's stamp", 4, rows("t", &[(1, STAMP + 41), (2, STAMP + 50)])),
        ("one row fewer", 4, rows("t", &[(1, STAMP + 40)])),
        ("a row of another table", 4, rows("u", &[(1, STAMP + 40), (2, STAMP + 50)])),
        ("a committed row", 5, committed("t", STAMP + 60, &[3, 5])),
        ("a commit's stamp", 5, committed("t", STAMP + 61, &[3, 4])),
    ];
    let digest = stamps_of(&made_of(&[whole(&plain)]));
    for (what, position, operation) in changed {
        let mut operations = plain.clone();
        operations[position] = operation;
        assert_ne!(stamps_of(&made_of(&[whole(&operations)])), digest, "{what}");
    }
    for (what, head) in [("epoch", head(2, STAMP)), ("born", head(1, STAMP - 1))] {
        assert_ne!(stamps_of(&made_of(&[[head, plain.concat()].concat()])), digest, "{what}");
    }
}

#[test]
fn an_effect_of_another_epoch_begins_it() {
    let old = [head(1, STAMP), operations().concat()].concat();
    let new = [head(2, STAMP + 1), lease(7), committed("u", STAMP + 2, &[1])].concat();
    let namespace = made_of(&[old, new.clone()]);
    assert_eq!(stamps_of(&namespace), stamps_of(&made_of(&[new])));
    assert_eq!((*namespace.epoch(), namespace.lease_ms()), (epoch(2), 7));
}

#[test]
fn an_effect_that_was_applied_may_come_again_later() {
    // Each of them drops rows when it comes first. When it comes again, it must leave alone what is newer.
    let later = [head(1, STAMP), committed("t", STAMP + 9, &[0, 1, 2])].concat();
    for operation in [
        stamps(STAMP + 3, STAMP + 3, STAMP + 3),
        table("t", STAMP + 3, STAMP + 3),
        floor("t", 1, STAMP + 3),
        rows("t", &[(1, STAMP + 3)]),
        committed("t", STAMP + 3, &[1]),
    ] {
        let first = [head(1, STAMP), operation].concat();
        let expected = stamps_of(&made_of(&[first.clone(), later.clone()]));
        assert_eq!(stamps_of(&made_of(&[first.clone(), later.clone(), first])), expected);
    }
}

#[test]
fn what_a_later_sweep_covers_is_not_held() {
    let swept_table = [head(1, STAMP), table("t", STAMP + 9, STAMP + 9)].concat();
    let swept_all = [head(1, STAMP), stamps(STAMP + 9, STAMP + 9, STAMP + 9)].concat();
    for operation in [
        floor("t", 1, STAMP + 8),
        rows("t", &[(1, STAMP + 8), (2, STAMP + 9)]),
        committed("t", STAMP + 8, &[1]),
        table("t", STAMP + 8, STAMP + 7),
    ] {
        let older = [head(1, STAMP), operation].concat();
        for sweep in [&swept_table, &swept_all] {
            let expected = stamps_of(&made_of(core::slice::from_ref(sweep)));
            assert_eq!(stamps_of(&made_of(&[sweep.clone(), older.clone()])), expected);
        }
    }
}

/// The latest stamp anywhere in a namespace.
fn latest(namespace: &Namespace) -> Stamp {
    let own = namespace.stamps();
    let tables = namespace.tables().values().flat_map(|table| {
        let floors = table.floors().map(|(_, stamp)| stamp);
        let rows = table.rows.iter().map(|row| row.stamp);
        floors.chain(rows).chain([table.any(), table.sweep()])
    });
    tables.chain([namespace.born(), own.last, own.any, own.sweep]).max().unwrap_or_default()
}

/// A stamp of any time that is believed, around those of the other operations.
fn stamp() -> impl Strategy<Value = u64> {
    prop_oneof![4 => STAMP..STAMP + 9, 1 => 0..1_u64 << 63]
}

fn name() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("t"), Just("u")]
}

fn operation() -> impl Strategy<Value = Vec<u8>> {
    let row = || 0..70_u64;
    prop_oneof![
        1 => (stamp(), stamp(), stamp()).prop_map(|(last, any, sweep)| stamps(last, any, sweep)),
        1 => (0..=LEASE_MS_MAX).prop_map(lease),
        1 => (name(), stamp(), stamp()).prop_map(|(name, any, sweep)| table(name, any, sweep)),
        2 => (name(), 0..64_u8, stamp()).prop_map(|(name, number, stamp)| floor(name, number, stamp)),
        3 => (name(), vec((row(), stamp()), 0..9)).prop_map(|(name, all)| rows(name, &all)),
        3 => (name(), stamp(), vec(row(), 0..9)).prop_map(|(name, stamp, all)| committed(name, stamp, &all)),
    ]
}

/// What a damaged dump may hold: a sound effect with some bytes changed, put in or left out.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..3_u8);
    (vec(operation(), 0..6), vec(change, 0..4)).prop_map(|(operations, changes)| {
        let mut bytes = [head(1, STAMP), operations.concat()].concat();
        for (index, byte, kind) in changes {
            let position = index.index(bytes.len());
            match kind {
                0 => bytes[position] = byte,
                1 => bytes.insert(position, byte),
                _ => drop(bytes.remove(position)),
            }
        }
        bytes
    })
}

proptest! {
    #[test]
    fn a_whole_history_may_come_again(events in vec(command(), 1..30), rows_max in prop_oneof![Just(2_usize), Just(99)]) {
        let mut process = Process::settled(Settings { rows_max, ..ROOMY });
        let mut effects = Vec::new();
        for event in events {
            event.happen(&mut process);
            effects.extend(process.effect.take());
        }
        let Some(state) = &process.namespace else { return Ok(()) };
        let expected = stamps_of(state);
        for effect in &effects {
            apply(&mut process.replica, effect);
            prop_assert_eq!(&stamps_of(process.replica.as_ref().unwrap()), &expected);
        }
    }

    #[test]
    fn sound_effects_in_any_order_keep_stamps_growing(
        operations in vec(operation(), 0..12), now_ms in 0..1_u64 << 43,
    ) {
        let mut namespace = made_of(&[[head(1, STAMP), operations.concat()].concat()]);
        assert_grows(&mut namespace, now_ms);
    }

    #[test]
    fn damaged_effects_are_refused_or_harmless(bytes in damaged(), now_ms in 0..1_u64 << 43) {
        if let Ok(effect) = Effect::parse(&bytes) {
            for mut known in [None, Some(made_of(&[[head(1, STAMP), operations().concat()].concat()]))] {
                let made = effect.apply(known.as_mut(), &mut Waste::default());
                assert_grows(&mut made.or(known).unwrap(), now_ms);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(mut bytes in vec(any::<u8>(), 0..200)) {
        let _ = Effect::parse(&bytes);
        // Nearly all of them fail at the first byte, so the same is tried further on.
        bytes.splice(0..0, head(1, STAMP));
        let _ = Effect::parse(&bytes);
    }
}

/// Whatever came from elsewhere: the next commit is later than all of it, so its keys are new.
#[track_caller]
fn assert_grows(namespace: &mut Namespace, now_ms: u64) {
    let before = latest(namespace);
    assert_eq!(namespace.stamps().last, before, "a stamp that the namespace itself doesn't know of");
    let now = Now { unix_ms: now_ms, uptime_ms: 0 };
    let Outcome { mut effect, mut waste, .. } = Outcome::default();
    let all = ["t#1", "u#1", "t#*", "*#*"].map(member);
    for member in all {
        let target = member.target();
        let before = namespace.version(target);
        namespace.commit(now, &set_of([member]), 1, &mut effect, &mut waste);
        let after = namespace.version(target);
        assert!(after > before && after == namespace.stamps().last, "{before:?} {after:?}");
    }
    assert!(all.iter().all(|member| namespace.version(member.target()) > before));
}
