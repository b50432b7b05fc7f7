//! Faults on real servers: readers and writers at work, while servers are killed, restored, promoted and flushed.
//!
//! A small database in the test plays the application's. Strict readers, relaxed readers and writers that die at
//! every step work on it through real connections, and share one cache. Then faults happen. What is promised must
//! hold: no strict read is ever stale, and no relaxed one for longer than a lease.
//!
//! - `database.rs`, `subject.rs`: what is read and written, and the judge of what is stale.
//! - `reader.rs`, `writer.rs`, `link.rs`: those who work, and their way to the primary.
//! - `world.rs`, `stage.rs`, `report.rs`: what they share, how a test runs, and what is expected of it.
//! - The other files: faults. Each is tested for some seconds, and, where the test is ignored, for a hundred thousand
//!   reads and more. `cargo test --release -- --ignored faults` runs the long ones.
//! - `controls.rs`: the same tests without one of the mechanisms. They must find stale reads; else none of these
//!   tests would prove anything.
//!
//! `ALKEY_FAULT_SEED` repeats the schedule of a test: what each reader and writer does, and with which rows. How the
//! system then mixes the threads is another matter.

mod calm;
mod clock;
mod cluster;
mod controls;
mod database;
mod failover;
mod flush;
mod lease;
mod link;
mod memory;
mod random;
mod reader;
mod report;
mod restart;
mod sentinel;
mod stage;
mod subject;
mod world;
mod writer;

use world::Setup;

/// Makes of each fault a short and a long test.
macro_rules! tests {
    ($($name:ident: $file:ident::$fault:ident;)*) => {$(
        mod $name {
            use super::{$file, Setup};

            #[test]
            fn short() {
                $file::$fault(Setup::short(stringify!($name))).expect_sound();
            }

            #[test]
            #[ignore = "takes half a minute: cargo test --release -- --ignored faults"]
            fn long() {
                $file::$fault(Setup::long(stringify!($name))).expect_sound();
            }
        }
    )*};
}

tests! {
    only_writers_fail: calm::only_writers_fail;
    restart_from_an_old_dump: restart::from_an_old_dump;
    restart_from_a_cut_off_log: restart::from_a_cut_off_log;
    failover_to_a_replica_cut_off: failover::to_a_replica_cut_off;
    failover_back_and_forth_by_partial_resync: failover::back_and_forth_by_partial_resync;
    failover_by_sentinel: sentinel::promotes_a_replica;
    cluster_in_which_a_slot_moves: cluster::slot_moves;
    cluster_in_which_a_shard_fails_over: cluster::shard_fails_over;
    flushes_in_mid_flight: flush::in_mid_flight;
    swapped_databases: flush::swapped_databases;
    eviction_of_namespaces: memory::evicts_namespaces;
    no_memory_to_record: memory::refuses_to_record;
    lease_lowered_before_a_failover: lease::is_lowered_before_a_failover;
    clock_that_stands_still: clock::stands_still;
    clock_that_jumps_back: clock::jumps_back;
}
