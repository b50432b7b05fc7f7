//! A process that serves one namespace of one database, as the server does, and a replica that follows it.
//!
//! Every write command goes through [`Process::write`], which checks that its effect, applied to the replica once
//! and twice, gives the primary's state, and that a command without an effect changed nothing. So each test of
//! anything is a test of effects too.

use crate::protocol::effect::{self, Effect};
use crate::protocol::epoch::Epoch;
use crate::protocol::identifier::{Identifier, Member, Target};
use crate::protocol::limits::Settings;
use crate::protocol::local::Local;
use crate::protocol::namespace::Namespace;
use crate::protocol::outcome::Outcome;
use crate::protocol::primary::{Moment, Primary, create};
use crate::protocol::term::{ELSEWHERE, Now, Term};
use crate::protocol::waste::Waste;
use std::collections::BTreeSet;
use uuid::Uuid;

/// What the wall clock says when a process starts: some time in 2023.
pub(super) const UNIX_MS_AT_START: u64 = 1_700_000_000_000;

/// No limit is met by chance.
pub(super) const ROOMY: Settings =
    Settings { lease_ms: 100, sweep_threshold: 10_000, rows_max: 1_000_000, trust_restored: false };

/// The epoch that is drawn as the n-th.
pub(super) fn epoch(number: u64) -> Epoch {
    Epoch::new(Uuid::from_u128(u128::from(number)))
}

/// An identifier's target, from its `table#row`.
#[track_caller]
pub(super) fn target(identifier: &str) -> Target<'_> {
    member(identifier).target()
}

/// An identifier within its namespace, from its `table#row`.
#[track_caller]
pub(super) fn member(identifier: &str) -> Member<'_> {
    Member::parse(identifier.as_bytes()).expect("an identifier")
}

/// What a strict reader is told of one identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Looked {
    pub(super) epoch: Epoch,
    pub(super) version: u64,
    /// None while it is in flight or in grace.
    pub(super) settled_ms: Option<u64>,
}

#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) namespace: Option<Namespace>,
    pub(super) local: Local,
    pub(super) moment: Moment,
    /// How many epochs were drawn; the last is [`epoch`] of this number.
    pub(super) epochs: u64,
    /// The effect of the last command.
    pub(super) effect: Option<Vec<u8>>,
    pub(super) replica: Option<Namespace>,
}

impl Process {
    /// A process that has just started and found nothing on disk.
    pub(super) fn start(settings: Settings) -> Self {
        let now = Now { unix_ms: UNIX_MS_AT_START, uptime_ms: 0 };
        let term = Term::start(1, 0, settings.lease_ms);
        Self {
            namespace: None,
            local: Local::default(),
            moment: Moment { now, term, settings, cluster: false },
            epochs: 0,
            effect: None,
            replica: None,
        }
    }

    /// A process whose first lease is long over, so that nothing is in grace.
    pub(super) fn settled(settings: Settings) -> Self {
        let mut process = Self::start(settings);
        process.pass(settings.lease_ms + 1);
        process
    }

    pub(super) fn pass(&mut self, ms: u64) {
        self.moment.now.unix_ms += ms;
        self.moment.now.uptime_ms += ms;
    }

    /// Goes to a moment, in milliseconds since the process started.
    #[track_caller]
    pub(super) fn at(&mut self, uptime_ms: u64) -> &mut Self {
        let ms = uptime_ms.checked_sub(self.moment.now.uptime_ms).expect("time doesn't run backwards");
        self.pass(ms);
        self
    }

    /// The role changed, there and back; for the new term the wall clock is read again.
    pub(super) fn start_term(&mut self, unix_ms: u64) {
        let Moment { now, term, settings, .. } = self.moment;
        self.moment.term = Term::start(term.number + 1, now.uptime_ms, settings.lease_ms);
        self.moment.now.unix_ms = unix_ms;
    }

    /// FLUSHALL, DEL or an eviction: what is known beside the state stays.
    pub(super) fn flush(&mut self) {
        self.take_over(None);
    }

    /// The state is one that came from elsewhere: from a dump, an append-only file, a primary.
    pub(super) fn take_over(&mut self, namespace: Option<Namespace>) {
        self.namespace = namespace;
        if let Some(namespace) = &mut self.namespace {
            namespace.term = ELSEWHERE;
        }
        self.replica.clone_from(&self.namespace);
    }

    /// A write command, as the server does it.
    pub(super) fn write<T>(&mut self, work: impl FnOnce(&mut Primary) -> T) -> T {
        let Self { namespace, local, moment, epochs, .. } = self;
        let mut fresh = || {
            *epochs += 1;
            epoch(*epochs)
        };
        let is_new = namespace.is_none();
        let namespace = namespace.get_or_insert_with(|| create(fresh(), local, moment));
        let before = *namespace.epoch();
        let mut outcome = Outcome::default();
        let answer = work(&mut Primary::enter(namespace, is_new, local, moment, fresh, &mut outcome));
        assert_eq!(outcome.is_new_epoch, is_new || before != *namespace.epoch());
        self.effect = outcome.effect.bytes().map(<[u8]>::to_vec);
        if !outcome.committed.is_empty() {
            assert!(self.effect.is_some(), "a commit without an effect");
        }
        self.replicate();
        answer
    }

    fn replicate(&mut self) {
        let ours = self.namespace.as_ref().map(stamps_of);
        let times = if self.effect.is_some() { 2 } else { 1 };
        for _ in 0..times {
            if let Some(bytes) = &self.effect {
                apply(&mut self.replica, bytes);
            }
            let theirs = self.replica.as_ref().map(stamps_of);
            assert_eq!(theirs, ours, "the replica holds something else");
        }
    }

    #[track_caller]
    pub(super) fn record(&mut self, name: &str, identifiers: &[&str]) -> usize {
        self.write(|primary| primary.record(name.as_bytes(), members(identifiers))).expect("room for it")
    }

    pub(super) fn commit(&mut self, name: &str, identifiers: &[&str]) -> usize {
        self.write(|primary| primary.commit(name.as_bytes(), members(identifiers)))
    }

    pub(super) fn discard(&mut self, name: &str) -> usize {
        self.write(|primary| primary.discard(name.as_bytes()))
    }

    pub(super) fn touch(&mut self, identifiers: &[&str]) -> usize {
        self.write(|primary| primary.touch(members(identifiers)))
    }

    /// LOOKUP of one identifier.
    pub(super) fn look(&mut self, identifier: &str) -> Looked {
        self.write(|primary| looked(primary, identifier))
    }

    /// LOOKUP of each of these, at one moment.
    pub(super) fn look_at<'a>(
        &mut self,
        identifiers: impl Iterator<Item = &'a str>,
    ) -> Vec<(&'a str, Looked)> {
        self.write(|primary| {
            identifiers.map(|identifier| (identifier, looked(primary, identifier))).collect()
        })
    }

    /// What LOOKUP would say of what is neither in flight nor in grace, where thousands are asked.
    pub(super) fn look_only(&self, identifier: &str) -> Looked {
        let version = self.state().version(target(identifier));
        Looked { epoch: *self.state().epoch(), version: version.to_bits(), settled_ms: None }
    }

    /// The state, which a command has made.
    #[track_caller]
    pub(super) fn state(&self) -> &Namespace {
        self.namespace.as_ref().expect("a write command made one")
    }
}

fn looked(primary: &Primary, identifier: &str) -> Looked {
    let bytes = format!("alkey:{identifier}").into_bytes();
    let identifier = Identifier::parse(&bytes).expect("an identifier");
    let version = primary.namespace.version(identifier.target());
    let settled_ms = (!primary.unsettled().is(&identifier)).then(|| primary.settled_ms(version));
    Looked { epoch: *primary.namespace.epoch(), version: version.to_bits(), settled_ms }
}

fn members<'a>(identifiers: &'a [&str]) -> impl Iterator<Item = Member<'a>> {
    identifiers.iter().map(|identifier| member(identifier))
}

/// Does what `ALKEY.APPLY` does.
#[track_caller]
pub(super) fn apply(namespace: &mut Option<Namespace>, effect: &[u8]) {
    let effect = Effect::parse(effect).expect("an effect that was written is read");
    if let Some(made) = effect.apply(namespace.as_mut(), &mut Waste::default()) {
        assert!(namespace.is_none(), "a namespace was made beside one that exists");
        *namespace = Some(made);
    }
    assert_eq!(namespace.as_ref().map(|namespace| namespace.term), Some(ELSEWHERE));
}

/// Everything that `DEBUG DIGEST` hashes. Two namespaces with the same are the same.
pub(super) fn stamps_of(namespace: &Namespace) -> BTreeSet<Vec<u8>> {
    let mut all = BTreeSet::new();
    effect::digest(namespace, |pieces| {
        assert!(all.insert(pieces.concat()), "a sequence twice");
    });
    all
}
