//! What an operator relies on: that copies are equal, that numbers are true, that nothing a client sends, and nothing
//! that a full, paused or failing server refuses, does harm.

mod digest;
mod events;
mod flood;
mod history;
mod hostile;
mod info;
mod leases;
mod memory;
mod pauses;
mod random;
mod refusals;
mod steps;
mod tracking;

/// Arguments, each after a space: what `name` makes of each of these numbers.
fn arguments(numbers: std::ops::Range<usize>, name: impl Fn(usize) -> String) -> String {
    numbers.map(name).fold(String::new(), |line, argument| line + " " + &argument)
}
