//! A model checker for the promise: a strict reader never gets a stale value, whatever crashes.
//!
//! It explores, in every order, what a few writers, readers and faults can do to each other, for as long as a
//! [`plan::Plan`] lets each act. The server in it is no model: it is [`crate::protocol`], called as the module's
//! commands call it ([`node`]). The database, the cache, the network and the clients around it are modelled
//! ([`world`], [`database`], [`writer`], [`reader`], [`faults`]).
//!
//! Asked of every state and step ([`violation`]):
//!
//! 1. No strict reader returns a value older than a database commit that came before its look-up.
//! 2. If every writer died now and a lease went by, the next command gives no key that leads to an old value: not to
//!    strict readers, nor to relaxed ones that read the database after KEY.
//! 3. A relaxed reader gets no value that was outdated for longer than a lease; nor does one of a replica, if the server's
//!    timer is not late.
//!
//! A writer or reader that dies is one that never acts again, and every state is judged, so death at every step is
//! explored without a step of its own.
//!
//! A model that can't fail proves nothing. So [`tests`] also switches off each mechanism of the protocol and each
//! rule for its clients in turn, and expects a counterexample; and it counts hits, renewals, leases that ran out and
//! floors that rose, none of which may be zero.
//!
//! Why an explorer of its own ([`explore`], a hundred lines): stateright, the checker for Rust, would bring 37 crates, a web
//! server among them, for a depth-first search.

mod controls;
mod database;
mod explore;
mod faults;
mod log;
mod node;
mod plan;
mod reader;
mod sizes;
mod tests;
mod violation;
mod world;
mod writer;
