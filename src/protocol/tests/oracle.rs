//! What should come of a sequence of commands: flights, terms, grace and versions by the plainest means.
//!
//! A version is found by going through all commits of the epoch; what is in flight, by going through all flights.
//! There are no fingerprints, floors or counts in here, so nothing can be wrong with them.

use super::process::target;
use crate::protocol::primary::Moment;
use std::collections::BTreeMap;

const DAY_MS: u64 = 86_400_000;

/// Whether a commit of one identifier changes the version of the other. It is the same the other way round.
pub(super) fn touches(one: &str, other: &str) -> bool {
    let (one_table, one_row) = one.split_once('#').expect("an identifier");
    let (other_table, other_row) = other.split_once('#').expect("an identifier");
    let everything = one_table == "*" || other_table == "*";
    let same_table = one_table == other_table;
    everything || same_table && (one_row == "*" || other_row == "*" || one_row == other_row)
}

/// For how long LOOKUP says that a version has been the last: by its stamp, but for no longer than this process knows.
pub(super) fn settled_ms(version: u64, since_ms: u64, moment: &Moment) -> u64 {
    let known_ms = moment.now.uptime_ms - since_ms;
    moment.now.unix_ms.saturating_sub(version >> 20).min(known_ms).saturating_sub(1)
}

/// Adds what is not there yet; a row past the threshold, as its table.
fn add(set: &mut Vec<String>, identifier: &str, threshold: usize) -> usize {
    let find = |wanted: &str| set.iter().position(|known| known == wanted);
    if let Some(position) = find(identifier) {
        return position;
    }
    let (table, row) = identifier.split_once('#').expect("an identifier");
    let whole_table = format!("{table}#*");
    let added = if set.len() >= threshold && row != "*" { &whole_table } else { identifier };
    if let Some(position) = find(added) {
        return position;
    }
    set.push(added.to_owned());
    set.len() - 1
}

/// The state of a namespace.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) epoch: u64,
    born: u64,
    last: u64,
    commits: Vec<(u64, Vec<String>)>,
    pub(super) lease_ms: u64,
    pub(super) term: u64,
    /// Since when this process sees all that changes.
    pub(super) since_ms: u64,
}

impl State {
    pub(super) fn version(&self, identifier: &str) -> u64 {
        let is_touched = |set: &[String]| set.iter().any(|committed| touches(committed, identifier));
        let mut commits = self.commits.iter().rev();
        commits.find(|(_, set)| is_touched(set)).map_or(self.born, |(stamp, _)| *stamp)
    }

    /// How many different rows of a table were written since the table was swept.
    pub(super) fn rows_written(&self, table: &str) -> usize {
        let sweep = format!("{table}#*");
        let is_sweep = |identifier: &String| *identifier == sweep || identifier == "*#*";
        // A row that the sweeping commit names as well has no version of its own.
        let since = self.commits.iter().rev().take_while(|(_, set)| !set.iter().any(is_sweep));
        let committed = since.flat_map(|(_, set)| set);
        let mut rows: Vec<&str> = committed.filter_map(|identifier| row_of(identifier, table)).collect();
        rows.sort_unstable();
        rows.dedup();
        rows.len()
    }

    fn commit(&mut self, set: Vec<String>, moment: &Moment) {
        self.last = (self.last + 1).max(moment.now.unix_ms << 20);
        self.commits.push((self.last, set));
    }
}

fn row_of<'a>(identifier: &'a str, table: &str) -> Option<&'a str> {
    identifier.split_once('#').filter(|(of, _)| *of == table).map(|(_, row)| row)
}

/// A transaction.
#[derive(Clone, Debug, Default)]
struct Flight {
    identifiers: Vec<String>,
    /// When the lease of each is over; none when it is not in flight any more.
    until_ms: Vec<Option<u64>>,
    since_ms: u64,
    /// When the last of its leases was over.
    given_up_ms: Option<u64>,
}

impl Flight {
    fn is_old(&self, moment: &Moment) -> bool {
        self.given_up_ms.is_some_and(|since_ms| moment.now.uptime_ms - since_ms > DAY_MS)
    }

    fn in_flight(&self) -> impl Iterator<Item = &str> {
        let all = self.identifiers.iter().zip(&self.until_ms);
        all.filter(|(_, until)| until.is_some()).map(|(identifier, _)| identifier.as_str())
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Oracle {
    pub(super) state: Option<State>,
    flights: BTreeMap<String, Flight>,
    grace_until_ms: Option<u64>,
    epochs: u64,
    /// What was committed since this was last emptied.
    pub(super) committed: Vec<String>,
}

impl Oracle {
    /// What every write command does first.
    pub(super) fn enter(&mut self, moment: &Moment) -> &mut State {
        let now_ms = moment.now.uptime_ms;
        let lease_ms = moment.settings.lease_ms;
        let is_over =
            !moment.settings.trust_restored && self.grace_until_ms.is_some_and(|until| now_ms > until);
        let trust = moment.settings.trust_restored;
        let mut grace = None;
        let renewed;
        if trust {
            self.grace_until_ms = None;
        }
        match &mut self.state {
            None => {
                renewed = true;
                let term_grace_until_ms = moment.term.grace_until_ms;
                if !trust && moment.cluster {
                    grace = Some(now_ms + lease_ms);
                } else if !trust && now_ms <= term_grace_until_ms {
                    grace = Some(term_grace_until_ms);
                }
            }
            Some(state) if state.term != moment.term.number => {
                state.term = moment.term.number;
                state.since_ms = now_ms;
                renewed = !trust;
                grace = (!trust).then(|| now_ms + lease_ms.max(state.lease_ms));
            }
            Some(_) => renewed = is_over,
        }
        if is_over && renewed {
            self.grace_until_ms = None;
        }
        // Grace is never cut short.
        self.grace_until_ms = self.grace_until_ms.max(grace);
        if renewed {
            let in_flight = self.flights.values().flat_map(|flight| flight.until_ms.iter().flatten());
            let last_until_ms = in_flight.chain(&self.grace_until_ms).max().copied().unwrap_or_default();
            self.epochs += 1;
            let born = moment.now.unix_ms << 20;
            self.state = Some(State {
                epoch: self.epochs,
                born,
                last: born,
                commits: Vec::new(),
                lease_ms: last_until_ms.saturating_sub(now_ms),
                term: moment.term.number,
                since_ms: now_ms,
            });
        }
        self.give_up(moment);
        self.state.as_mut().expect("it was just made")
    }

    /// Commits what is overdue.
    fn give_up(&mut self, moment: &Moment) {
        let now_ms = moment.now.uptime_ms;
        let mut overdue: Vec<String> = Vec::new();
        for flight in self.flights.values_mut() {
            for (identifier, until) in flight.identifiers.iter().zip(&mut flight.until_ms) {
                if until.is_some_and(|until| now_ms > until) {
                    *until = None;
                    if !overdue.contains(identifier) {
                        overdue.push(identifier.clone());
                    }
                }
            }
            if flight.given_up_ms.is_none() && flight.until_ms.iter().all(Option::is_none) {
                flight.given_up_ms = Some(now_ms);
            }
        }
        if overdue.len() > moment.settings.sweep_threshold {
            let mut tables = Vec::new();
            for identifier in &overdue {
                add(&mut tables, identifier, 0);
            }
            overdue = tables;
        }
        self.commit_set(overdue, moment);
    }

    /// Whether anything was given up more than a day ago, and may thus be forgotten at any time.
    pub(super) fn may_forget(&self, moment: &Moment) -> bool {
        self.flights.values().any(|flight| flight.is_old(moment))
    }

    pub(super) fn forget(&mut self, moment: &Moment) {
        self.flights.retain(|_, flight| !flight.is_old(moment));
    }

    fn commit_set(&mut self, set: Vec<String>, moment: &Moment) -> usize {
        let count = set.len();
        self.committed.extend_from_slice(&set);
        if let (Some(state), true) = (&mut self.state, count > 0) {
            state.commit(set, moment);
        }
        count
    }

    pub(super) fn record(&mut self, name: &str, identifiers: &[&str], moment: &Moment) -> usize {
        let (now_ms, lease_ms) = (moment.now.uptime_ms, moment.settings.lease_ms);
        let state = self.enter(moment);
        state.lease_ms = state.lease_ms.max(lease_ms);
        let flight = self
            .flights
            .entry(name.to_owned())
            .or_insert_with(|| Flight { since_ms: now_ms, ..Flight::default() });
        if flight.given_up_ms.take().is_some() {
            flight.since_ms = now_ms;
        }
        let before = flight.until_ms.iter().flatten().count();
        for identifier in identifiers {
            let position = add(&mut flight.identifiers, identifier, moment.settings.sweep_threshold);
            flight.until_ms.resize(flight.identifiers.len(), None);
            flight.until_ms[position] = flight.until_ms[position].max(Some(now_ms + lease_ms));
        }
        flight.until_ms.iter().flatten().count() - before
    }

    pub(super) fn commit(&mut self, name: &str, identifiers: &[&str], moment: &Moment) -> usize {
        self.enter(moment);
        let mut set = self.flights.remove(name).unwrap_or_default().identifiers;
        for identifier in identifiers {
            add(&mut set, identifier, moment.settings.sweep_threshold);
        }
        self.commit_set(set, moment)
    }

    pub(super) fn discard(&mut self, name: &str, moment: &Moment) -> usize {
        self.enter(moment);
        self.flights.remove(name).map_or(0, |flight| flight.identifiers.len())
    }

    /// Whether LOOKUP says -1.
    pub(super) fn is_unsettled(&self, wanted: &str) -> bool {
        self.grace_until_ms.is_some() || !self.holders(wanted).is_empty()
    }

    /// Who has something in flight that would change this.
    pub(super) fn holders(&self, wanted: &str) -> Vec<&str> {
        let holds = |flight: &Flight| flight.in_flight().any(|identifier| touches(identifier, wanted));
        self.flights.iter().filter(|(_, flight)| holds(flight)).map(|(name, _)| name.as_str()).collect()
    }

    /// How many transactions were given up, and not forgotten.
    pub(super) fn remembered(&self) -> usize {
        self.flights.values().filter(|flight| flight.in_flight().next().is_none()).count()
    }

    /// What PENDING says: name, age, lease left and count, oldest first.
    pub(super) fn pending(&self, moment: &Moment) -> Vec<(String, u64, u64, usize)> {
        let now_ms = moment.now.uptime_ms;
        let mut all: Vec<_> = (self.flights.iter())
            .filter_map(|(name, flight)| {
                let first_ms = flight.until_ms.iter().flatten().min()?;
                let count = flight.until_ms.iter().flatten().count();
                Some((name.clone(), now_ms - flight.since_ms, first_ms.saturating_sub(now_ms), count))
            })
            .collect();
        // Stable, so that those of one age stay in the order of their names.
        all.sort_by_key(|(_, age_ms, ..)| core::cmp::Reverse(*age_ms));
        all
    }
}

/// All else here hangs on this relation, so it is written down case by case.
#[test]
fn the_oracle_knows_what_depends_on_what() {
    for (one, other, expected) in [
        ("a#1", "a#1", true),
        ("a#1", "a#2", false),
        ("a#1", "b#1", false),
        ("a#1", "a#*", true),
        ("a#1", "b#*", false),
        ("a#1", "*#*", true),
        ("a#*", "b#*", false),
        ("a#*", "*#*", true),
        ("*#*", "*#*", true),
    ] {
        assert_eq!((touches(one, other), touches(other, one)), (expected, expected), "{one} {other}");
        assert_eq!(target(one).overlaps(target(other)), expected, "{one} {other}");
        assert_eq!(target(other).overlaps(target(one)), expected, "{other} {one}");
    }
}
