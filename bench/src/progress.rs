//! What is being done, for whoever waits.

use std::io::{IsTerminal, stderr};

/// Shows this in place of what was shown before. Only on a terminal: a log would have thousands of lines.
pub(crate) fn show(doing: &str) {
    if stderr().is_terminal() {
        eprint!("\r{doing:<78}");
    }
}

/// Says what was done, in place of what was shown.
pub(crate) fn done(what: &str) {
    show("");
    let back = if stderr().is_terminal() { "\r" } else { "" };
    eprintln!("{back}{what}");
}
