//! Effects and dumps: whatever bytes a copy is told, it refuses them whole, or comes out of them sound.
//!
//! Sound is a namespace that knows no stamp later than its last, in which the next commit is later than all, which a
//! dump gives back as it is, and which stays as it is when it is told the same again. Within an epoch no version gets
//! smaller; that is promised of effects in the order in which a primary told them, however often each of them comes.

use super::{Change, changed, changes};
use crate::protocol::effect::{Effect, digest, dump};
use crate::protocol::epoch::Epoch;
use crate::protocol::identifier::Member;
use crate::protocol::identifier_set::set_of;
use crate::protocol::limits::Settings;
use crate::protocol::local::Local;
use crate::protocol::namespace::Namespace;
use crate::protocol::outcome::Outcome;
use crate::protocol::primary::{Moment, Primary};
use crate::protocol::stamp::{CLOCK_MS_MAX, Stamp};
use crate::protocol::term::{Now, Term};
use crate::protocol::waste::Waste;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;
use uuid::Uuid;

const UNIX_MS: u64 = 1_700_000_000_000;

/// What commits name and what is looked at. More rows than a table may have here.
const TARGETS: [&[u8]; 14] = [
    b"t#1",
    b"t#2",
    b"t#3",
    b"t#4",
    b"t#5",
    b"t#6",
    b"u#1",
    b"u#2",
    b"u#3",
    b"\0\xff#%n",
    b"t#*",
    b"u#*",
    b"*#*",
    b"never#1",
];

/// What happens on a primary: a commit of some of the targets, after so many milliseconds, with so many rows to a
/// table at most; or a new epoch.
#[derive(Clone, Debug)]
enum Event {
    Commit { targets: Vec<usize>, after_ms: u64, rows_max: usize },
    Renew,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        // The last targets sweep: they are rare.
        9 => (vec(prop_oneof![9 => 0..10_usize, 1 => 0..13_usize], 1..7), 0..3_u64, 1..6_usize)
            .prop_map(|(targets, after_ms, rows_max)| Event::Commit { targets, after_ms, rows_max }),
        1 => Just(Event::Renew),
    ]
}

fn epoch(number: u128) -> Epoch {
    Epoch::new(Uuid::from_u128(number))
}

/// A primary to which this happens, and the effects that it tells.
fn told(events: &[Event]) -> (Namespace, Vec<Vec<u8>>) {
    let (mut unix_ms, mut epochs) = (UNIX_MS, 1);
    let now = |unix_ms| Now { unix_ms, uptime_ms: 0 };
    let mut namespace = Namespace::new(epoch(epochs), Stamp::default().next(now(unix_ms)));
    let mut effects = Vec::new();
    for event in events {
        let Outcome { mut effect, mut waste, .. } = Outcome::default();
        match event {
            Event::Renew => {
                epochs += 1;
                namespace.renew(epoch(epochs), now(unix_ms), &mut waste);
                effect.begin(&namespace);
            }
            Event::Commit { targets, after_ms, rows_max } => {
                unix_ms += after_ms;
                effect.begin(&namespace);
                let members = targets.iter().map(|target| Member::parse(TARGETS[*target]).unwrap());
                namespace.commit(now(unix_ms), &set_of(members), *rows_max, &mut effect, &mut waste);
            }
        }
        effects.extend(effect.bytes().map(<[u8]>::to_vec));
    }
    (namespace, effects)
}

fn state(namespace: &Namespace) -> BTreeSet<Vec<u8>> {
    let mut all = BTreeSet::new();
    digest(namespace, |pieces| assert!(all.insert(pieces.concat()), "a sequence twice"));
    all
}

fn versions(namespace: &Namespace) -> Vec<Stamp> {
    TARGETS.iter().map(|target| namespace.version(Member::parse(target).unwrap().target())).collect()
}

/// Tells a copy an effect; whether it was one.
fn tell(copy: &mut Option<Namespace>, bytes: &[u8]) -> bool {
    let Ok(effect) = Effect::parse(bytes) else { return false };
    if let Some(made) = effect.apply(copy.as_mut(), &mut Waste::default()) {
        assert!(copy.replace(made).is_none(), "a namespace was made beside one that exists");
    }
    true
}

/// See the head.
fn assert_sound(namespace: &Namespace) {
    let all = state(namespace);
    let mut loaded = None;
    dump(namespace, |piece| assert!(tell(&mut loaded, piece), "a dump can't be read"));
    assert_eq!(state(loaded.as_ref().unwrap()), all, "a dump gives something else back");
    dump(namespace, |piece| assert!(tell(&mut loaded, piece)));
    assert_eq!(state(loaded.as_ref().unwrap()), all, "a dump that comes twice");

    let latest = namespace.tables().values().flat_map(|table| {
        let stamps = table.floors().map(|(_, stamp)| stamp).chain(table.rows.iter().map(|row| row.stamp));
        stamps.chain([table.any(), table.sweep()])
    });
    let own = namespace.stamps();
    let latest = latest.chain([namespace.born(), own.any, own.sweep]).max().unwrap();
    assert!(own.last >= latest, "a stamp that the namespace doesn't know of");
    assert!(own.last.is_plausible(), "a stamp that no dump may have");
    assert_eq!(namespace.rows(), namespace.tables().values().map(|table| table.rows.iter().count()).sum());
    assert!(namespace.bytes() > namespace.rows() * 16 && namespace.allocations() > 0);

    // Whatever the clock says, the next commit of anything is later than all.
    let mut next = namespace.clone();
    for member in TARGETS.map(|target| Member::parse(target).unwrap()) {
        let target = member.target();
        let Outcome { mut effect, mut waste, .. } = Outcome::default();
        let before = next.stamps().last;
        next.commit(Now::default(), &set_of([member]), 3, &mut effect, &mut waste);
        assert!(next.version(target) > before && next.version(target) == next.stamps().last);
    }
    assert_can_be_saved_again(namespace);
}

/// What was accepted, and whatever commands make of it, gives dumps and effects that are accepted, even where it is trusted.
fn assert_can_be_saved_again(namespace: &Namespace) {
    let settings = Settings { lease_ms: 100, sweep_threshold: 3, rows_max: 3, trust_restored: true };
    for unix_ms in [0, UNIX_MS, CLOCK_MS_MAX] {
        let now = Now { unix_ms, uptime_ms: 0 };
        let moment = Moment { now, term: Term::start(1, 0, 100), settings, cluster: false };
        let (mut namespace, mut local) = (namespace.clone(), Local::default());
        for member in TARGETS.map(|target| Member::parse(target).unwrap()) {
            let mut outcome = Outcome::default();
            let mut copy = Some(namespace.clone());
            Primary::enter(&mut namespace, false, &mut local, &moment, || epoch(u128::MAX), &mut outcome)
                .touch(core::iter::once(member));
            assert!(tell(&mut copy, outcome.effect.bytes().unwrap()), "an effect that can't be read");
            assert_eq!(
                copy.as_ref().map(state),
                Some(state(&namespace)),
                "a replica that has something else"
            );
        }
        let mut loaded = None;
        dump(&namespace, |piece| assert!(tell(&mut loaded, piece), "a dump can't be read"));
        assert_eq!(loaded.as_ref().map(state), Some(state(&namespace)));
    }
}

/// Tells a copy effects one after the other, and checks it after each. `in_order` if a primary told them so.
fn assert_copy_stays_sound(effects: impl Iterator<Item = Vec<u8>>, in_order: bool) -> Option<Namespace> {
    let mut copy = None;
    for bytes in effects {
        let before = copy.clone();
        if !tell(&mut copy, &bytes) {
            assert_eq!(
                copy.as_ref().map(state),
                before.as_ref().map(state),
                "a refused effect changed something"
            );
            continue;
        }
        let after = copy.as_ref().unwrap();
        if let Some(before) = before.filter(|before| before.epoch() == after.epoch()) {
            assert!(after.stamps().last >= before.stamps().last);
            let grew = versions(&before).iter().zip(versions(after)).all(|(before, after)| after >= *before);
            assert!(grew || !in_order, "a version got smaller");
        }
        let once = state(after);
        tell(&mut copy, &bytes);
        assert!(!in_order || state(copy.as_ref().unwrap()) == once, "an effect that comes twice");
    }
    copy.as_ref().inspect(|copy| assert_sound(copy)).cloned()
}

proptest! {
    #[test]
    fn a_copy_is_what_the_primary_is(events in vec(event(), 1..12), again in vec(any::<prop::sample::Index>(), 0..4)) {
        let (primary, effects) = told(&events);
        let copy = assert_copy_stays_sound(effects.iter().cloned(), true).unwrap();
        prop_assert_eq!(state(&copy), state(&primary));
        // Those of the present epoch may come once more, at any time.
        let present = |effect: &Vec<u8>| effect[1..17] == *primary.epoch().as_bytes();
        let present: Vec<_> = effects.iter().filter(|effect| present(effect)).cloned().collect();
        let again = again.iter().filter(|_| !present.is_empty()).map(|index| index.get(&present).clone());
        let copy = assert_copy_stays_sound(effects.iter().cloned().chain(again), true).unwrap();
        prop_assert_eq!(state(&copy), state(&primary));
    }

    #[test]
    fn damaged_effects_are_refused_or_leave_a_copy_sound(
        events in vec(event(), 1..8),
        changes in vec(changes(), 8),
    ) {
        let (_, effects) = told(&events);
        assert_copy_stays_sound(damaged(effects, &changes), false);
    }

    #[test]
    fn damaged_dumps_are_refused_or_leave_a_copy_sound(
        events in vec(event(), 1..12),
        changes in vec(changes(), 1),
    ) {
        let mut pieces = Vec::new();
        dump(&told(&events).0, |piece| pieces.push(piece.to_vec()));
        assert_copy_stays_sound(damaged(pieces, &changes), false);
    }

    #[test]
    fn any_bytes_are_refused_or_leave_a_copy_sound(head in any::<bool>(), bytes in vec(any::<u8>(), 0..64)) {
        // Behind a sound head, since nearly all would fail at the first byte.
        let (primary, _) = told(&[]);
        let mut start = Vec::new();
        dump(&primary, |piece| start.extend_from_slice(&piece[..25]));
        start.truncate(if head { 25 } else { 0 });
        assert_copy_stays_sound(core::iter::once([start, bytes].concat()), false);
    }
}

fn damaged(effects: Vec<Vec<u8>>, changes: &[Vec<Change>]) -> impl Iterator<Item = Vec<u8>> {
    let none = Vec::new();
    let all: Vec<_> = effects
        .into_iter()
        .enumerate()
        .map(|(position, effect)| changed(effect, changes.get(position).unwrap_or(&none)))
        .collect();
    all.into_iter()
}
