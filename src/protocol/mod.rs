//! The protocol: what alkey does, as plain Rust.
//!
//! Nothing here knows Redis, reads a clock or draws a random number: time and randomness are arguments. So the
//! very code that runs in the server also runs in unit tests and in a model checker. It never panics and holds
//! no unsafe code; what callers may get wrong is an [`error::Error`].
//!
//! From the outside in: [`primary`] answers the commands from a namespace and from what this process alone knows
//! of it ([`local`]); [`namespace`], [`table`] and [`rows`] hold the versions; [`digest`] makes keys of them;
//! [`effect`] carries changes to replicas and to disk.

mod allocated;
pub(crate) mod digest;
pub(crate) mod effect;
pub(crate) mod epoch;
pub(crate) mod error;
pub(crate) mod flights;
pub(crate) mod identifier;
pub(crate) mod identifier_set;
pub(crate) mod limits;
pub(crate) mod local;
pub(crate) mod namespace;
pub(crate) mod outcome;
pub(crate) mod parts;
pub(crate) mod primary;
pub(crate) mod rows;
pub(crate) mod stamp;
pub(crate) mod table;
pub(crate) mod term;
pub(crate) mod versions;
pub(crate) mod waste;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
