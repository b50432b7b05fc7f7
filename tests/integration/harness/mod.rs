//! What the integration tests stand on: real redis-servers with the module just built.
//!
//! - [`Server`] starts a server, waits until it answers, and ends it when dropped.
//! - [`Cluster`] starts several, as the shards of a cluster and their replicas.
//! - [`Sentinels`] starts three, to watch a server and its replicas.
//! - [`Raw`] speaks RESP2 or RESP3 byte by byte; [`Server::connect`] gives the client crate's connection.
//! - [`session::Document`] types the sessions in our documents into a shell.
//! - [`wait_until`] is the only way to wait: for a condition, until a deadline. Nothing here sleeps for luck.
//!
//! Two things must hold whatever a test does. No test runs against a module that is not the one just built
//! (`module.rs`), and no server outlives the tests (`process.rs`).

mod builder;
mod cluster;
mod module;
mod port;
mod process;
mod resp;
mod sentinels;
mod server;
pub(crate) mod session;
mod wait;

pub(crate) use builder::Builder;
pub(crate) use cluster::Cluster;
pub(crate) use module::{find_module, module_path};
pub(crate) use port::free_port;
pub(crate) use resp::{Raw, reply_length};
pub(crate) use sentinels::{SENTINEL_SET, Sentinels};
pub(crate) use server::Server;
pub(crate) use wait::{DEADLINE, wait_until};
