//! What happens to the whole server that the protocol must know: every change of role, and every exchange of two
//! databases, starts a new term.

use super::api::{self, Ctx};
use super::keys::KeyName;
use super::log;
use super::{guard, state};
use redis_module::raw;
use std::ffi::c_void;

/// Learns the server's role and mode, and listens for changes.
pub(super) fn subscribe(ctx: Ctx) -> Result<(), String> {
    // SAFETY: the context is that of the load.
    let flags = unsafe { api::get_context_flags(ctx) }.cast_unsigned();
    let learned = state::with(|state| {
        state.is_replica = flags & raw::REDISMODULE_CTX_FLAGS_SLAVE != 0;
        state.is_cluster = flags & raw::REDISMODULE_CTX_FLAGS_CLUSTER != 0;
    });
    learned.ok_or("its state is in use")?;
    if flags & raw::REDISMODULE_CTX_FLAGS_CLUSTER != 0 && !KeyName::new(b"").can_ask_for_slot() {
        return Err("in a cluster it asks the server by EXISTS which slots are its own: expected this command \
             under its name, see rename-command"
            .into());
    }
    listen(ctx, raw::REDISMODULE_EVENT_REPLICATION_ROLE_CHANGED, on_role_changed)?;
    listen(ctx, raw::REDISMODULE_EVENT_SWAPDB, on_databases_swapped)
}

type Callback = extern "C" fn(Ctx, raw::RedisModuleEvent, u64, *mut c_void);

fn listen(ctx: Ctx, id: u64, callback: Callback) -> Result<(), String> {
    let event = raw::RedisModuleEvent { id, dataver: 1 };
    // SAFETY: the callback is a function of the type asked for.
    let listening = unsafe { api::subscribe_to_server_event(ctx, event, Some(callback)) };
    if listening == 0 { Ok(()) } else { Err(format!("the server has no event {id}")) }
}

extern "C" fn on_role_changed(_: Ctx, _: raw::RedisModuleEvent, role: u64, _: *mut c_void) {
    start_term(|state| state.is_replica = role != raw::REDISMODULE_EVENT_REPLROLECHANGED_NOW_MASTER);
}

extern "C" fn on_databases_swapped(_: Ctx, _: raw::RedisModuleEvent, _: u64, _: *mut c_void) {
    start_term(|_| ());
}

fn start_term(learn: impl FnOnce(&mut state::State)) {
    let started = guard::run("starting a term", || {
        state::with(|state| {
            learn(state);
            state.start_term();
        })
    });
    if !matches!(started, Ok(Some(()))) {
        log::warn("a term could not be started: keys may be stale until the server is restarted");
    }
}
