//! A server under callgrind.
//!
//! Counted is all that the server does from the moment at which it reads a command until the answer is in its buffer
//! (`readQueryFromClient` with all that it calls): parsing, checks, the command, the reply. So is it for each
//! operation alike. What it does at its leisure (timers, writing the buffer out) is not counted, nor what the kernel
//! does. Calls go one by one, so that each is one read.

use super::profile::Profile;
use crate::load::call;
use crate::operation::{Operation, cases};
use crate::server::Server;
use crate::subject::Subject;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs;

/// What one call of an operation about so many rows costs.
pub(super) type Counts = BTreeMap<(Operation, usize), u64>;

/// As many as are looked up in a small table.
const ROWS: u32 = 1000;
/// Functions of the server that callgrind is told to watch. Both are called through pointers, so no compiler can
/// have put them into their callers.
const OPTIONS: [&str; 4] = [
    "--toggle-collect=readQueryFromClient",
    // So that ECHO, sent between two operations, ends one file and begins the next.
    "--dump-before=echoCommand",
    "--compress-strings=no",
    "--compress-pos=no",
];

/// Counts all operations on one server.
pub(super) fn count(mut progress: impl FnMut(usize)) -> Result<Counts> {
    let server = Server::start_counted(&OPTIONS)?;
    let mut counter = Counter { subject: Subject::new(server, ROWS)?, files: 0 };
    let without = counter.profile(|_| Ok(()))?;
    let block_in_software = counter.block_in_software()?;
    let mut counts = Counts::new();
    for (operation, rows) in cases() {
        progress(counts.len());
        // Enough that the odd call, such as one that makes a buffer larger, does not weigh.
        let calls: u32 = if rows < 100 { 50 } else { 10 };
        counter.subject.enter(operation, rows)?;
        let warm = counter.subject.load(operation, rows, 5);
        warm.send_singly(&mut counter.subject.connection)?;
        let load = counter.subject.load(operation, rows, usize::try_from(calls)?);
        let profile = counter.profile(|subject| load.send_singly(&mut subject.connection).map(drop))?;
        counter.subject.leave(operation)?;
        counts.insert((operation, rows), profile.per_call(&without, u64::from(calls), block_in_software));
    }
    Ok(counts)
}

struct Counter {
    subject: Subject,
    /// How many callgrind has written.
    files: usize,
}

impl Counter {
    /// The profile of what is done.
    fn profile(&mut self, work: impl FnOnce(&mut Subject) -> Result<()>) -> Result<Profile> {
        self.next_file()?;
        work(&mut self.subject)?;
        self.next_file()
    }

    /// Has callgrind write what it counted since the last time.
    fn next_file(&mut self) -> Result<Profile> {
        call(&mut self.subject.connection, &["ECHO", "."])?;
        self.files += 1;
        let path = self.subject.server.directory().join(format!("profile.{}", self.files));
        let profile = Profile::read(&path);
        fs::remove_file(&path).with_context(|| format!("callgrind wrote no {}", path.display()))?;
        profile
    }

    /// What a block of SHA-256 costs here: what a value of 64 bytes more takes.
    fn block_in_software(&mut self) -> Result<u64> {
        let mut hashing_of = |bytes: usize| {
            let value = "v".repeat(bytes);
            self.profile(|subject| call(&mut subject.connection, &["ALKEY.KEY", &value]).map(drop))
        };
        let block = hashing_of(128)?.hashing_beyond(&hashing_of(64)?);
        ensure!(
            block > 0,
            "callgrind found no function of the module that compresses: was its name changed, or was it inlined?"
        );
        Ok(block)
    }
}
