//! The only way into the server's log.
//!
//! The server takes what it is given for a `printf` format and ends it at the first NUL, so a name that a user
//! chose could end the server. Here it is data, and escaped.

use super::api::{self, Ctx};
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use redis_module::raw::RedisModuleCtx;
use std::ffi::CString;

/// What tells the server whose lines these are, so that they begin with `<alkey>`. Null before the module is loaded.
static CONTEXT: AtomicPtr<RedisModuleCtx> = AtomicPtr::new(core::ptr::null_mut());

/// Has all lines from now on begin with the name of the module that is loaded in this context.
pub(super) fn begin(ctx: Ctx) {
    // SAFETY: the context is that of the load. What it gives is kept for as long as the module is: for good.
    CONTEXT.store(unsafe { api::get_detached_thread_safe_context(ctx) }, Relaxed);
}

/// Writes a warning, on one line: control characters in it are escaped.
pub(crate) fn warn(line: &str) {
    let escape = |character: char| character.is_control().then(|| character.escape_default());
    let line: String =
        line.chars().map(|c| escape(c).map_or(c.to_string(), |escaped| escaped.to_string())).collect();
    if let Ok(line) = CString::new(line) {
        // SAFETY: the context is ours or null, and both strings end in NUL.
        unsafe { api::log(CONTEXT.load(Relaxed), c"warning".as_ptr(), line.as_ptr()) };
    }
}
