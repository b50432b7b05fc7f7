//! What a run explores: who takes part, how often each may act, what may go wrong, and which mechanism is missing.

/// One run of the checker. Everything in it is bounded, so the state space is finite.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) name: &'static str,
    pub(super) writers: Vec<WriterPlan>,
    pub(super) readers: Vec<ReaderPlan>,
    /// How many milliseconds may pass. Everything in one millisecond may happen in any order.
    pub(super) milliseconds: u64,
    /// The lease, in milliseconds. Two are the least with which there is a moment between its first and its last.
    pub(super) lease_ms: u64,
    pub(super) faults: Vec<FaultKind>,
    pub(super) faults_max: usize,
    /// Whether the server is a shard of a cluster.
    pub(super) is_cluster: bool,
    /// Whether replicas and files always know everything when they take over.
    pub(super) nothing_is_lost: bool,
    /// Messages of writers that the network delivers once more, at any time after they were sent.
    pub(super) strays_max: usize,
    pub(super) rows_max: usize,
    /// By how much the wall clock of each term is behind that of the term before: nothing may rely on it.
    pub(super) clock_back_ms: i64,
    /// Whether the server's timer ends what is over, in the millisecond in which it is. Without, it is as late as can be.
    pub(super) has_timer: bool,
    /// What is switched off, in a run that is to find a counterexample.
    pub(super) without: Option<Mechanism>,
}

impl Default for Plan {
    /// One writer, one reader that reads twice, and nothing goes wrong.
    fn default() -> Self {
        Self {
            name: "",
            writers: vec![WriterPlan::default()],
            readers: vec![ReaderPlan::default()],
            milliseconds: 4,
            lease_ms: 2,
            faults: Vec::new(),
            faults_max: 0,
            is_cluster: false,
            nothing_is_lost: false,
            strays_max: 0,
            rows_max: 100,
            clock_back_ms: 3,
            has_timer: false,
            without: None,
        }
    }
}

impl Default for WriterPlan {
    fn default() -> Self {
        Self {
            identifiers: &["alkey:t#1"],
            transactions: 1,
            records: 1,
            records_some: false,
            rolls_back: false,
            commit_names: &[Named::None],
            reads: false,
        }
    }
}

impl Default for ReaderPlan {
    fn default() -> Self {
        Self { identifiers: &["alkey:t#1"], reads: 2, kinds: &[Kind::Strict] }
    }
}

impl Plan {
    pub(super) fn trusts_restored(&self) -> bool {
        self.without == Some(Mechanism::RestoredIsSuspect) || self.faults.contains(&FaultKind::RestartAtRest)
    }

    /// For how long a relaxed reader may be told the key of an old value: as long as a transaction is in flight after
    /// the database committed it. That is a lease, and one more for each of its RECORDs that comes once more.
    pub(super) fn relaxed_ms(&self) -> u64 {
        self.lease_ms * (1 + self.strays_max as u64)
    }
}

/// One writer: transactions one after another, each over the same identifiers.
#[derive(Clone, Debug)]
pub(super) struct WriterPlan {
    /// What it records and changes.
    pub(super) identifiers: &'static [&'static str],
    pub(super) transactions: usize,
    /// RECORDs in each transaction.
    pub(super) records: usize,
    /// Whether a RECORD may name only the first.
    pub(super) records_some: bool,
    /// Whether the database may roll back.
    pub(super) rolls_back: bool,
    /// What COMMIT may name.
    pub(super) commit_names: &'static [Named],
    /// Whether it asks for a key after its own writes, while it has not decided.
    pub(super) reads: bool,
}

/// How many of its identifiers a message of a writer names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Named {
    None,
    /// The first.
    Some,
    All,
}

/// One reader: reads one after another, of the same identifiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReaderPlan {
    pub(super) identifiers: &'static [&'static str],
    pub(super) reads: usize,
    pub(super) kinds: &'static [Kind],
}

/// How a read goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// LOOKUP, and only then the database.
    Strict,
    /// A snapshot of the database, then LOOKUP. A lagging database replica and an object loaded earlier are the same
    /// to alkey: data of an earlier moment.
    StrictSnapshot,
    /// KEY, and only then the database.
    Relaxed,
    /// KEY_RO on a replica that does not lag, and only then the database: it enters nothing.
    RelaxedReplica,
    /// A snapshot of the database, then KEY: nothing is promised to it, nor to relaxed readers that get what it
    /// stored, but strict readers must not notice.
    RelaxedSnapshot,
}

impl Kind {
    pub(super) fn is_strict(self) -> bool {
        matches!(self, Self::Strict | Self::StrictSnapshot)
    }

    pub(super) fn begins_with_snapshot(self) -> bool {
        matches!(self, Self::StrictSnapshot | Self::RelaxedSnapshot)
    }
}

/// What may go wrong with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// FLUSHALL, DEL or eviction.
    Flush,
    /// The primary dies, and a replica that has applied some of the effects takes over. The same as a restart from
    /// an append-only file whose tail is cut off.
    Failover,
    /// The primary dies and starts again from a dump that may be older, or has nothing to start from.
    Restart,
    /// A replica that has applied some or all of the effects takes over; the old primary lives, becomes its replica
    /// and remembers what it had in flight. It may become the primary again.
    Swap,
    /// The primary becomes a replica and a primary again, with its state untouched.
    Flip,
    /// RESTORE of an older dump over the namespace, or the older namespace is renamed back.
    Restore,
    /// The slot moves to another shard of a cluster, which has been up for long; the namespace goes with it, if there
    /// is one. What is in flight stays behind. The slot may come back.
    Migrate,
    /// The slot is taken from this node of a cluster and given to another, without its keys: each has what it had when it
    /// lost it.
    Reassign,
    /// The slot was to move to another node, and is called back: the namespace went there and came back. Meanwhile a call
    /// came to the other node by ASK.
    CallBack,
    /// `alkey.lease-ms` is set to 1 on all nodes.
    LowerLease,
    /// A start from a dump that has all, while nothing is in flight. A plan with it has `alkey.trust-restored yes`.
    RestartAtRest,
}

/// What can be switched off, each to see what it is there for. The switches are in the model's calls of the
/// protocol, never in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    /// LOOKUP says that what is in flight is settled.
    Flights,
    /// FLUSHALL also loses what is in flight, as if it were kept in the keyspace.
    FlightsOutsideKeyspace,
    /// No new epoch for state from elsewhere, neither at once nor at the end of grace.
    Epochs,
    /// No new epoch for state from elsewhere until grace is over.
    FirstEpoch,
    /// No grace, and so no epoch at its end.
    Grace,
    /// A shard of a cluster doesn't know that it is one, and takes a missing namespace for one that never was.
    ClusterGrace,
    /// The largest lease given may be lost with the state that carries it.
    LeaseIsKnown,
    /// Grace ends without a new epoch.
    SecondEpoch,
    /// `alkey.trust-restored yes`, as an operator may set it: neither epochs nor grace.
    RestoredIsSuspect,
    /// LOOKUP gives the key that KEY gives.
    StrictKey,
    /// A node trusts what it finds in a slot that it lost and got again.
    LostSlots,
    /// A node to which a slot moves makes a namespace in it before it owns it.
    TryAgain,
    /// `settled` goes by stamps alone, whoever's clock they are of.
    SettledSinceSeen,
    /// Nothing ends a lease or grace but a command.
    Timer,
    /// A lease that is over discards what was recorded, where it ought to commit it.
    ExpiryCommits,
    /// Strict readers use the cache whenever nothing is in flight, however old their snapshot is.
    AgeRule,
    /// `settled` counts the millisecond of the change itself.
    SettledRoundedDown,
    /// COMMIT takes its stamp from a clock that was read a millisecond before.
    CommitReadsClock,
    /// A writer uses the cache after its own writes.
    WriterAbstains,
    /// The database decides once any RECORD was answered, though it named only some of the identifiers.
    RecordNamesAll,
    /// The database decides however long ago the RECORD was.
    DecisionWithinLease,
}
