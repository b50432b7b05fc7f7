//! A server: the namespace, and what its process knows beside it, driven through the calls that the module's commands
//! make. Nothing of the protocol is rewritten here; what a plan switches off is switched off around those calls.

use super::log::Log;
use super::plan::{Mechanism, Plan};
use crate::protocol::effect::{self, Effect};
use crate::protocol::epoch::Epoch;
use crate::protocol::limits::Settings;
use crate::protocol::local::Local;
use crate::protocol::namespace::Namespace;
use crate::protocol::outcome::Outcome;
use crate::protocol::primary::{Moment, Primary, Standing, create, end_overdue_of_missing};
use crate::protocol::term::{ELSEWHERE, Now, Term};
use crate::protocol::waste::Waste;
use core::hash::{Hash, Hasher};
use siphasher::sip::SipHasher13;
use uuid::Uuid;

/// Any time after 1970 that leaves room for clocks that are behind.
const UNIX_START_MS: u64 = 1_000_000;

/// What replicas and files are told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Told {
    Effect(Vec<u8>),
    Flushed,
    /// The effects of a dump, which replace what was there.
    Restored(Vec<Vec<u8>>),
}

/// One process.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) namespace: Option<Namespace>,
    pub(super) local: Local,
    term: Term,
    started_at: u64,
    clock_behind_ms: i64,
}

/// What a command finds: the time, and the operator's setting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) now_ms: u64,
    pub(super) lease_ms: u64,
}

impl Node {
    /// A process that has just started, with nothing.
    pub(super) fn start(setting: Setting, clock_behind_ms: i64) -> Self {
        let term = Term::start(1, 0, setting.lease_ms);
        let started_at = setting.now_ms;
        Self { namespace: None, local: Local::default(), term, started_at, clock_behind_ms }
    }

    /// The role changed. The wall clock is read again.
    pub(super) fn start_term(&mut self, setting: Setting, clock_behind_ms: i64) {
        self.clock_behind_ms = clock_behind_ms;
        let now_ms = self.now(setting.now_ms).uptime_ms;
        self.term = Term::start(self.term.number + 1, now_ms, setting.lease_ms);
    }

    /// The operator set another lease.
    pub(super) fn set_lease(&mut self, setting: Setting) {
        self.term.set_lease(self.now(setting.now_ms).uptime_ms, setting.lease_ms);
    }

    pub(super) fn now(&self, now_ms: u64) -> Now {
        let unix_ms = (UNIX_START_MS + now_ms).checked_add_signed(-self.clock_behind_ms).unwrap();
        Now { unix_ms, uptime_ms: now_ms - self.started_at }
    }

    pub(super) fn clock_behind_ms(&self) -> i64 {
        self.clock_behind_ms
    }

    /// A client's write command: creates and enters the namespace as the module does, and works on it. Returns what
    /// replicas are to be told.
    pub(super) fn write<T>(
        &mut self,
        plan: &Plan,
        setting: Setting,
        epochs: &mut u128,
        log: &mut Log,
        work: impl FnOnce(&mut Primary) -> T,
    ) -> (T, Option<Vec<u8>>) {
        let moment = self.moment(plan, setting);
        self.switch_off(plan, &moment);
        let is_new = self.namespace.is_none();
        let namespace = self.namespace.get_or_insert_with(|| create(fresh(epochs), &mut self.local, &moment));
        let grace_before = self.local.grace;
        let mut outcome = Outcome::default();
        let mut primary =
            Primary::enter(namespace, is_new, &mut self.local, &moment, || fresh(epochs), &mut outcome);
        if plan.without == Some(Mechanism::Grace) {
            primary.local.grace = None;
        }
        let answer = work(&mut primary);
        log.entered(is_new, &outcome, grace_before.is_some() && self.local.grace.is_none());
        log.tally.floors_raised += u64::from(self.has_floors());
        (answer, outcome.effect.bytes().map(<[u8]>::to_vec))
    }

    /// What the server's timer does when a lease or grace is over, or a term has begun.
    pub(super) fn is_due(&self, plan: &Plan, setting: Setting) -> bool {
        let moment = self.moment(plan, setting);
        let is_of_term = self.namespace.as_ref().is_none_or(|namespace| namespace.term == self.term.number);
        !is_of_term || self.local.due_ms().is_some_and(|due_ms| moment.now.uptime_ms >= due_ms)
    }

    /// Ends what is over where there is no namespace.
    pub(super) fn end_overdue_of_missing(&mut self, plan: &Plan, setting: Setting) {
        let moment = self.moment(plan, setting);
        end_overdue_of_missing(&mut self.local, &moment);
    }

    /// The namespace is not this process's any more, though its key stays.
    pub(super) fn lose_slot(&mut self) {
        if let Some(namespace) = &mut self.namespace {
            namespace.term = ELSEWHERE;
        }
    }

    /// Whether rows were dropped for being too many.
    fn has_floors(&self) -> bool {
        let tables = self.namespace.iter().flat_map(|namespace| namespace.tables().values());
        tables.into_iter().any(|table| table.floors().next().is_some())
    }

    fn moment(&self, plan: &Plan, setting: Setting) -> Moment {
        let settings = Settings {
            lease_ms: setting.lease_ms,
            sweep_threshold: 100,
            rows_max: plan.rows_max,
            trust_restored: plan.trusts_restored(),
        };
        let cluster = plan.is_cluster && plan.without != Some(Mechanism::ClusterGrace);
        Moment { now: self.now(setting.now_ms), term: self.term, settings, cluster }
    }

    /// What has to be done before the namespace is entered for a mechanism to be missing.
    fn switch_off(&mut self, plan: &Plan, moment: &Moment) {
        let standing = Standing::of(self.namespace.as_ref(), &self.local, moment);
        let is_from_elsewhere = standing == Standing::FromElsewhere;
        match plan.without {
            Some(Mechanism::Epochs | Mechanism::FirstEpoch) if is_from_elsewhere => {
                if let Some(namespace) = &mut self.namespace {
                    namespace.term = moment.term.number;
                    let lease_ms = moment.settings.lease_ms.max(namespace.lease_ms());
                    self.local.extend_grace(moment.now.uptime_ms + lease_ms);
                }
            }
            Some(Mechanism::Epochs | Mechanism::SecondEpoch) if standing == Standing::GraceOver => {
                self.local.grace = None;
            }
            Some(Mechanism::ExpiryCommits) => {
                let _ = self.local.flights.take_overdue(moment.now.uptime_ms, usize::MAX);
            }
            _ => (),
        }
    }

    /// Does what a primary told.
    pub(super) fn apply(&mut self, told: &Told) {
        match told {
            Told::Effect(bytes) => {
                let effect = Effect::parse(bytes).unwrap();
                if let Some(made) = effect.apply(self.namespace.as_mut(), &mut Waste::default()) {
                    self.namespace = Some(made);
                }
            }
            Told::Flushed => self.namespace = None,
            Told::Restored(dump) => self.load(dump),
        }
    }

    /// What a dump of the namespace holds; nothing if there is none.
    pub(super) fn dump(&self) -> Vec<Vec<u8>> {
        let mut dump = Vec::new();
        if let Some(namespace) = &self.namespace {
            effect::dump(namespace, |bytes| dump.push(bytes.to_vec()));
        }
        dump
    }

    /// Replaces the namespace by what a dump holds.
    pub(super) fn load(&mut self, dump: &[Vec<u8>]) {
        self.namespace = None;
        for bytes in dump {
            self.apply(&Told::Effect(bytes.clone()));
        }
    }

    /// A number for everything about the node on which its behaviour hangs, so that two worlds that behave alike are
    /// explored once.
    pub(super) fn code(&self) -> u64 {
        let mut hasher = SipHasher13::new();
        // Terms are only ever compared with the present one.
        let is_current = self.namespace.as_ref().map(|namespace| namespace.term == self.term.number);
        (is_current, self.term.grace_until_ms, self.started_at, self.clock_behind_ms).hash(&mut hasher);
        if let Some(namespace) = &self.namespace {
            let mut lines: Vec<Vec<u8>> = Vec::new();
            effect::digest(namespace, |pieces| lines.push(pieces.concat()));
            // Maps hand out tables in an order of their own.
            lines.sort_unstable();
            lines.hash(&mut hasher);
        }
        self.local.grace.map(|grace| grace.until_ms).hash(&mut hasher);
        self.local.flights.canonical().hash(&mut hasher);
        hasher.finish()
    }
}

/// Epochs in the order in which they are needed: which one it is makes no difference, as long as it is new.
fn fresh(epochs: &mut u128) -> Epoch {
    *epochs += 1;
    Epoch::new(Uuid::from_u128(*epochs))
}
