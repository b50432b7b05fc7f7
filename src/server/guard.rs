//! The guard around everything that the server calls: a panic that reached C would end the user's database.

use super::log;
use crate::protocol::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs what a server's call asks for. A panic, which is a defect of alkey's, becomes an error and a line of log.
#[inline]
pub(super) fn run<T>(what: &'static str, work: impl FnOnce() -> T) -> Result<T, Error> {
    // What a panic leaves half done is the state of one namespace, in which versions only ever grow: what is
    // asserted is that it stays sound to read, not that it is complete.
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        log::warn(&format!("a defect in alkey stopped {what}: {text}"));
        Error::Defect(what)
    })
}
