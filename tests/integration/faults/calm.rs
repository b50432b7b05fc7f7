//! Nothing fails but writers.

use super::link::Directory;
use super::report::Report;
use super::world::Setup;

/// So many times the reads that there are around a fault elsewhere: about as many writers die then.
const TIMES_READS: u64 = 5;

pub(super) fn only_writers_fail(setup: Setup) -> Report {
    let server = setup.server().start();
    setup.perform(Directory::told(server.port()), |stage| {
        for _ in stage.rounds() {
            stage.until_reads(TIMES_READS * setup.reads);
        }
    })
}
