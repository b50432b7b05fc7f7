//! The commands, seen from a client: what the server tells about them, what they reply, and what comes of them.

pub(crate) mod client;

mod behaviour;
mod errors;
mod flights;
mod limits;
mod replies;
mod server;
mod table;
