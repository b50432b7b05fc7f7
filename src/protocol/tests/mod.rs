//! Tests of the protocol as a whole: what no single file of it promises alone.
//!
//! [`process`] serves a namespace the way the server does, and checks after every command that a replica that was
//! told the effects holds the same. [`oracle`] says what should have come of it, by the plainest means: lists that
//! are searched from end to end, no fingerprints, no floors, no counts.

mod discard;
mod dump;
mod effect;
mod encoding;
mod error;
mod events;
mod flights;
mod namespace;
mod oracle;
mod pending;
mod primary;
mod process;
mod remembered;
mod term;
