//! The only folder that knows the Redis module API, and the only one with unsafe code.
//!
//! What it offers upwards is safe: a [`call::Call`] with arguments and replies, a way into a namespace
//! ([`keyspace`]), and a table of commands to [`register`]. Everything that the server calls goes through
//! [`guard`], so that no panic leaves alkey.

#![expect(unsafe_code, reason = "the module API is a set of C functions")]

pub(crate) mod announce;
mod api;
pub(crate) mod call;
mod clock;
pub(crate) mod config;
mod context;
pub(crate) mod counters;
mod datatype;
mod due;
mod events;
mod guard;
mod info;
mod keys;
pub(crate) mod keyspace;
mod late_type;
pub(crate) mod log;
mod reaper;
pub(crate) mod register;
mod registry;
mod slots;
mod state;

use api::Ctx;
use redis_module::{Context, RedisString, Status};

/// Prepares the module, then lets `commands` register them. What can't be done is logged, and the server then
/// refuses to load the module.
pub(crate) fn load(
    context: &Context,
    arguments: &[RedisString],
    commands: impl FnOnce(&register::Registrar) -> Result<(), String>,
) -> Status {
    let ctx: Ctx = context.ctx;
    if let Some(missing) = api::missing() {
        log::warn(&format!("alkey needs Redis 7.0 or later: this server has no {missing}"));
        return Status::Err;
    }
    context::make(ctx);
    let prepared = guard::run("MODULE LOAD", || {
        // The configuration comes first: it is what an operator may get wrong.
        config::register(ctx, arguments)?;
        datatype::register(ctx)?;
        info::register(ctx)?;
        register::add_category(ctx)?;
        commands(&register::Registrar::new(ctx))?;
        events::subscribe(ctx)
    });
    match prepared.map_err(|panic| panic.text().into_owned()).flatten() {
        Ok(()) => Status::Ok,
        Err(why) => {
            log::warn(&format!("alkey is not loaded: {why}"));
            Status::Err
        }
    }
}
