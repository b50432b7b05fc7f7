//! alkey: cache keys that invalidate themselves, as a Redis module.
//!
//! A cached value is stored under a key that depends on the database rows it was made from. When a row changes, the
//! key changes, and the old value is never asked for again. Writers say what they change with `ALKEY.RECORD` before
//! the database commits and `ALKEY.COMMIT` after it; readers ask `ALKEY.KEY`, or `ALKEY.LOOKUP` if they must never
//! see a stale value.
//!
//! The code has one way down: this table of commands, then [`commands`], then the [`protocol`], which is plain Rust;
//! [`server`] alone knows the module API.

mod commands;
#[cfg(test)]
mod model;
mod protocol;
mod server;

use commands::{
    apply::Apply, commit::Commit, discard::Discard, explain::Explain, help::Help, key::Key, key_ro::KeyRo,
    lookup::Lookup, pending::Pending, record::Record, token::Token, touch::Touch,
};
use redis_module::{Context, RedisString, Status, redis_module};

/// Memory comes from the server, so that it counts in `used_memory` and `maxmemory`.
#[cfg(not(test))]
use redis_module::alloc::RedisAlloc as Allocator;
/// Unit tests have no server.
#[cfg(test)]
use std::alloc::System as Allocator;

/// The version that `MODULE LIST` shows: 1.2.3 as 10203.
const VERSION: i32 = 10_000 * number(env!("CARGO_PKG_VERSION_MAJOR"))
    + 100 * number(env!("CARGO_PKG_VERSION_MINOR"))
    + number(env!("CARGO_PKG_VERSION_PATCH"));

const fn number(digits: &str) -> i32 {
    match i32::from_str_radix(digits, 10) {
        Ok(number) => number,
        Err(_) => 0,
    }
}

/// The table of commands.
fn load(context: &Context, arguments: &[RedisString]) -> Status {
    server::load(context, arguments, |commands| {
        commands.add::<Record>()?;
        commands.add::<Commit>()?;
        commands.add::<Discard>()?;
        commands.add::<Touch>()?;
        commands.add::<Key>()?;
        commands.add::<KeyRo>()?;
        commands.add::<Lookup>()?;
        commands.add::<Token>()?;
        commands.add::<Explain>()?;
        commands.add::<Pending>()?;
        commands.add::<Help>()?;
        commands.add::<Apply>()
    })
}

redis_module! {
    name: "alkey",
    version: VERSION,
    allocator: (Allocator, Allocator),
    data_types: [],
    init: load,
}
