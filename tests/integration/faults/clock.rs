//! Time does not pass as it should.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::harness::{DEADLINE, Server, wait_until};

use super::flush::command;
use super::link::Directory;
use super::report::Report;
use super::restart::LOST_COMMITS;
use super::world::{Phase, Setup};

const HOUR_SECONDS: i64 = 3600;

/// The process is stopped, for less than a lease and for more, and goes on as if nothing had been.
pub(super) fn stands_still(setup: Setup) -> Report {
    let server = setup.server().start();
    setup.perform(Directory::told(server.port()), |stage| {
        for _ in stage.rounds() {
            for stopped_for in [setup.lease / 2, 2 * setup.lease, setup.lease / 2] {
                stage.until_commits(3);
                stage.fails();
                signal(&server, "STOP");
                stage.world.wait_for_reads(u64::MAX / 2, Instant::now() + stopped_for);
                signal(&server, "CONT");
                stage.world.set_phase(Phase::After);
                stage.goes_on();
                stage.until_reads(setup.reads / 3);
            }
            stage.recovers();
        }
    })
}

fn signal(server: &Server, name: &str) {
    let process = server.process_id().expect("the server runs");
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {process}")]).status();
    assert!(sent.expect("there is a shell").success(), "kill -{name}");
}

/// The wall clock goes back by an hour: while the server runs, before a term begins (by SWAPDB), and while the server
/// is down, to start again from an old dump.
pub(super) fn jumps_back(setup: Setup) -> Report {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut clock = WallClock::make(directory.path());
    let mut server = setup
        .server()
        .environment("LD_PRELOAD", directory.path().join("wall_clock.so"))
        .environment("ALKEY_TEST_CLOCK", directory.path().join("seconds"))
        .start();
    setup.perform(Directory::told(server.port()), |stage| {
        for _ in stage.rounds() {
            stage.world.set_phase(Phase::After);
            stage.happens();
            clock.set(clock.seconds - HOUR_SECONDS);
            // A server may tell the time that it looked up a moment ago.
            wait_until(DEADLINE, "the server's clock is set back", || {
                let off = wall_clock_of(&server) - now() - clock.seconds;
                if off.abs() < HOUR_SECONDS / 2 { Ok(()) } else { Err(off) }
            });
            stage.until_reads(setup.reads / 3);

            stage.fails();
            clock.set(clock.seconds - HOUR_SECONDS);
            command(&server, &["SWAPDB", "0", "1"]);
            stage.recovers();

            command(&server, &["SAVE"]);
            stage.until_commits(LOST_COMMITS);
            stage.fails();
            server.kill9();
            clock.set(clock.seconds - HOUR_SECONDS);
            server.restart();
            stage.recovers();
        }
    })
}

/// The wall clock of a server that has loaded `wall_clock.c`.
struct WallClock<'a> {
    directory: &'a Path,
    seconds: i64,
}

impl<'a> WallClock<'a> {
    fn make(directory: &'a Path) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration/faults/wall_clock.c");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(directory.join("wall_clock.so"))
            .arg(source)
            .status();
        assert!(compiled.expect("a C compiler, as the build needs").success(), "cc wall_clock.c");
        let mut clock = Self { directory, seconds: 0 };
        clock.set(0);
        clock
    }

    fn set(&mut self, seconds: i64) {
        self.seconds = seconds;
        // Never cut short: the server has mapped it.
        let mut how = File::options();
        how.create(true).truncate(false).write(true);
        let file = how.open(self.directory.join("seconds")).expect("a writable directory");
        file.write_all_at(&seconds.to_ne_bytes(), 0).expect("a writable file");
    }
}

fn wall_clock_of(server: &Server) -> i64 {
    let (seconds, _): (i64, i64) =
        redis::cmd("TIME").query(&mut server.connect()).expect("the server tells the time");
    seconds
}

fn now() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().expect("it is after 1970");
    i64::try_from(since.as_secs()).expect("it is before the end of time")
}
