//! The way into a namespace: opens the key that holds its state, lets the protocol work on it, and tells replicas,
//! the append-only file and whoever watches what came of it.

use super::api::{self, Key, Str};
use super::call::Call;
use super::clock::Clock;
use super::{config, datatype, reaper, state};
use crate::protocol::effect::Effect;
use crate::protocol::epoch::Epoch;
use crate::protocol::error::{Error, Result};
use crate::protocol::flights::Pending;
use crate::protocol::identifier::require_hash_tag;
use crate::protocol::local::Local;
use crate::protocol::namespace::Namespace;
use crate::protocol::outcome::Outcome;
use crate::protocol::primary::{Moment, Primary, Standing, create};
use crate::protocol::waste::Waste;
use redis_module::raw;
use std::ffi::{c_char, c_int};
use std::marker::PhantomData;
use uuid::Uuid;

/// The one internal command: see [`crate::commands::apply`].
pub(crate) const APPLY: &std::ffi::CStr = c"alkey.apply";

/// Works on a namespace on behalf of a client's write command, which may create, renew and expire things in it.
pub(crate) fn write<T>(call: &Call, name: &[u8], work: impl FnOnce(&mut Primary) -> Result<T>) -> Result<T> {
    with_state(|state| {
        judge_one(state, name)?;
        let key_name = KeyName::new(call, name);
        let mut key = OpenedKey::for_reading(&key_name);
        let cluster = state.is_cluster;
        state.on_local(database(call), name, |local, clock| {
            let moment = moment(clock, cluster);
            let is_new = key.namespace(name)?.is_none();
            if is_new {
                key = OpenedKey::for_creating(&key_name, create(fresh_epoch(), local, &moment));
            }
            let Some(namespace) = key.namespace(name)? else {
                return Err(Error::Defect("opening a key that was just set"));
            };
            let mut outcome = Outcome::default();
            let mut primary = Primary::enter(namespace, is_new, local, &moment, fresh_epoch, &mut outcome);
            let answer = work(&mut primary);
            if let Some(bytes) = outcome.effect.bytes() {
                key_name.tell(bytes);
            }
            reaper::free(outcome.waste);
            answer
        })
    })
}

/// What judges a namespace without touching it, for commands that name several: nothing may have changed in one
/// when another turns out wrong.
pub(crate) fn judge(call: &Call, names: &[&[u8]]) -> Result<()> {
    if names.len() < 2 {
        // `write` judges the one it enters.
        return Ok(());
    }
    names.iter().try_for_each(|name| {
        with_state(|state| judge_one(state, name))?;
        OpenedKey::for_reading(&KeyName::new(call, name)).namespace(name).map(drop)
    })
}

fn judge_one(state: &state::State, name: &[u8]) -> Result<()> {
    if state.is_replica {
        return Err(Error::Replica);
    }
    judge_tag(state, name)
}

fn judge_tag(state: &state::State, name: &[u8]) -> Result<()> {
    if state.is_cluster { require_hash_tag(name, name) } else { Ok(()) }
}

/// Reads a namespace on behalf of a command that changes nothing. None where there is none, or where on a primary a
/// write command would give it a new epoch: what it says now would not be true for long.
pub(crate) fn read<T>(call: &Call, name: &[u8], work: impl FnOnce(&Namespace) -> T) -> Result<Option<T>> {
    with_state(|state| {
        judge_tag(state, name)?;
        let key_name = KeyName::new(call, name);
        let mut key = OpenedKey::for_reading(&key_name);
        let (is_replica, cluster) = (state.is_replica, state.is_cluster);
        let namespace = key.namespace(name)?;
        state.on_local(database(call), name, |local, clock| {
            let current = is_replica
                || Standing::of(namespace.as_deref(), local, &moment(clock, cluster)) == Standing::Current;
            Ok(namespace.filter(|_| current).map(|namespace| work(namespace)))
        })
    })
}

/// Does to a namespace what was done on a primary, or before the server was last started.
pub(crate) fn apply(call: &Call, name: &[u8], effect: &[u8]) -> Result<()> {
    // SAFETY: the context is that of this call.
    let flags = unsafe { api::get_context_flags(call.ctx) }.cast_unsigned();
    if flags & (raw::REDISMODULE_CTX_FLAGS_REPLICATED | raw::REDISMODULE_CTX_FLAGS_LOADING) == 0 {
        return Err(Error::Internal("ALKEY.APPLY"));
    }
    let parsed = Effect::parse(effect)?;
    let key_name = KeyName::new(call, name);
    let mut key = OpenedKey::for_reading(&key_name);
    let mut waste = Waste::default();
    if let Some(made) = parsed.apply(key.namespace(name)?, &mut waste) {
        drop(key);
        drop(OpenedKey::for_creating(&key_name, made));
    }
    key_name.tell(effect);
    reaper::free(waste);
    Ok(())
}

/// The transactions in flight in all namespaces of the selected database, oldest first.
pub(crate) fn pending(call: &Call) -> Result<Vec<Pending>> {
    with_state(|state| {
        let now_ms = state.clock.now().uptime_ms;
        let locals = state.locals_of(database(call));
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
        Ok(state.on_local(database(call), name, |local, _| work(local)))
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

fn database(call: &Call) -> c_int {
    // SAFETY: the context is that of this call.
    unsafe { api::get_selected_db(call.ctx) }
}

/// The name of a key, as a string of the server's.
struct KeyName<'a> {
    call: &'a Call<'a>,
    string: Str,
}

impl<'a> KeyName<'a> {
    fn new(call: &'a Call<'a>, name: &[u8]) -> Self {
        // SAFETY: the context is that of this call; the server copies the bytes.
        let string = unsafe { api::create_string(call.ctx, name.as_ptr().cast::<c_char>(), name.len()) };
        Self { call, string }
    }

    /// Tells replicas, the append-only file and whoever watches the key that it changed, and how.
    fn tell(&self, effect: &[u8]) {
        let name = super::call::bytes(self.string);
        // SAFETY: the context is that of this call, and the command's name ends in NUL.
        unsafe { api::replicate_two(self.call.ctx, APPLY.as_ptr(), name, effect) };
        // SAFETY: the context is that of this call, and the string is ours.
        unsafe { api::signal_modified_key(self.call.ctx, self.string) };
    }
}

impl Drop for KeyName<'_> {
    fn drop(&mut self) {
        // SAFETY: the string was made in `new`, and the server keeps references of its own.
        unsafe { api::free_string(self.call.ctx, self.string) };
    }
}

/// A key, opened. It is always opened for reading first: to open one for writing trips whoever watches it, even if
/// nothing is written.
struct OpenedKey<'a> {
    /// Null where there is no such key.
    key: Key,
    name: PhantomData<&'a KeyName<'a>>,
}

impl<'a> OpenedKey<'a> {
    fn for_reading(name: &'a KeyName) -> Self {
        Self::open(name, raw::REDISMODULE_READ)
    }

    /// Opens a key that doesn't exist, and puts a namespace there.
    fn for_creating(name: &'a KeyName, namespace: Namespace) -> Self {
        let opened = Self::open(name, raw::REDISMODULE_READ | raw::REDISMODULE_WRITE);
        let value = Box::into_raw(Box::new(namespace));
        // SAFETY: the key is open for writing; the type is the one whose values these are.
        let set = unsafe { api::module_type_set_value(opened.key, datatype::kind(), value.cast()) };
        if set != 0 {
            // SAFETY: the server refused the value, so it is still ours.
            drop(unsafe { Box::from_raw(value) });
        }
        opened
    }

    fn open(name: &'a KeyName, mode: u32) -> Self {
        // SAFETY: the context is that of this call, and the string is ours.
        let key = unsafe { api::open_key(name.call.ctx, name.string, mode.cast_signed()) };
        Self { key, name: PhantomData }
    }

    /// The namespace that the key holds, or none, or an error if it holds something else.
    fn namespace(&mut self, name: &[u8]) -> Result<Option<&mut Namespace>> {
        if self.key.is_null() {
            return Ok(None);
        }
        // SAFETY: the key is open.
        let kind = unsafe { api::key_type(self.key) };
        if kind as isize == raw::REDISMODULE_KEYTYPE_EMPTY {
            return Ok(None);
        }
        // SAFETY: the key is open.
        let kind = unsafe { api::module_type_get_type(self.key) };
        if kind.is_null() || kind != datatype::kind() {
            return Err(Error::WrongType(name.to_vec()));
        }
        // SAFETY: the key is open, and a value of this type is what was set as one.
        let value = unsafe { api::module_type_get_value(self.key) }.cast::<Namespace>();
        // SAFETY: only one command runs at a time, it has one reference to the value through this key, and the
        // value lives at least as long as the key is open.
        Ok(unsafe { value.as_mut() })
    }
}

impl Drop for OpenedKey<'_> {
    fn drop(&mut self) {
        // SAFETY: the key is open or null, which the server passes over.
        unsafe { api::close_key(self.key) };
    }
}
