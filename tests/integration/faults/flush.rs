//! The state is emptied or exchanged in mid-flight.

use crate::harness::Server;

use super::link::Directory;
use super::report::Report;
use super::stage::Stage;
use super::world::{Phase, Setup};

/// FLUSHALL, DEL and RENAME of the namespace, many times while all go on. What is in flight is not lost with it, and
/// so there is no grace but after RENAME.
pub(super) fn in_mid_flight(setup: Setup) -> Report {
    let server = setup.server().start();
    setup.perform(Directory::told(server.port()), |stage| {
        for mut random in stage.rounds() {
            stage.world.set_phase(Phase::After);
            for _ in 0..4 {
                stage.happens();
                command(&server, &["FLUSHALL"]);
                stage.until_reads(random.below(setup.reads / 4));
                stage.happens();
                command(&server, &["DEL", "alkey"]);
                stage.until_reads(setup.reads / 4);
            }
            an_old_state_comes_back(
                stage,
                &server,
                &["RENAME", "alkey", "away"],
                &["RENAME", "away", "alkey"],
            );
        }
    })
}

/// SWAPDB, twice: with the second, an old state comes back.
pub(super) fn swapped_databases(setup: Setup) -> Report {
    let server = setup.server().start();
    setup.perform(Directory::told(server.port()), |stage| {
        for _ in stage.rounds() {
            let swap = ["SWAPDB", "0", "1"];
            an_old_state_comes_back(stage, &server, &swap, &swap);
        }
    })
}

/// Takes the state away and, after some commits, puts it back.
fn an_old_state_comes_back(stage: &Stage, server: &Server, away: &[&str], back: &[&str]) {
    stage.fails();
    command(server, away);
    stage.recovers();
    stage.fails();
    command(server, back);
    stage.recovers();
}

pub(super) fn command(server: &Server, command: &[&str]) {
    let reply = server.resp2().text(command);
    assert!(reply.starts_with(['+', ':']), "{command:?}: {reply}");
}
