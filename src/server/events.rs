//! What happens to the whole server that the protocol must know: every change of role, and every exchange of two
//! databases, starts a new term; and what came from elsewhere is entered when a replica comes.

use super::api::{self, Ctx};
use super::{guard, late_type, log, reaper, slots, state};
use crate::protocol::flights::Flights;
use redis_module::raw;
use std::ffi::c_void;

/// Learns the server's role and mode, and listens for changes. To be the last step of a load: Redis 7.0 goes on to call a
/// module that it has refused.
pub(super) fn subscribe(ctx: Ctx) -> Result<(), String> {
    // SAFETY: the context is that of the load.
    let flags = unsafe { api::get_context_flags(ctx) }.cast_unsigned();
    let is_cluster = flags & raw::REDISMODULE_CTX_FLAGS_CLUSTER != 0;
    state::start(flags & raw::REDISMODULE_CTX_FLAGS_SLAVE != 0, is_cluster);
    if is_cluster {
        slots::watch(ctx)?;
    }
    listen(ctx, raw::REDISMODULE_EVENT_REPLICATION_ROLE_CHANGED, on_role_changed)?;
    listen(ctx, raw::REDISMODULE_EVENT_SWAPDB, on_databases_swapped)?;
    listen(ctx, raw::REDISMODULE_EVENT_REPLICA_CHANGE, on_replica)?;
    late_type::subscribe(ctx)
}

pub(super) type Callback = extern "C" fn(Ctx, raw::RedisModuleEvent, u64, *mut c_void);

pub(super) fn listen(ctx: Ctx, id: u64, callback: Callback) -> Result<(), String> {
    let event = raw::RedisModuleEvent { id, dataver: 1 };
    // SAFETY: the callback is a function of the type asked for.
    let listening = unsafe { api::subscribe_to_server_event(ctx, event, Some(callback)) };
    if listening == 0 { Ok(()) } else { Err(format!("the server has no event {id}")) }
}

extern "C" fn on_role_changed(ctx: Ctx, _: raw::RedisModuleEvent, role: u64, _: *mut c_void) {
    let is_replica = role != raw::REDISMODULE_EVENT_REPLROLECHANGED_NOW_MASTER;
    start_term(|state| {
        state.is_replica = is_replica;
        if is_replica {
            return state.forget_flights();
        }
        state.due.enter_all(ctx);
        Vec::new()
    });
}

extern "C" fn on_databases_swapped(ctx: Ctx, _: raw::RedisModuleEvent, _: u64, _: *mut c_void) {
    // An append-only file may hold the command. What is loaded is entered by those who need it.
    // SAFETY: the context is that of the event.
    let is_loading =
        unsafe { api::get_context_flags(ctx) }.cast_unsigned() & raw::REDISMODULE_CTX_FLAGS_LOADING != 0;
    start_term(|state| {
        if !is_loading && !state.is_replica {
            state.due.enter_all(ctx);
        }
        Vec::new()
    });
}

fn start_term(learn: impl FnOnce(&mut state::State) -> Vec<Flights>) {
    let started = guard::run("starting a term", || {
        let forgotten = state::with(|state| {
            state.start_term();
            learn(state)
        });
        forgotten.map(reaper::free_flights)
    });
    if !matches!(started, Ok(Some(()))) {
        log::warn("a term could not be started: keys may be stale until the server is restarted");
    }
}

extern "C" fn on_replica(ctx: Ctx, _: raw::RedisModuleEvent, what: u64, _: *mut c_void) {
    if what == raw::REDISMODULE_SUBEVENT_REPLICA_CHANGE_ONLINE {
        let _ = guard::run("entering what came from elsewhere", || {
            state::with(|state| {
                if !state.is_replica {
                    state.due.enter_all(ctx);
                }
            })
        });
    }
}
