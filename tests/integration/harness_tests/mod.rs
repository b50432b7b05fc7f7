//! Tests of the harness: what it promises is what every other test relies on.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use crate::harness::{DEADLINE, wait_until};

mod life;
mod module;
mod server;
mod wire;

#[test]
fn waiting_ends_with_the_condition_or_with_the_last_value() {
    let mut attempts = 0..;
    let third = wait_until(DEADLINE, "it is the third attempt", || {
        attempts.next().filter(|attempt| *attempt == 2).ok_or("too early")
    });
    assert_eq!(third, 2);

    let message = panic_of(|| wait_until(Duration::ZERO, "hell freezes", || Err::<(), _>("still warm")));
    assert_eq!(message, "waited 0ns in vain until hell freezes; at last: \"still warm\"");
}

/// Whether the process is gone, or only waits for its parent to learn its status.
fn has_ended(process: u32) -> bool {
    let process = Path::new("/proc").join(process.to_string());
    let Ok(stat) = fs::read_to_string(process.join("stat")) else {
        return true;
    };
    // The state follows the program's name, which is in parentheses and may itself contain some.
    let state = stat.rsplit(") ").next().and_then(|fields| fields.chars().next());
    // The first thread can be dead before the others are. Only with the last does the process end.
    let threads = fs::read_dir(process.join("task")).map_or(0, Iterator::count);
    state == Some('Z') && threads <= 1
}

/// The message with which `action` panics.
#[track_caller]
fn panic_of<T>(action: impl FnOnce() -> T) -> String {
    let payload = catch_unwind(AssertUnwindSafe(action)).err().expect("it panics");
    *payload.downcast::<String>().expect("the message is formatted")
}
