//! Readers: strict ones, and two kinds of relaxed ones that share the cache with them.
//!
//! One thread plays many readers: each read is taken a step at a time (look up, look into the cache, read the
//! database, store), and between any two steps it may be put off while others go on. So a value may be stored long
//! after it was read, and read long after its key was asked for, without anybody sleeping.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use redis::Cmd;

use super::database::{Snapshot, UNCOMMITTED, Version};
use super::link::{Link, NoAnswer};
use super::random::Random;
use super::subject::Subject;
use super::world::{Mechanism, Phase, Running, Values, World};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Uses LOOKUP and obeys its rules. May read the database as a snapshot shows it that is older than the key.
    Strict,
    /// Uses KEY, and reads the database after it.
    Relaxed,
    /// Uses KEY, and breaks the rule: it reads the database as an older snapshot shows it.
    Careless,
}

/// What a reader sees of the database.
#[derive(Clone, Copy)]
pub(super) enum View {
    /// What is committed when it reads.
    Latest,
    Snapshot(Snapshot),
    /// The changes of its own transaction, which is not committed.
    Own(Version),
}

enum Step {
    LookIntoCache,
    ReadDatabase,
    Store(Values),
}

/// A read that has its key.
struct Read<'a> {
    subject: &'a Subject,
    manner: Manner,
    view: View,
    phase: Phase,
    key: String,
    settled_ms: i64,
    /// The last commit of the database, and the moment, before the key was asked for.
    last_commit: Version,
    asked_at: Instant,
    step: Step,
}

pub(super) struct Reader<'a> {
    world: &'a World,
    link: Link<'a>,
    random: Random,
    manner: Manner,
    snapshot: Snapshot,
    put_off: Vec<Read<'a>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(world: &'a World, manner: Manner, random: Random) -> Self {
        let snapshot = world.database.snapshot();
        Self { world, link: Link::new(&world.directory), random, manner, snapshot, put_off: Vec::new() }
    }

    pub(super) fn run(mut self) {
        while self.world.runs(Running::Readers) {
            self.go_on();
        }
    }

    fn go_on(&mut self) {
        if !self.put_off.is_empty() && self.random.one_in(3) {
            let chosen = self.random.index(self.put_off.len());
            let read = self.put_off.swap_remove(chosen);
            return self.proceed(read, true);
        }
        if self.random.one_in(30) {
            self.snapshot = self.world.database.snapshot();
        }
        let subjects = &self.world.subjects;
        let (subject, is_old) = match self.manner {
            Manner::Strict => (subjects.any(&mut self.random), self.random.one_in(4)),
            Manner::Relaxed => (subjects.any_plain(&mut self.random), false),
            Manner::Careless => (subjects.any_pair(&mut self.random), true),
        };
        self.read(subject, if is_old { View::Snapshot(self.snapshot) } else { View::Latest }, true);
    }

    /// Begins a read, and may put off the rest of it.
    fn read(&mut self, subject: &'a Subject, view: View, may_put_off: bool) {
        if let Some(read) = self.ask_for_key(subject, view) {
            self.proceed(read, may_put_off);
        }
    }

    /// Reads what is of interest to a writer before it writes.
    pub(super) fn read_as_of(&mut self, snapshot: Snapshot) {
        let subject = self.world.subjects.any(&mut self.random);
        self.read(subject, View::Snapshot(snapshot), false);
    }

    /// Reads a row that its own transaction has changed: what a writer must not do.
    pub(super) fn read_own(&mut self, row: usize, transaction: u64) {
        let subject = &self.world.subjects.plain[row];
        self.read(subject, View::Own(UNCOMMITTED | transaction), false);
    }

    /// The key, if the reader may use the cache.
    fn ask_for_key(&mut self, subject: &'a Subject, view: View) -> Option<Read<'a>> {
        let world = self.world;
        let (phase, manner) = (world.phase(), self.manner);
        let (last_commit, asked_at) = (world.database.last_commit(), Instant::now());
        let (key, settled_ms) = match manner {
            Manner::Strict => self.look_up(subject),
            Manner::Relaxed | Manner::Careless => {
                self.link.call(&command("ALKEY.KEY", subject)).map(|key| (key, 0))
            }
        }
        .ok()?;
        let counts = world.tally.of(phase);
        world.tally.reads.fetch_add(1, Relaxed);
        if manner == Manner::Strict { &counts.strict } else { &counts.relaxed }.fetch_add(1, Relaxed);
        let read = Read {
            subject,
            manner,
            view,
            phase,
            key,
            settled_ms,
            last_commit,
            asked_at,
            // What a writer has changed it does not find in the cache, so it would fill it.
            step: if matches!(view, View::Own(_)) { Step::ReadDatabase } else { Step::LookIntoCache },
        };
        (manner != Manner::Strict || self.may_use_cache(&read)).then_some(read)
    }

    fn look_up(&mut self, subject: &Subject) -> Result<(String, i64), NoAnswer> {
        let look_up = command("ALKEY.LOOKUP", subject);
        let (key, settled): (String, Option<i64>) = if self.world.does_without(Mechanism::StrictKey) {
            // Both in one transaction, so that nothing but the key itself is wrong.
            let mut both = redis::pipe();
            both.atomic().add_command(look_up).add_command(command("ALKEY.KEY", subject));
            let ((_, _, _, settled), key): ((String, String, String, Option<i64>), String) =
                self.link.call_all(&both)?;
            (key, settled)
        } else {
            let (_, key, _, settled): (String, String, String, Option<i64>) = self.link.call(&look_up)?;
            (key, settled)
        };
        Ok((key, settled.expect("a key of identifiers depends on something")))
    }

    /// The strict reader's rule, just after the answer has come.
    fn may_use_cache(&self, read: &Read) -> bool {
        let age_ms = match read.view {
            View::Snapshot(snapshot) => age_ms(snapshot.before.elapsed()),
            View::Latest | View::Own(_) => 0,
        };
        let counts = self.world.tally.of(read.phase);
        let (obstacle, mechanism) = match read.settled_ms {
            ..0 if read.phase == Phase::Grace && self.world.does_without(Mechanism::Grace) => return true,
            ..0 => (&counts.waits, Mechanism::Flights),
            settled_ms if settled_ms < age_ms => (&counts.too_old, Mechanism::Age),
            _ => return true,
        };
        obstacle.fetch_add(1, Relaxed);
        self.world.does_without(mechanism)
    }

    fn proceed(&mut self, mut read: Read<'a>, may_put_off: bool) {
        loop {
            if may_put_off && self.random.one_in(8) {
                return self.put_off.push(read);
            }
            match read.step {
                Step::LookIntoCache => {
                    if let Some(values) = self.world.cached(&read.key) {
                        return self.judge(&read, &values);
                    }
                    read.step = Step::ReadDatabase;
                }
                Step::ReadDatabase => read.step = Step::Store(self.read_database(&read)),
                Step::Store(values) => return self.world.store(read.key, values),
            }
        }
    }

    fn read_database(&self, read: &Read) -> Values {
        let rows = &read.subject.rows;
        match read.view {
            View::Latest => self.world.database.read(rows, None),
            View::Snapshot(snapshot) => self.world.database.read(rows, Some(&snapshot)),
            View::Own(version) => vec![version; rows.len()],
        }
        .into()
    }

    /// Counts a hit, and what was wrong with it.
    fn judge(&self, read: &Read, values: &Values) {
        let (world, rows) = (self.world, &read.subject.rows);
        let counts = world.tally.of(read.phase);
        match read.manner {
            Manner::Strict => {
                counts.strict_hits.fetch_add(1, Relaxed);
                if !world.database.are_current(rows, values, read.last_commit) {
                    counts.stale.fetch_add(1, Relaxed);
                    world.tell_first_stale(|| self.story(read, values));
                }
            }
            Manner::Relaxed => {
                counts.relaxed_hits.fetch_add(1, Relaxed);
                let stale_for = world
                    .database
                    .replaced_at(rows, values)
                    .and_then(|replaced_at| read.asked_at.checked_duration_since(replaced_at));
                if let Some(stale_for) = stale_for {
                    counts.relaxed_stale.fetch_add(1, Relaxed);
                    let us = u64::try_from(stale_for.as_micros()).expect("a test takes no ages");
                    world.tally.longest_stale_us.fetch_max(us, Relaxed);
                }
            }
            Manner::Careless => {
                counts.relaxed_hits.fetch_add(1, Relaxed);
            }
        }
    }

    fn story(&self, read: &Read, values: &Values) -> String {
        let Read { subject, phase, settled_ms, key, last_commit, .. } = read;
        let replaced_at = self.world.database.replaced_at(&subject.rows, values);
        let replaced = replaced_at.map_or("never committed".to_owned(), |at| {
            format!("replaced {:?} before", read.asked_at.saturating_duration_since(at))
        });
        format!(
            "{} in phase {phase}: {values:?} under {key}, settled for {settled_ms} ms; it was looked up after commit \
             {last_commit}, and had been {replaced}",
            subject.identifiers.join(" ")
        )
    }
}

/// A command about a subject.
pub(super) fn command(name: &str, subject: &Subject) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(&subject.identifiers);
    command
}

/// How old data is, for the comparison with `settled`: rounded up, with a margin for the drift of two clocks.
fn age_ms(age: Duration) -> i64 {
    let us = i64::try_from(age.as_micros()).expect("a test takes no ages");
    (us + us / 1000).div_euclid(1000) + 1 + 2
}
