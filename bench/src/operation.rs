//! What is compared: alkey's commands, and what one would do instead.
//!
//! Plain keys hold a token of 36 characters each, as the predecessor's did. They have names as long as alkey's
//! identifiers, so all send alike. The scripts know a token of the table and one of the namespace beside those of the
//! rows, as alkey does; GET, MGET and MSET are about the rows alone.

use crate::load::{Load, Shape};
use redis::{Cmd, cmd};
use serde::{Deserialize, Serialize};

/// A token, such as the client makes.
pub(crate) const TOKEN: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
/// The plain keys of a namespace and of a table.
pub(crate) const PLAIN_PARENTS: [&str; 2] = ["plain:*#*", "plain:users#*"];
/// The predecessor's.
pub(crate) const OLD_PARENTS: [&str; 2] = ["older:*#*", "older:users#*"];
/// For how long the predecessor kept a token, in seconds.
pub(crate) const OLD_TOKEN_S: u32 = 86_400;
const LEASE_MS: u32 = 5000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Operation {
    Get,
    Mget,
    Key,
    KeyRo,
    Lookup,
    /// LOOKUP while 100 transactions are in flight.
    LookupInFlight,
    LuaKey,
    FunctionKey,
    OldKey,
    /// MGET, and the client hashes the tokens by itself.
    ClientKey,
    Mset,
    RecordCommit,
    /// As before, but COMMIT names no identifier.
    RecordCommitByName,
    Touch,
    LuaCommit,
    FunctionCommit,
    OldCommit,
}

use Operation::{
    ClientKey, FunctionCommit, FunctionKey, Get, Key, KeyRo, Lookup, LookupInFlight, LuaCommit, LuaKey, Mget,
    Mset, OldCommit, OldKey, RecordCommit, RecordCommitByName, Touch,
};

/// Those that read, with MGET first: the others are compared with it.
pub(crate) const READS: [Operation; 10] =
    [Mget, Get, Key, KeyRo, Lookup, LookupInFlight, LuaKey, FunctionKey, OldKey, ClientKey];
/// How many rows they read at once.
pub(crate) const READ_ROWS: [usize; 5] = [1, 3, 10, 30, 100];
/// Those that write, with MSET first.
pub(crate) const WRITES: [Operation; 7] =
    [Mset, RecordCommit, RecordCommitByName, Touch, LuaCommit, FunctionCommit, OldCommit];
/// How many rows they write at once.
pub(crate) const WRITE_ROWS: [usize; 4] = [1, 10, 100, 1000];

/// All that is compared, as operations and numbers of rows. What is compared with each other is side by side.
pub(crate) fn cases() -> impl Iterator<Item = (Operation, usize)> {
    let reads = READ_ROWS.into_iter().flat_map(|rows| READS.map(|operation| (operation, rows)));
    let writes = WRITE_ROWS.into_iter().flat_map(|rows| WRITES.map(|operation| (operation, rows)));
    // GET is of one key; the predecessor's read is GET for each.
    reads.chain(writes).filter(|(operation, rows)| *operation != Get || *rows == 1)
}

/// By what name a server knows each script.
#[derive(Clone, Default)]
pub(crate) struct Shas {
    pub(crate) key: String,
    pub(crate) record: String,
    pub(crate) commit: String,
}

pub(crate) const KEY_SCRIPT: &str = include_str!("../lua/key.lua");
pub(crate) const RECORD_SCRIPT: &str = include_str!("../lua/record.lua");
pub(crate) const COMMIT_SCRIPT: &str = include_str!("../lua/commit.lua");

/// The same as a library of functions.
pub(crate) fn library() -> String {
    let function = |name: &str, flags: &str, body: &str| {
        format!(
            "redis.register_function{{function_name='{name}', flags={{{flags}}}, callback=function(KEYS, ARGV)\n{body}end}}\n"
        )
    };
    format!(
        "#!lua name=plain\n{}{}{}",
        function("plain_key", "'no-writes'", KEY_SCRIPT),
        function("plain_record", "", RECORD_SCRIPT),
        function("plain_commit", "", COMMIT_SCRIPT)
    )
}

impl Operation {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Get => "GET",
            Mget => "MGET",
            Key => "KEY",
            KeyRo => "KEY_RO",
            Lookup => "LOOKUP",
            LookupInFlight => "LOOKUP, 100 in flight",
            LuaKey => "Lua script",
            FunctionKey => "Function",
            OldKey => "predecessor's GETs",
            ClientKey => "MGET, hashed by the client",
            Mset => "MSET",
            RecordCommit => "RECORD + COMMIT",
            RecordCommitByName => "RECORD + COMMIT by name",
            Touch => "TOUCH",
            LuaCommit => "Lua scripts",
            FunctionCommit => "Functions",
            OldCommit => "predecessor's sequence",
        }
    }

    /// Whether it is a command of the module.
    pub(crate) fn is_alkeys(self) -> bool {
        matches!(self, Key | KeyRo | Lookup | LookupInFlight | RecordCommit | RecordCommitByName | Touch)
    }

    /// Whether it is the server's own, and so the limit of what the module could reach.
    pub(crate) fn is_the_servers_own(self) -> bool {
        matches!(self, Get | Mget | Mset)
    }

    /// The server's own command that it is compared with.
    pub(crate) fn reference(self) -> Self {
        if READS.contains(&self) { Mget } else { Mset }
    }

    /// The database that its data is in. The predecessor's keys expire, and as soon as one key of a database does, each
    /// look-up of another costs more; so they have their own.
    pub(crate) fn database(self) -> u32 {
        u32::from(matches!(self, OldKey | OldCommit))
    }

    /// What the last of its commands answers.
    pub(crate) fn shape(self, rows: usize) -> Shape {
        match self {
            Get | OldKey => Shape::Text(TOKEN.len()),
            Mget => Shape::Texts(rows),
            ClientKey => Shape::Texts(rows + PLAIN_PARENTS.len()),
            Key | KeyRo => Shape::Text(64),
            Lookup | LookupInFlight => Shape::Lookup,
            LuaKey | FunctionKey => Shape::Text(40),
            Mset | OldCommit => Shape::Ok,
            RecordCommit | RecordCommitByName | Touch | LuaCommit | FunctionCommit => Shape::Count,
        }
    }

    /// Adds the commands of one call about these rows. `number` tells this call from all others of the server.
    pub(crate) fn push(self, load: &mut Load, rows: &[u32], number: u64, shas: &Shas) {
        let transaction = format!("alkey:tx:{number:032x}");
        let plain = || PLAIN_PARENTS.into_iter().map(str::to_owned).chain(names("plain", rows));
        match self {
            Get => load.push(cmd("GET").arg(names("plain", rows).collect::<Vec<_>>())),
            Mget => load.push(cmd("MGET").arg(names("plain", rows).collect::<Vec<_>>())),
            ClientKey => {
                load.push(cmd("MGET").arg(plain().collect::<Vec<_>>()));
                load.client_hashes = true;
            }
            Key => load.push(&identifiers("ALKEY.KEY", rows)),
            KeyRo => load.push(&identifiers("ALKEY.KEY_RO", rows)),
            Lookup | LookupInFlight => load.push(&identifiers("ALKEY.LOOKUP", rows)),
            Touch => load.push(&identifiers("ALKEY.TOUCH", rows)),
            LuaKey => load.push(&script("EVALSHA", &shas.key, plain())),
            FunctionKey => load.push(&script("FCALL", "plain_key", plain())),
            OldKey => names("older", rows).for_each(|name| load.push(cmd("GET").arg(name))),
            Mset => {
                let mut command = cmd("MSET");
                names("plain", rows).for_each(|name| {
                    command.arg(name).arg(TOKEN);
                });
                load.push(&command);
            }
            RecordCommit | RecordCommitByName => {
                load.push(
                    cmd("ALKEY.RECORD").arg(&transaction).arg(names("alkey", rows).collect::<Vec<_>>()),
                );
                let mut commit = cmd("ALKEY.COMMIT");
                commit.arg(&transaction);
                if self == RecordCommit {
                    commit.arg(names("alkey", rows).collect::<Vec<_>>());
                }
                load.push(&commit);
            }
            LuaCommit | FunctionCommit => {
                let (how, record, commit) = if self == LuaCommit {
                    ("EVALSHA", shas.record.as_str(), shas.commit.as_str())
                } else {
                    ("FCALL", "plain_record", "plain_commit")
                };
                let recorded = std::iter::once(transaction.clone()).chain(plain());
                load.push(script(how, record, recorded).arg(LEASE_MS));
                load.push(script(how, commit, std::iter::once(transaction)).arg(TOKEN));
            }
            OldCommit => {
                load.push(cmd("SADD").arg(&transaction).arg(names("older", rows).collect::<Vec<_>>()));
                load.push(cmd("EXPIRE").arg(&transaction).arg(3600));
                load.push(cmd("SMEMBERS").arg(&transaction));
                for name in names("older", rows) {
                    load.push(cmd("SETEX").arg(&name).arg(OLD_TOKEN_S).arg(TOKEN));
                    load.push(cmd("SREM").arg(&transaction).arg(name));
                }
                for name in OLD_PARENTS {
                    load.push(cmd("SETEX").arg(name).arg(OLD_TOKEN_S).arg(TOKEN));
                }
            }
        }
    }
}

/// The names of rows, under a prefix.
pub(crate) fn names(prefix: &str, rows: &[u32]) -> impl Iterator<Item = String> {
    rows.iter().map(move |row| format!("{prefix}:users#{row}"))
}

fn identifiers(command: &str, rows: &[u32]) -> Cmd {
    let mut command = cmd(command);
    command.arg(names("alkey", rows).collect::<Vec<_>>());
    command
}

fn script(how: &str, which: &str, keys: impl Iterator<Item = String>) -> Cmd {
    let keys: Vec<_> = keys.collect();
    let mut command = cmd(how);
    command.arg(which).arg(keys.len()).arg(keys);
    command
}
