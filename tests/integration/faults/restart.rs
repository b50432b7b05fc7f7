//! A primary that is killed, and starts again from a file that lacks the last commits.

use std::fs::{self, File};
use std::path::PathBuf;

use crate::harness::Server;

use super::link::Directory;
use super::report::Report;
use super::stage::Stage;
use super::world::Setup;

/// Commits that the file lacks, at least.
pub(super) const LOST_COMMITS: u64 = 20;

/// kill −9, and a restart from an older dump.
pub(super) fn from_an_old_dump(setup: Setup) -> Report {
    let mut server = setup.server().start();
    setup.perform(Directory::told(server.port()), |stage| {
        for _ in stage.rounds() {
            assert_eq!(server.resp2().text(&["SAVE"]), "+OK\r\n");
            stage.until_commits(LOST_COMMITS);
            kill_and_restart(stage, &mut server, |_| ());
        }
    })
}

/// kill −9, and a restart from an append-only file whose tail is cut off, in the middle of a command.
pub(super) fn from_a_cut_off_log(setup: Setup) -> Report {
    let mut server = setup.server().config("appendonly", "yes").config("appendfsync", "no").start();
    setup.perform(Directory::told(server.port()), |stage| {
        for mut random in stage.rounds() {
            let length = fs::metadata(log_file(&server)).expect("the file is there").len();
            stage.until_commits(LOST_COMMITS);
            kill_and_restart(stage, &mut server, |server| {
                let log = File::options().write(true).open(log_file(server)).expect("the file is writable");
                let longest = log.metadata().expect("the file is there").len();
                let cut = (length + random.below(40)).min(longest);
                log.set_len(cut).expect("the file can be cut");
            });
        }
    })
}

fn kill_and_restart(stage: &Stage, server: &mut Server, meanwhile: impl FnOnce(&Server)) {
    stage.fails();
    server.kill9();
    meanwhile(server);
    server.restart();
    stage.recovers();
}

/// The part of the append-only file that is being written.
fn log_file(server: &Server) -> PathBuf {
    let directory = fs::read_dir(server.dir().join("appendonlydir")).expect("the directory is there");
    let parts = directory.map(|entry| entry.expect("an entry").path());
    parts
        .filter(|path| path.to_string_lossy().ends_with(".incr.aof"))
        .max_by_key(|path| {
            fs::metadata(path).and_then(|metadata| metadata.modified()).expect("it has a time")
        })
        .expect("there is a part that is being written")
}
