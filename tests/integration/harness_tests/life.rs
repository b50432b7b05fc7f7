//! A server lives as long as its test, and its crash is the test's failure.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::{env, mem, thread};

use super::{has_ended, panic_of};
use crate::harness::{DEADLINE, Server, wait_until};

#[test]
fn a_dropped_server_has_ended() {
    let server = Server::start();
    let process = server.process_id().unwrap();
    assert!(!has_ended(process));
    drop(server);
    assert!(has_ended(process));
}

#[test]
fn a_server_outlives_the_thread_that_asked_for_it() {
    let server = thread::spawn(Server::start).join().unwrap();
    // By the time that a second one is up, the end of the thread would have ended the first.
    let _second = Server::start();
    assert_eq!(server.resp2().text(&["PING"]), "+PONG\r\n");
}

#[test]
fn no_server_outlives_the_tests() {
    for ending in ["killed", "leaks"] {
        let directory = tempfile::tempdir().unwrap();
        let note = directory.path().join("process-id");
        let mut tests = Command::new(env::current_exe().unwrap())
            .args(["--exact", "harness_tests::life::start_a_server_for_the_test_above", "--ignored"])
            .env("ALKEY_TEST_ENDING", ending)
            .env("ALKEY_TEST_NOTE", &note)
            // What the killed process can't clean up lies in this test's directory.
            .env("TMPDIR", directory.path())
            // Its end tells the process to end, should this test fail before it kills it.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let process: u32 = wait_until(DEADLINE, "the other tests have started a server", || {
            let note = fs::read_to_string(&note).map_err(|error| error.to_string())?;
            note.strip_suffix('\n').and_then(|id| id.parse().ok()).ok_or(note)
        });
        if ending == "killed" {
            assert!(!has_ended(process));
            tests.kill().unwrap();
        }
        assert_eq!(tests.wait().unwrap().success(), ending == "leaks");
        wait_until_ended(process);
    }
}

#[test]
#[ignore = "run by no_server_outlives_the_tests, in a process of its own"]
fn start_a_server_for_the_test_above() {
    let (Ok(ending), Some(note)) = (env::var("ALKEY_TEST_ENDING"), env::var_os("ALKEY_TEST_NOTE")) else {
        return;
    };
    let server = Server::start();
    fs::write(note, format!("{}\n", server.process_id().unwrap())).unwrap();
    mem::forget(server);
    if ending == "killed" {
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    }
}

#[test]
fn a_server_that_crashed_fails_its_test() {
    let server = Server::start();
    server.resp2().send(&["DEBUG", "SEGFAULT"]);
    wait_until_ended(server.process_id().unwrap());
    let message = panic_of(|| drop(server));
    assert!(message.contains("says \"BUG REPORT START\""), "{message}");
}

#[test]
fn a_server_that_was_killed_behind_its_tests_back_fails_it() {
    let server = Server::start();
    let process = server.process_id().unwrap();
    // The shell's own `kill`: the program of that name is not on every machine.
    let killed = Command::new("sh").args(["-c", &format!("kill -KILL {process}")]).status();
    assert!(killed.unwrap().success());
    wait_until_ended(process);
    let message = panic_of(|| drop(server));
    assert!(message.contains("ended by itself, signal: 9"), "{message}");
}

#[test]
fn a_panic_in_the_module_fails_its_test() {
    let server = Server::start();
    // The module's guard answers the caller with an error, so that only this tells of the panic.
    let mut log = File::options().append(true).open(server.dir().join("log")).unwrap();
    log.write_all(b"thread '<unnamed>' panicked at src/lib.rs:1:1:\n").unwrap();
    let message = panic_of(|| drop(server));
    assert!(message.contains("says \"panicked at\""), "{message}");
}

#[track_caller]
fn wait_until_ended(process: u32) {
    wait_until(DEADLINE, "the server has ended", || has_ended(process).then_some(()).ok_or("it runs"));
}
