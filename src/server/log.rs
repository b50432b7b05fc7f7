//! The only way into the server's log.
//!
//! The server takes what it is given for a `printf` format and ends it at the first NUL, so a name that a user
//! chose could end the server. Here it is data, and escaped.

use super::{api, context};
use std::ffi::CString;

/// Writes a warning, on one line: control characters in it are escaped. The context has it begin with `<alkey>`.
pub(crate) fn warn(line: &str) {
    let escape = |character: char| character.is_control().then(|| character.escape_default());
    let line: String =
        line.chars().map(|c| escape(c).map_or(c.to_string(), |escaped| escaped.to_string())).collect();
    if let Ok(line) = CString::new(line) {
        // SAFETY: the context is ours or null, and both strings end in NUL.
        unsafe { api::log(context::get(), c"warning".as_ptr(), line.as_ptr()) };
    }
}
