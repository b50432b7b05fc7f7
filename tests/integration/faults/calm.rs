//! Nothing fails but writers.

use super::link::Directory;
use super::report::Report;
use super::world::Setup;

pub(super) fn only_writers_fail(setup: Setup) -> Report {
    let server = setup.server().start();
    setup.perform(Directory::told(server.port()), |stage| {
        for _ in stage.rounds() {
            stage.until_reads(setup.reads);
        }
    })
}
