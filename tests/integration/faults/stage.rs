//! Runs a test: starts readers and writers, lets the test's own faults happen among them, and judges the outcome.

use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{panic, thread};

use crate::harness::{Builder, DEADLINE, Server, wait_until};

use super::link::{Directory, Link};
use super::random::{Random, seed};
use super::reader::{Manner, Reader, command};
use super::report::{Report, hits_are_enough};
use super::subject::Subject;
use super::world::{Mechanism, Phase, Running, Setup, USUAL_LEASE, WRITERS, World};
use super::writer::Writer;

const READERS: [Manner; 5] =
    [Manner::Strict, Manner::Strict, Manner::Strict, Manner::Relaxed, Manner::Careless];

/// Long enough for all reads of a phase on a busy machine.
const PHASE_DEADLINE: Duration = Duration::from_secs(180);

/// Strict reads that warm the cache before anything is counted as calm.
const WARMING_READS: u64 = 1000;

/// Strict reads after a fault before those writers go on that have waited for it.
const READS_BEFORE_WRITERS: u64 = 400;

/// Hits that each fault must be followed by.
const HITS_AFTER_FAULT: u64 = 1000;

impl Setup {
    /// A test that is over in seconds, also in a debug build.
    pub(super) fn short(name: &'static str) -> Self {
        let (lease, namespace) = (USUAL_LEASE, "alkey");
        Self { name, seed: seed(), lease, rounds: 1, reads: 4000, without: None, namespace }
    }

    /// A test of a hundred thousand strict reads and more.
    pub(super) fn long(name: &'static str) -> Self {
        Self { rounds: 5, reads: 28_000, ..Self::short(name) }
    }

    /// Whether there is more than one round.
    pub(super) fn is_long(&self) -> bool {
        self.rounds > 1
    }

    /// A test without one of the mechanisms: it ends when it has found out.
    pub(super) fn without(name: &'static str, mechanism: Mechanism) -> Self {
        Self { rounds: 20, without: Some(mechanism), ..Self::short(name) }
    }

    /// Another lease than usual.
    pub(super) fn with_lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// Another namespace than usual.
    pub(super) fn with_namespace(self, namespace: &'static str) -> Self {
        Self { namespace, ..self }
    }

    /// A server for this test.
    pub(super) fn server(&self) -> Builder {
        let trusts = self.without == Some(Mechanism::Epochs);
        Server::builder()
            .module_arg("lease-ms", &self.lease.as_millis().to_string())
            .module_arg("trust-restored", if trusts { "yes" } else { "no" })
    }

    /// Runs readers and writers for as long as `faults` takes, and then waits until all is quiet.
    pub(super) fn perform(self, directory: Directory, faults: impl FnOnce(&Stage)) -> Report {
        let world = World::new(self, directory);
        let _turn = one_at_a_time();
        eprintln!("faults: {}: ALKEY_FAULT_SEED={} repeats its schedule", self.name, self.seed);
        thread::scope(|scope| {
            // Whatever happens below, the threads end.
            let stop = StopsAll(&world);
            for (stream, manner) in (0..).zip(READERS) {
                let reader = Reader::new(&world, manner, Random::new(self.seed, stream));
                scope.spawn(|| reader.run());
            }
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let writer = Writer::new(&world, 100 + writer);
                    scope.spawn(|| writer.run())
                })
                .collect();
            let stage = Stage { world: &world };
            faults(&stage);
            stage.until_hits_percent();
            world.stop(Running::Readers);
            for writer in writers {
                writer.join().unwrap_or_else(|reason| panic::resume_unwind(reason));
            }
            if self.without.is_none() && world.tally.stale() == 0 {
                expect_quiet(&world);
            }
            drop(stop);
        });
        Report::new(world)
    }
}

/// Each of these tests has eight threads and some servers of its own: two at once would only wait.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

struct StopsAll<'a>(&'a World);

impl Drop for StopsAll<'_> {
    fn drop(&mut self) {
        self.0.stop(Running::Nobody);
    }
}

/// What the faults of a test have to do with its readers and writers.
pub(super) struct Stage<'a> {
    pub(super) world: &'a World,
}

impl Stage<'_> {
    /// The rounds of the test, after a calm time. A test without one of the mechanisms ends when it has found out.
    pub(super) fn rounds(&self) -> impl Iterator<Item = Random> {
        self.until_grace_is_over(Phase::Cold);
        self.until_reads(WARMING_READS);
        self.world.set_phase(Phase::Calm);
        self.until_reads(self.world.setup.reads);
        self.until_hits_percent();
        let setup = self.world.setup;
        (0..setup.rounds)
            .map(move |round| Random::new(setup.seed, 500 + round as u64))
            .take_while(move |_| !self.has_found_out())
    }

    /// Whether this is a test without one of the mechanisms that has found stale reads.
    fn has_found_out(&self) -> bool {
        self.world.setup.without.is_some() && self.world.tally.stale() > 0
    }

    /// A fault that needs no grace.
    pub(super) fn happens(&self) {
        self.world.tally.faults.fetch_add(1, Relaxed);
    }

    /// A fault begins, from which strict readers get no hits until grace is over. Some writers have recorded
    /// before it, and have the database commit after it.
    pub(super) fn fails(&self) {
        self.world.hold_writers();
        self.happens();
        self.world.set_phase(Phase::Grace);
    }

    /// The servers answer again, though grace may not be over.
    pub(super) fn goes_on(&self) {
        self.until_reads(READS_BEFORE_WRITERS);
        self.world.let_writers_go();
    }

    /// Tells the clients of a primary; `fails` was before, and what the clients knew until now is gone or a replica.
    pub(super) fn primary_is(&self, server: &Server) {
        match &self.world.directory {
            Directory::Told(port) => port.store(server.port(), Release),
            Directory::Sentinels(_) | Directory::Cluster(_) => panic!("they are told by others"),
        }
    }

    /// Waits until grace is over, and then for as many reads as there were before the fault.
    pub(super) fn recovers(&self) {
        self.goes_on();
        self.until_grace_is_over(Phase::After);
        let hits = self.hits();
        self.until_reads(self.world.setup.reads);
        wait_until(PHASE_DEADLINE, "there are enough hits after the fault", || {
            let hits = self.hits() - hits;
            if hits >= HITS_AFTER_FAULT || self.has_found_out() { Ok(()) } else { Err(hits) }
        });
        self.until_hits_percent();
    }

    /// Waits until as many strict reads of this phase were hits as are expected. Mostly they are at once; but a
    /// writer that names everything and dies keeps all readers from hits for a lease, which is long in a short phase.
    fn until_hits_percent(&self) {
        wait_until(PHASE_DEADLINE, "enough of the strict reads are hits", || {
            // One percent more, as some reads are still on their way when the phase ends.
            let enough =
                hits_are_enough(self.world.counts(), self.world.phase(), self.world.setup.is_long(), 1);
            if self.has_found_out() { Ok(()) } else { enough }
        });
    }

    fn hits(&self) -> u64 {
        self.world.tally.total(|counts| &counts.strict_hits)
    }

    /// Waits until grace is over for a row that nobody writes; then the next phase begins.
    pub(super) fn until_grace_is_over(&self, next: Phase) {
        let mut link = Link::new(&self.world.directory);
        let identifiers = vec![format!("{}:untouched#1", self.world.setup.namespace)];
        let untouched = Subject { rows: Vec::new(), identifiers };
        wait_until(DEADLINE, "grace is over", || settled_key(&mut link, &untouched).ok_or("it is not"));
        self.world.set_phase(next);
    }

    /// Waits for so many more answered strict reads.
    pub(super) fn until_reads(&self, reads: u64) {
        self.until_more("strict reads", reads, || self.world.tally.total(|counts| &counts.strict));
    }

    /// Waits for so many more commits that are answered.
    pub(super) fn until_commits(&self, commits: u64) {
        self.until_more("commits", commits, || self.world.tally.commits.load(Relaxed));
    }

    fn until_more(&self, what: &str, more: u64, count: impl Fn() -> u64) {
        let enough = count() + more;
        wait_until(PHASE_DEADLINE, &format!("there are {more} more {what}"), || {
            let so_far = count();
            if so_far >= enough || self.has_found_out() { Ok(()) } else { Err((so_far, enough)) }
        });
    }
}

/// The strict key of a subject, if it is settled.
fn settled_key(link: &mut Link, subject: &Subject) -> Option<String> {
    let (_, key, _, settled): (String, String, String, Option<i64>) =
        link.call(&command("ALKEY.LOOKUP", subject)).ok()?;
    (settled? >= 0).then_some(key)
}

/// Once no writer is left and every lease is over, no key leads to an old value, for relaxed readers as for strict
/// ones.
fn expect_quiet(world: &World) {
    let mut link = Link::new(&world.directory);
    let (plain, pairs) = (&world.subjects.plain, &world.subjects.pairs);
    for subject in plain.iter().chain(pairs) {
        let strict = wait_until(DEADLINE, "all is settled", || {
            settled_key(&mut link, subject).ok_or(&subject.identifiers)
        });
        expect_current(world, subject, &strict);
    }
    for subject in plain {
        let relaxed =
            wait_until(DEADLINE, "there is a key", || link.call::<String>(&command("ALKEY.KEY", subject)));
        expect_current(world, subject, &relaxed);
    }
}

fn expect_current(world: &World, subject: &Subject, key: &str) {
    if let Some(values) = world.cached(key) {
        let current = world.database.read(&subject.rows, None);
        assert_eq!(values[..], current, "all is quiet, and {:?} is old", subject.identifiers);
    }
}
