//! Ports for the servers.
//!
//! They are taken from below the range in which the system picks ports for outgoing connections (from 32768
//! on Linux). Else a connection of another test could get the port of a server that is just being restarted.
//! A cluster node also needs its port plus 10000, which is below that range too.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

const FIRST: u32 = 10_000;
const COUNT: u32 = 10_000;

/// A port that was free a moment ago, and that no other test of this process was given lately. Another
/// process may still take it first: then the server can't bind it, and the caller asks for the next one.
pub(crate) fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    for _ in 0..COUNT {
        // Processes that run at the same time start far apart (a prime spreads neighbouring process ids).
        let start = std::process::id().wrapping_mul(7919);
        let nth = start.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + nth).expect("the range ends below 65536");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("none of the ports {FIRST} to {} is free on 127.0.0.1", FIRST + COUNT - 1);
}
