//! On Redis 7.0: the data type of a module that is loaded while the server runs is made a moment later.
//!
//! A server that finds a setting it doesn't know after the load, in MODULE LOADEX, means to unload the module again, and
//! can't once that has a data type: it answers an error and keeps the module. Redis 7.0 lets a module make its type at any
//! time. Later servers don't, and unload all the same (Redis 8) or crash over it (docs/operations.md).

use super::api::{self, Ctx};
use super::{datatype, events, guard, log};
use redis_module::raw;
use std::ffi::{c_int, c_void};

/// Whether the data type is better made once the server has accepted the module. At its start a server needs it at once,
/// to load what was saved; then nobody is connected yet.
pub(super) fn is_wanted(ctx: Ctx) -> bool {
    api::makes_types_after_load() && has_clients(ctx)
}

fn has_clients(ctx: Ctx) -> bool {
    // SAFETY: the context is that of the load, and the text ends in NUL.
    let info = unsafe { api::get_server_info(ctx, c"clients".as_ptr()) };
    let mut error: c_int = 0;
    // SAFETY: the server gave the information, the text ends in NUL, and the error is a place of ours.
    let count = unsafe { api::server_info_get_unsigned(info, c"connected_clients".as_ptr(), &raw mut error) };
    // SAFETY: the information is ours, and is not used any more.
    unsafe { api::free_server_info(ctx, info) };
    count > 0
}

/// Waits for the server to have accepted the module, if there is anything left to do then.
pub(super) fn subscribe(ctx: Ctx) -> Result<(), String> {
    if datatype::kind().is_null() {
        events::listen(ctx, raw::REDISMODULE_EVENT_EVENTLOOP, on_event_loop)
    } else {
        Ok(())
    }
}

/// The data type, made if it wasn't yet: commands may come in one piece with MODULE LOAD.
#[inline]
pub(super) fn kind(ctx: Ctx) -> *mut raw::RedisModuleType {
    if datatype::kind().is_null() {
        make(ctx);
    }
    datatype::kind()
}

#[cold]
fn make(ctx: Ctx) {
    let made = guard::run("making the data type", || datatype::make(ctx));
    if let Ok(Err(why)) = made {
        log::warn(&format!("alkey can hold nothing until the server is restarted: {why}"));
    }
}

extern "C" fn on_event_loop(ctx: Ctx, _: raw::RedisModuleEvent, _: u64, _: *mut c_void) {
    if datatype::kind().is_null() {
        make(ctx);
        // SAFETY: the context is that of the event; the callback is a function of the type asked for.
        unsafe { api::create_timer(ctx, 0, Some(unsubscribe), core::ptr::null_mut()) };
    }
}

/// Not while the server goes through those who listen.
extern "C" fn unsubscribe(ctx: Ctx, _: *mut c_void) {
    let event = raw::RedisModuleEvent { id: raw::REDISMODULE_EVENT_EVENTLOOP, dataver: 1 };
    // SAFETY: the context is that of the timer; without a callback there is no more to be called.
    unsafe { api::subscribe_to_server_event(ctx, event, None) };
}
