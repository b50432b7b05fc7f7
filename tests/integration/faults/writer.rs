//! Writers: they keep to what is asked of a writer, and otherwise misbehave in every way they can.
//!
//! What is asked: the answer to a RECORD that names everything comes before the database is told to commit, and the
//! database commits within the lease. The deadline is counted from before the RECORD was sent, and held to by the
//! database itself, so that a busy machine can't make a writer break its promise.
//!
//! Like real ones, they record with whoever is the primary and commit with whoever is the primary then.

use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use redis::Cmd;

use super::link::{Link, NoAnswer};
use super::random::Random;
use super::reader::{Manner, Reader};
use super::subject::{Subject, any_change};
use super::world::{Mechanism, Phase, Running, World};

/// A transaction in so many answered reads, on average, for each writer.
const READS_PER_TRANSACTION: u64 = 600;

/// A writer leaves something in flight at most once in so many leases. All else is paced by reads; what is left keeps
/// readers from hits for a time, in which a fast machine would leave more of it than a slow one.
const LEASES_BETWEEN_LEFT_FLIGHTS: u32 = 3;

/// How a transaction ends. In each death the connection is closed, and nothing more is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Commits,
    /// Trusts the server to know what was recorded.
    CommitsWithoutIdentifiers,
    CommitsTwice,
    /// When the lease is long over.
    CommitsLate,
    RollsBack,
    RollsBackSilently,
    /// As if it did not know what became of its transaction.
    RollsBackAndCommits,
    DiesBeforeRecord,
    /// Its RECORD arrives, or doesn't; the database hears no more.
    DiesInRecord,
    DiesAfterRecord,
    /// The database's COMMIT was on its way.
    DiesInDatabaseCommit,
    DiesAfterDatabaseCommit,
    /// Its ALKEY.COMMIT arrives, or doesn't.
    DiesInCommit,
}

impl Fate {
    fn any(random: &mut Random) -> Self {
        match random.below(150) {
            0 => Self::DiesBeforeRecord,
            1 => Self::DiesInRecord,
            2 => Self::DiesAfterRecord,
            3 => Self::DiesInDatabaseCommit,
            4 => Self::DiesAfterDatabaseCommit,
            5 => Self::DiesInCommit,
            6 => Self::CommitsLate,
            7 => Self::RollsBackSilently,
            8 => Self::RollsBackAndCommits,
            9..20 => Self::RollsBack,
            20..31 => Self::CommitsTwice,
            31..42 => Self::CommitsWithoutIdentifiers,
            _ => Self::Commits,
        }
    }

    /// Whether something stays in flight until its lease is over.
    fn leaves_a_flight(self) -> bool {
        matches!(
            self,
            Self::CommitsLate
                | Self::RollsBackSilently
                | Self::DiesInRecord
                | Self::DiesAfterRecord
                | Self::DiesInDatabaseCommit
                | Self::DiesAfterDatabaseCommit
                | Self::DiesInCommit
        )
    }

    /// Whether the database is told to commit.
    fn commits(self) -> bool {
        matches!(
            self,
            Self::Commits
                | Self::CommitsWithoutIdentifiers
                | Self::CommitsTwice
                | Self::CommitsLate
                | Self::DiesInDatabaseCommit
                | Self::DiesAfterDatabaseCommit
                | Self::DiesInCommit
        )
    }
}

pub(super) struct Writer<'a> {
    world: &'a World,
    link: Link<'a>,
    random: Random,
    reader: Reader<'a>,
    /// What its transactions' names begin with.
    name: String,
    transactions: u64,
    /// How many faults there had been when it last recorded.
    recorded_after_faults: u64,
    /// When it may leave something in flight again.
    may_leave_at: Instant,
    /// What is to be sent when a lease is over.
    late: Vec<(Instant, Cmd)>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(world: &'a World, stream: u64) -> Self {
        let random = |stream| Random::new(world.setup.seed, stream);
        Self {
            world,
            link: Link::new(&world.directory),
            random: random(stream),
            reader: Reader::new(world, Manner::Strict, random(stream + 1000)),
            name: format!("{}:tx:{}-{stream}", world.setup.namespace, world.setup.seed),
            transactions: 0,
            recorded_after_faults: 0,
            may_leave_at: Instant::now(),
            late: Vec::new(),
        }
    }

    pub(super) fn run(mut self) {
        while self.world.runs(Running::All) {
            let pause = self.random.below(2 * READS_PER_TRANSACTION);
            self.world.wait_for_reads(pause, Instant::now() + self.world.setup.lease);
            self.send_what_is_late();
            if self.world.does_without(Mechanism::Grace) && self.world.phase() == Phase::Grace {
                // Else readers would be told −1 for another reason, too.
                continue;
            }
            self.transaction();
        }
    }

    fn send_what_is_late(&mut self) {
        let now = Instant::now();
        let (due, not_due) = self.late.drain(..).partition(|(when, _)| *when <= now);
        self.late = not_due;
        for (_, commit) in due {
            self.deliver(&commit);
        }
    }

    /// Sends a commit until it is answered, like a writer that tries again; some time it gives up.
    fn deliver(&mut self, commit: &Cmd) {
        for _ in 0..3 {
            if self.link.call::<u64>(commit).is_ok() {
                self.world.tally.commits.fetch_add(1, Relaxed);
                return;
            }
        }
    }

    fn pause(&mut self, until: Instant) {
        let reads = match self.random.below(16) {
            0..8 => 0,
            8..15 => self.random.below(40),
            _ => self.random.below(400),
        };
        self.world.wait_for_reads(reads, until);
    }

    /// Records, and tells when the lease is over: no later than the server thinks.
    fn record(&mut self, record: &Cmd) -> Result<Instant, NoAnswer> {
        let lease = self.world.lease.read().unwrap_or_else(PoisonError::into_inner);
        let lease_over = Instant::now() + *lease;
        let faults = self.world.tally.faults.load(Relaxed);
        self.link.call::<u64>(record)?;
        self.recorded_after_faults = faults;
        Ok(lease_over)
    }

    fn any_fate(&mut self) -> Fate {
        let fate = Fate::any(&mut self.random);
        if !fate.leaves_a_flight() {
            return fate;
        }
        let now = Instant::now();
        if now < self.may_leave_at {
            return Fate::Commits;
        }
        self.may_leave_at = now + LEASES_BETWEEN_LEFT_FLIGHTS * self.world.setup.lease;
        fate
    }

    fn transaction(&mut self) {
        self.transactions += 1;
        let transaction = format!("{}-{}", self.name, self.transactions);
        let change = any_change(self.world.setup.namespace, &mut self.random);
        let fate = self.any_fate();
        if self.random.one_in(4) {
            self.reader.read_as_of(self.world.database.snapshot());
        }
        if self.world.does_without(Mechanism::WritersKeepOff) {
            self.reader.read_own(change.rows[0], self.transactions);
        }
        if fate == Fate::DiesBeforeRecord {
            return self.link.die();
        }

        let record = with_identifiers("ALKEY.RECORD", &transaction, &change);
        if fate == Fate::DiesInRecord {
            return self.link.send_and_die(&record);
        }
        if self.random.one_in(4) {
            // A first flush, of which the server may never hear.
            let mut first = redis::cmd("ALKEY.RECORD");
            first.arg(&transaction).arg(&change.identifiers[0]);
            if let Ok(lease_over) = self.record(&first) {
                self.pause(lease_over);
            }
        }
        // If nobody can be told, nothing is changed.
        let Ok(mut lease_over) = self.record(&record) else { return };
        self.pause(lease_over);
        if self.random.one_in(8) {
            // The database's COMMIT hangs, so it records again.
            lease_over = self.record(&record).unwrap_or(lease_over);
            self.pause(lease_over);
        }
        self.world.wait_for_fault(lease_over);
        self.decide(fate, &transaction, &change, lease_over);
    }

    fn commit_in_database(&self, change: &Subject, lease_over: Instant) -> bool {
        let spans_a_fault = self.spans_a_fault();
        let committed = self.world.database.commit(&change.rows, lease_over).is_ok();
        self.world.tally.spanning.fetch_add(u64::from(spans_a_fault && committed), Relaxed);
        committed
    }

    /// Whether there was a fault since it last recorded.
    fn spans_a_fault(&self) -> bool {
        self.recorded_after_faults < self.world.tally.faults.load(Relaxed)
    }

    /// The database's decision, and what the writer sends after it.
    fn decide(&mut self, fate: Fate, transaction: &str, change: &Subject, lease_over: Instant) {
        let commit = with_identifiers("ALKEY.COMMIT", transaction, change);
        if fate == Fate::DiesAfterRecord {
            return self.link.die();
        }
        if fate == Fate::DiesInDatabaseCommit {
            self.link.die();
            self.pause(lease_over);
        }
        let committed = fate.commits() && self.commit_in_database(change, lease_over);
        // Of a writer that dies after a fault only grace knows, so many do.
        let dies_after_fault =
            self.spans_a_fault() && (self.world.does_without(Mechanism::Grace) || self.random.one_in(2));
        let dies = matches!(fate, Fate::DiesInDatabaseCommit | Fate::DiesAfterDatabaseCommit);
        if committed && (dies || dies_after_fault) {
            self.world.tally.deaths.fetch_add(1, Relaxed);
            return self.link.die();
        }
        self.pause(lease_over);
        let mut nameless = redis::cmd("ALKEY.COMMIT");
        nameless.arg(transaction);
        match fate {
            Fate::RollsBackSilently => {}
            Fate::RollsBackAndCommits => self.deliver(&commit),
            _ if !committed => {
                let mut discard = redis::cmd("ALKEY.DISCARD");
                discard.arg(transaction);
                drop(self.link.call::<u64>(&discard));
            }
            Fate::CommitsLate => self.late.push((lease_over + self.world.setup.lease, commit)),
            Fate::CommitsWithoutIdentifiers => self.deliver(&nameless),
            Fate::CommitsTwice => {
                self.deliver(&commit);
                self.pause(lease_over);
                self.deliver(&commit);
            }
            Fate::DiesInCommit => {
                self.world.tally.deaths.fetch_add(1, Relaxed);
                self.link.send_and_die(&commit);
            }
            _ => self.deliver(&commit),
        }
    }
}

fn with_identifiers(name: &str, transaction: &str, change: &Subject) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(transaction).arg(&change.identifiers);
    command
}
