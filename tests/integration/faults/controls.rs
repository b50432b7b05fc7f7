//! The tests of this folder without one of the mechanisms, which must find stale strict reads.

use super::calm::only_writers_fail;
use super::world::{Mechanism, Setup};
use super::{cluster, failover, flush, restart, sentinel};

#[test]
fn without_flights_stale_reads_are_found() {
    only_writers_fail(Setup::without("without flights", Mechanism::Flights)).expect_found_out();
}

#[test]
fn without_the_strict_key_stale_reads_are_found() {
    only_writers_fail(Setup::without("without the strict key", Mechanism::StrictKey)).expect_found_out();
}

#[test]
fn without_the_age_of_data_stale_reads_are_found() {
    only_writers_fail(Setup::without("without the age of data", Mechanism::Age)).expect_found_out();
}

#[test]
fn without_writers_that_keep_off_stale_reads_are_found() {
    only_writers_fail(Setup::without("without writers that keep off", Mechanism::WritersKeepOff))
        .expect_found_out();
}

#[test]
fn without_grace_stale_reads_are_found() {
    failover::to_a_replica_cut_off(Setup::without("without grace", Mechanism::Grace)).expect_found_out();
}

#[test]
fn without_epochs_stale_reads_are_found_after_a_restart_from_an_old_dump() {
    restart::from_an_old_dump(Setup::without("without epochs, an old dump", Mechanism::Epochs))
        .expect_found_out();
}

#[test]
fn without_epochs_stale_reads_are_found_after_a_restart_from_a_cut_off_log() {
    restart::from_a_cut_off_log(Setup::without("without epochs, a cut-off log", Mechanism::Epochs))
        .expect_found_out();
}

#[test]
fn without_epochs_stale_reads_are_found_after_a_failover() {
    failover::to_a_replica_cut_off(Setup::without("without epochs, a failover", Mechanism::Epochs))
        .expect_found_out();
}

#[test]
fn without_epochs_stale_reads_are_found_after_a_partial_resync() {
    failover::back_and_forth_by_partial_resync(Setup::without(
        "without epochs, a partial resync",
        Mechanism::Epochs,
    ))
    .expect_found_out();
}

#[test]
fn without_epochs_stale_reads_are_found_after_a_failover_by_sentinel() {
    sentinel::promotes_a_replica(Setup::without("without epochs, Sentinel", Mechanism::Epochs))
        .expect_found_out();
}

#[test]
fn without_epochs_stale_reads_are_found_after_swapped_databases() {
    flush::swapped_databases(Setup::without("without epochs, SWAPDB", Mechanism::Epochs)).expect_found_out();
}

#[test]
fn without_epochs_stale_reads_are_found_after_a_slot_moved() {
    cluster::slot_moves(Setup::without("without epochs, a slot moves", Mechanism::Epochs)).expect_found_out();
}

#[test]
fn without_epochs_stale_reads_are_found_after_a_shard_failed_over() {
    cluster::shard_fails_over(Setup::without("without epochs, a shard", Mechanism::Epochs))
        .expect_found_out();
}
