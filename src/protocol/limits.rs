//! The limit on everything, each with its reason.

/// Longest identifier, transaction name or namespace, in bytes.
///
/// A row's name is a primary key: PostgreSQL's B-tree indexes take 2,704 bytes, MySQL's 3,072.
pub(crate) const NAME_BYTES_MAX: usize = 4096;

/// Most parts (identifiers and values) in one call.
///
/// A call holds the server for some 100 ns a part, so this is 10 ms. Longer lists go in several RECORDs.
pub(crate) const PARTS_PER_CALL_MAX: usize = 100_000;

/// Most parts in one call of EXPLAIN, which is for people.
///
/// For each part that is in flight it looks at all that is: 30 ms with the most transactions that there can be.
pub(crate) const PARTS_EXPLAINED_MAX: usize = 16;

/// Most namespaces that the identifiers of one call are in.
///
/// Each is looked up and entered on its own. A page of an application needs one or two.
pub(crate) const NAMESPACES_PER_CALL_MAX: usize = 16;

/// Most tables of a namespace. Past it the namespace is swept: all its keys change once.
///
/// A schema has hundreds of tables; the map of 16,384 entries grows in a fifth of a millisecond.
pub(crate) const TABLES_MAX: usize = 14_000;

/// Most transactions in flight in one namespace of one database.
///
/// Every open transaction is a database connection, of which large installations have thousands.
pub(crate) const TRANSACTIONS_OPEN_MAX: usize = 100_000;

/// Most identifiers of one commit that are signalled one by one. Of more, their tables are, and everything.
///
/// To signal one takes some 100 ns, and a millisecond is what a command may take for them.
pub(crate) const SIGNALS_PER_COMMIT_MAX: usize = 10_000;

/// Longest lease, in milliseconds: a day. It is also how long a failover may keep strict readers waiting.
pub(crate) const LEASE_MS_MAX: u64 = 24 * 60 * 60 * 1000;

/// For how long an overdue transaction is remembered, so that a late COMMIT still commits it.
pub(crate) const REMEMBERED_MS: u64 = 24 * 60 * 60 * 1000;

/// Most memory for overdue transactions of one namespace, in bytes; the oldest are forgotten first.
pub(crate) const REMEMBERED_BYTES_MAX: usize = 64 << 20;

/// The limits that an operator sets. One per process; see docs for what each bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// How long a transaction may be in flight before it is presumed dead.
    pub(crate) lease_ms: u64,
    /// Identifiers that a transaction records one by one; further rows are recorded as their tables.
    pub(crate) sweep_threshold: usize,
    /// Rows that a table holds; past it a 64th of them is dropped at a time.
    pub(crate) rows_max: usize,
    /// Take state from elsewhere for complete: no new epochs and no grace, and stale keys after a failover.
    pub(crate) trust_restored: bool,
}
