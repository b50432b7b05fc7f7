//! The way into a namespace: opens the key that holds its state, lets the protocol work on it, and has everybody
//! told what came of it.

use super::announce::{announce, announce_applied};
use super::api;
use super::call::Call;
use super::clock::Clock;
use super::counters::Counter;
use super::keys::{KeyName, Names, OpenedKey};
use super::{config, reaper, state};
use crate::protocol::effect::Effect;
use crate::protocol::epoch::Epoch;
use crate::protocol::error::{Error, Result};
use crate::protocol::flights::Pending;
use crate::protocol::identifier::require_hash_tag;
use crate::protocol::local::Local;
use crate::protocol::namespace::Namespace;
use crate::protocol::outcome::Outcome;
use crate::protocol::primary::{Moment, Primary, Standing, create, end_overdue_of_missing};
use crate::protocol::term::Now;
use crate::protocol::waste::Waste;
use redis_module::raw;
use uuid::Uuid;

/// Works on a namespace on behalf of a client's write command, which may create, renew and expire things in it.
#[inline]
pub(crate) fn write<T>(call: &Call, name: &[u8], work: impl FnOnce(&mut Primary) -> Result<T>) -> Result<T> {
    let mut outcome = Outcome::default();
    let (answer, names) = with_state(|state| {
        judge_one(state, name)?;
        let cluster = state.is_cluster;
        let database = call.database();
        let (place, clock, due) = state.place(database, name);
        let (names, local) = (&place.names, &mut place.local);
        let mut key = OpenedKey::for_reading(call, &names.namespace);
        let moment = moment(clock, cluster);
        let known = key.value(name)?.map(|value| &value.namespace);
        let is_new = known.is_none();
        if may_be_of_another_node(known, local, &moment) && !names.namespace.is_of_this_node() {
            return Err(Error::NotHereYet(name.to_vec()));
        }
        if is_new {
            let namespace = create(fresh_epoch(), local, &moment);
            key = OpenedKey::for_creating(call, &names.namespace, namespace);
        }
        let Some(value) = key.value(name)? else {
            return Err(Error::Defect("opening a key that was just set"));
        };
        let mut primary =
            Primary::enter(&mut value.namespace, is_new, local, &moment, fresh_epoch, &mut outcome);
        let answer = work(&mut primary);
        if outcome.is_new_epoch {
            value.is_seen_at(database, name);
        }
        let names = (!outcome.is_nothing()).then(|| names.clone());
        due.enlist(call.ctx, moment.now.uptime_ms, place);
        Ok((answer, names))
    })?;
    if let Some(names) = names {
        Counter::Epochs.add(outcome.is_new_epoch.into());
        Counter::Expired.add(outcome.expired);
        // Nothing of ours is in use any more: a module that hears of it may call a command of ours.
        announce(call, &names, &outcome);
        reaper::free(outcome.waste);
    }
    answer
}

/// Ends the leases and the grace that are over, though no command names the namespace: as a write command would, but that
/// it makes none.
pub(super) fn end_overdue(call: &Call, name: &[u8]) -> Result<()> {
    let is_here = with_state(|state| {
        judge_role(state)?;
        let cluster = state.is_cluster;
        let (place, clock, due) = state.place(call.database(), name);
        let (names, local) = (&place.names, &mut place.local);
        let moment = moment(clock, cluster);
        let mut key = OpenedKey::for_reading(call, &names.namespace);
        // A key of another type has taken its place.
        let known = key.value(name).ok().flatten().map(|value| &value.namespace);
        let is_here = known.is_some()
            && (!may_be_of_another_node(known, local, &moment) || names.namespace.is_of_this_node());
        if !is_here {
            Counter::Expired.add(end_overdue_of_missing(local, &moment));
            due.enlist(call.ctx, moment.now.uptime_ms, place);
        }
        Ok(is_here)
    })?;
    if is_here { write(call, name, |_| Ok(())) } else { Ok(()) }
}

/// Whether the server is to be asked for the slot. What is current was made or renewed by the node that owns the slot, and
/// goes when the slot goes.
fn may_be_of_another_node(known: Option<&Namespace>, local: &Local, moment: &Moment) -> bool {
    moment.cluster
        && matches!(Standing::of(known, local, moment), Standing::Missing | Standing::FromElsewhere)
}

/// Judges the namespaces of a write command that names any number of them: nothing may have changed in one when
/// another turns out wrong, and a replica refuses even a command that names none.
pub(crate) fn judge(call: &Call, names: &[&[u8]]) -> Result<()> {
    match names {
        [] => with_state(|state| judge_role(state)),
        // `write` judges it.
        [_] => Ok(()),
        _ => names.iter().try_for_each(|name| {
            with_state(|state| judge_one(state, name))?;
            OpenedKey::for_reading(call, &KeyName::new(name)).value(name).map(drop)
        }),
    }
}

fn judge_role(state: &state::State) -> Result<()> {
    if state.is_replica { Err(Error::Replica) } else { Ok(()) }
}

fn judge_one(state: &state::State, name: &[u8]) -> Result<()> {
    judge_role(state)?;
    judge_tag(state, name)
}

fn judge_tag(state: &state::State, name: &[u8]) -> Result<()> {
    if state.is_cluster { require_hash_tag(name, name) } else { Ok(()) }
}

/// Reads a namespace on behalf of a command that changes nothing. None where there is none, or where on a primary a
/// write command would change keys before it did anything else, by a new epoch or for writers whose leases are over: what
/// it says now would not be true any more.
pub(crate) fn read<T>(
    call: &Call,
    name: &[u8],
    work: impl FnOnce(&Namespace, Now) -> T,
) -> Result<Option<T>> {
    with_state(|state| {
        judge_tag(state, name)?;
        let (is_replica, cluster) = (state.is_replica, state.is_cluster);
        let (place, clock, _) = state.place(call.database(), name);
        let (names, local) = (&place.names, &place.local);
        let mut key = OpenedKey::for_reading(call, &names.namespace);
        let namespace = key.value(name)?.map(|value| &value.namespace);
        let moment = moment(clock, cluster);
        let is_true = is_replica || Standing::of(namespace, local, &moment).keeps_keys(local, &moment);
        Ok(namespace.filter(|_| is_true).map(|namespace| work(namespace, moment.now)))
    })
}

/// Does to a namespace what was done on a primary, or before the server was last started.
pub(crate) fn apply(call: &Call, name: &[u8], effect: &[u8]) -> Result<()> {
    // SAFETY: the context is that of this call.
    let flags = unsafe { api::get_context_flags(call.ctx) }.cast_unsigned();
    if flags & (raw::REDISMODULE_CTX_FLAGS_REPLICATED | raw::REDISMODULE_CTX_FLAGS_LOADING) == 0 {
        return Err(Error::Internal("alkey.apply"));
    }
    let parsed = Effect::parse(effect)?;
    let names = Names::of(name);
    let mut key = OpenedKey::for_reading(call, &names.namespace);
    let mut waste = Waste::default();
    let known = key.value(name)?.map(|value| {
        value.is_seen_at(call.database(), name);
        &mut value.namespace
    });
    if let Some(made) = parsed.apply(known, &mut waste) {
        drop(key);
        drop(OpenedKey::for_creating(call, &names.namespace, made));
    }
    announce_applied(call, &names, effect);
    reaper::free(waste);
    Ok(())
}

/// The transactions in flight in all namespaces of the selected database, oldest first.
pub(crate) fn pending(call: &Call) -> Result<Vec<Pending>> {
    with_state(|state| {
        let now_ms = state.clock.now().uptime_ms;
        let locals = state.locals_of(call.database());
        let mut all: Vec<_> = locals.flat_map(|local| local.flights.pending(now_ms)).collect();
        // Stable, so that those of one age stay in the order of their namespaces.
        all.sort_by_key(|pending| core::cmp::Reverse(pending.age_ms));
        Ok(all)
    })
}

/// Works on what is known of a namespace beside its state.
pub(crate) fn on_local<T>(call: &Call, name: &[u8], work: impl FnOnce(&Local) -> T) -> Result<T> {
    with_state(|state| {
        judge_tag(state, name)?;
        Ok(work(&state.place(call.database(), name).0.local))
    })
}

fn with_state<T>(work: impl FnOnce(&mut state::State) -> Result<T>) -> Result<T> {
    state::with(work).unwrap_or(Err(Error::Defect("a command inside a command")))
}

fn moment(clock: &Clock, cluster: bool) -> Moment {
    Moment { now: clock.now(), term: clock.term, settings: config::settings(), cluster }
}

fn fresh_epoch() -> Epoch {
    Epoch::new(Uuid::new_v4())
}
