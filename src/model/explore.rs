//! Explorers: all states of a plan, depth first; the shortest way to a broken promise, breadth first; random walks
//! through plans that are too large for either.

use super::log::{Log, Tally};
use super::plan::Plan;
use super::violation::Violation;
use super::world::{Action, World};
use core::fmt::{self, Write};
use hashbrown::HashSet;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What a run came to.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) name: &'static str,
    pub(super) states: usize,
    pub(super) transitions: usize,
    /// Steps of the longest way that was gone.
    pub(super) depth: usize,
    pub(super) tally: Tally,
    pub(super) took: Duration,
    pub(super) found: Option<Counterexample>,
}

/// A way to a broken promise.
#[derive(Debug)]
pub(super) struct Counterexample {
    pub(super) actions: Vec<Action>,
    pub(super) violation: Violation,
}

/// A state on the way that is being gone, and what is still to be tried in it.
struct Stage {
    world: World,
    actions: Vec<Action>,
}

/// Explores all states of a plan, or those up to a broken promise.
pub(super) fn exhaust(plan: &Plan) -> Report {
    let started = Instant::now();
    let mut log = Log::default();
    let start = World::new(plan);
    let mut seen: HashSet<u64> = HashSet::new();
    seen.insert(start.code(plan));
    let mut report = Report::of(plan);
    let mut way = Vec::new();
    let mut stages = vec![Stage { actions: start.actions(plan), world: start }];
    while let Some(stage) = stages.last_mut() {
        let Some(action) = stage.actions.pop() else {
            stages.pop();
            way.pop();
            continue;
        };
        report.transitions += 1;
        let mut world = stage.world.clone();
        let judged = world.act(plan, action, &mut log);
        // A state that was seen was judged.
        let is_new = judged.is_err() || seen.insert(world.code(plan));
        if !is_new {
            continue;
        }
        way.push(action);
        if let Err(violation) = judged.and_then(|()| world.judge_quiet(plan, &mut log)) {
            report.found = Some(Counterexample { actions: way, violation });
            break;
        }
        report.depth = report.depth.max(way.len());
        stages.push(Stage { actions: world.actions(plan), world });
    }
    Report { states: seen.len(), tally: log.tally, took: started.elapsed(), ..report }
}

/// Looks for the shortest way to a broken promise, among so many states.
pub(super) fn shortest(plan: &Plan, states_max: usize) -> Report {
    let started = Instant::now();
    let mut log = Log::default();
    let start = World::new(plan);
    let mut seen: HashSet<u64> = HashSet::new();
    seen.insert(start.code(plan));
    let mut report = Report::of(plan);
    // By which action, and from which of them, a state was reached.
    let mut origins: Vec<(usize, Option<Action>)> = vec![(0, None)];
    let mut waiting = VecDeque::from([(0, start)]);
    'search: while let Some((origin, from)) = waiting.pop_front() {
        for action in from.actions(plan) {
            report.transitions += 1;
            let mut world = from.clone();
            let judged = world.act(plan, action, &mut log);
            let is_new = judged.is_err() || seen.insert(world.code(plan));
            if !is_new {
                continue;
            }
            if let Err(violation) = judged.and_then(|()| world.judge_quiet(plan, &mut log)) {
                let mut actions = way_to(&origins, origin);
                actions.push(action);
                report.depth = actions.len();
                report.found = Some(Counterexample { actions, violation });
                break 'search;
            }
            if seen.len() >= states_max {
                break 'search;
            }
            waiting.push_back((origins.len(), world));
            origins.push((origin, Some(action)));
        }
    }
    Report { states: seen.len(), tally: log.tally, took: started.elapsed(), ..report }
}

fn way_to(origins: &[(usize, Option<Action>)], mut state: usize) -> Vec<Action> {
    let mut way = Vec::new();
    while let (origin, Some(action)) = origins[state] {
        way.push(action);
        state = origin;
    }
    way.reverse();
    way
}

/// Goes so many random ways to their ends.
pub(super) fn walk(plan: &Plan, seed: u64, walks: usize) -> Report {
    let started = Instant::now();
    let mut log = Log::default();
    let mut random = SplitMix(seed);
    let mut report = Report::of(plan);
    for _ in 0..walks {
        let mut world = World::new(plan);
        let mut way = Vec::new();
        loop {
            let actions = world.actions(plan);
            if actions.is_empty() {
                break;
            }
            let action = actions[random.below(actions.len())];
            way.push(action);
            report.transitions += 1;
            let judged = world.act(plan, action, &mut log);
            if let Err(violation) = judged.and_then(|()| world.judge_quiet(plan, &mut log)) {
                report.found = Some(Counterexample { actions: way, violation });
                return Report { tally: log.tally, took: started.elapsed(), ..report };
            }
        }
        report.depth = report.depth.max(way.len());
    }
    Report { states: report.transitions, tally: log.tally, took: started.elapsed(), ..report }
}

/// Sebastiano Vigna's SplitMix64: ten lines that give the same walks for the same seed for ever.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}

impl Report {
    fn of(plan: &Plan) -> Self {
        Self {
            name: plan.name,
            states: 0,
            transitions: 0,
            depth: 0,
            tally: Tally::default(),
            took: Duration::ZERO,
            found: None,
        }
    }

    /// The counterexample, step by step, as people read it.
    pub(super) fn trace(&self, plan: &Plan) -> String {
        let mut trace = String::new();
        let Some(Counterexample { actions, violation }) = &self.found else {
            return trace;
        };
        let mut log = Log::telling();
        let mut world = World::new(plan);
        for action in actions {
            let at_ms = world.now_ms;
            // The last step may be the one that breaks the promise.
            let _ = world.act(plan, *action, &mut log);
            if *action != Action::Tick {
                let notes = log.take_notes();
                let colon = if notes.is_empty() { "" } else { ": " };
                let _ = writeln!(trace, "  {at_ms} ms  {action:?}{colon}{notes}");
            }
        }
        let _ = writeln!(trace, "  {} ms  {violation}", world.now_ms);
        trace
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { name, states, transitions, depth, took, tally, .. } = self;
        writeln!(f, "{name}: {states} states, {transitions} transitions, {depth} steps deep, {took:.1?}")?;
        write!(f, "  {tally:?}")
    }
}
