//! The server is full.

use crate::harness::{DEADLINE, Server, wait_until};

use super::flush::command;
use super::link::Directory;
use super::report::Report;
use super::world::{Phase, Setup};

/// Other keys on the server, and the bytes of each.
const OTHER_KEYS: u64 = 1000;
const OTHER_BYTES: usize = 1000;

/// Times that the server is short of memory in each round.
const SHORTAGES: u64 = 20;

/// `allkeys-lru`: other keys are written to a server that is full, and now and then one so large that all must go,
/// namespaces too.
pub(super) fn evicts_namespaces(setup: Setup) -> Report {
    let server = setup.server().config("maxmemory-policy", "allkeys-lru").start();
    setup.perform(Directory::told(server.port()), |stage| {
        let mut raw = server.resp2();
        for mut random in stage.rounds() {
            stage.world.set_phase(Phase::After);
            // A write may be refused, when all that is left is in use.
            let mut write_others = |keys| {
                for _ in 0..keys {
                    raw.text(&["SET", &random.next().to_string(), &"x".repeat(OTHER_BYTES)]);
                }
            };
            write_others(OTHER_KEYS);
            let full = server.used_memory().to_string();
            command(&server, &["CONFIG", "SET", "maxmemory", &full]);
            let before = epochs_of(&server);
            for shortage in 0..SHORTAGES {
                write_others(OTHER_KEYS / 10);
                stage.until_reads(setup.reads / 10);
                if shortage % 4 == 0 {
                    stage.happens();
                    wait_until(DEADLINE, "the namespace has been evicted", || {
                        server.resp2().text(&["SET", "large", &"x".repeat(2 * OTHER_BYTES * 1000)]);
                        stage.until_reads(1);
                        if epochs_of(&server) > before + shortage / 4 { Ok(()) } else { Err("it has not") }
                    });
                }
            }
            command(&server, &["CONFIG", "SET", "maxmemory", "0"]);
        }
    })
}

/// How many epochs were begun since the server started.
fn epochs_of(server: &Server) -> u64 {
    let epochs = server.info("alkey", "alkey_new_epochs").expect("the module counts epochs");
    epochs.parse().expect("a number")
}

/// `noeviction`: RECORD is refused, so writers roll back; readers and those who commit go on.
pub(super) fn refuses_to_record(setup: Setup) -> Report {
    let server = setup.server().config("maxmemory-policy", "noeviction").start();
    setup.perform(Directory::told(server.port()), |stage| {
        for mut random in stage.rounds() {
            stage.world.set_phase(Phase::After);
            for _ in 0..10 {
                stage.happens();
                command(&server, &["CONFIG", "SET", "maxmemory", "1"]);
                stage.until_reads(random.below(setup.reads / 5));
                command(&server, &["CONFIG", "SET", "maxmemory", "0"]);
                stage.until_commits(3);
            }
        }
        let refused = server.info("errorstats", "errorstat_OOM");
        assert!(refused.is_some(), "no RECORD was refused");
    })
}
