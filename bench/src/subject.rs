//! A server with its data: what every operation needs to run on it.

use crate::load::{Load, call};
use crate::operation::{
    COMMIT_SCRIPT, KEY_SCRIPT, OLD_PARENTS, OLD_TOKEN_S, Operation, PLAIN_PARENTS, RECORD_SCRIPT, Shas,
    TOKEN, library, names,
};
use crate::rows::Rows;
use crate::server::Server;
use anyhow::{Context, Result};
use redis::{Connection, cmd};

/// How many transactions are in flight when some are, and how many rows each has recorded.
const IN_FLIGHT: u32 = 100;
const ROWS_IN_FLIGHT: usize = 10;

pub(crate) struct Subject {
    pub(crate) server: Server,
    pub(crate) connection: Connection,
    rows: Rows,
    shas: Shas,
    /// The calls so far.
    calls: u64,
}

impl Subject {
    /// Fills a server with a table of so many rows: committed, as plain keys, and as the predecessor kept them.
    pub(crate) fn new(server: Server, count: u32) -> Result<Self> {
        let mut connection = server.connect()?;
        let all: Vec<u32> = (0..count).collect();
        let mut load = Load::default();
        for rows in all.chunks(1000) {
            load.push(cmd("ALKEY.TOUCH").arg(names("alkey", rows).collect::<Vec<_>>()));
            let mut plain = cmd("MSET");
            names("plain", rows).for_each(|name| {
                plain.arg(name).arg(TOKEN);
            });
            load.push(&plain);
        }
        for name in PLAIN_PARENTS {
            load.push(cmd("SET").arg(name).arg(TOKEN));
        }
        load.push(cmd("SELECT").arg(Operation::OldKey.database()));
        for name in names("older", &all).chain(OLD_PARENTS.map(str::to_owned)) {
            load.push(cmd("SETEX").arg(name).arg(OLD_TOKEN_S).arg(TOKEN));
        }
        load.push(cmd("SELECT").arg(0));
        load.send_pipelined(&mut connection)?;

        let mut script = |text: &str| -> Result<String> {
            Ok(redis::from_redis_value(call(&mut connection, &["SCRIPT", "LOAD", text])?)?)
        };
        let shas =
            Shas { key: script(KEY_SCRIPT)?, record: script(RECORD_SCRIPT)?, commit: script(COMMIT_SCRIPT)? };
        call(&mut connection, &["FUNCTION", "LOAD", &library()]).context("the library of Functions")?;
        // The same rows in the same order in every run.
        let rows = Rows::new(count, 1);
        Ok(Self { server, connection, rows, shas, calls: 0 })
    }

    /// The commands of some calls, each about so many rows.
    pub(crate) fn load(&mut self, operation: Operation, rows: usize, calls: usize) -> Load {
        let mut load = Load::default();
        for _ in 0..calls {
            self.calls += 1;
            operation.push(&mut load, self.rows.take(rows), self.calls, &self.shas);
        }
        load
    }

    /// Makes sure that an operation does what is to be measured: runs it once and looks at the answer.
    fn check(&mut self, operation: Operation, rows: usize) -> Result<()> {
        let load = self.load(operation, rows, 1);
        let answer = load.send_singly(&mut self.connection)?;
        operation.shape(rows).check(&answer).with_context(|| operation.name())
    }

    /// Brings the server into the state that an operation is measured in: its database, and with transactions in flight
    /// if it is about that. Makes sure that it does what is to be measured.
    pub(crate) fn enter(&mut self, operation: Operation, rows: usize) -> Result<()> {
        if operation == Operation::LookupInFlight {
            self.record(IN_FLIGHT, ROWS_IN_FLIGHT)?;
        }
        select(&mut self.connection, operation)?;
        self.check(operation, rows)
    }

    /// Undoes `enter`.
    pub(crate) fn leave(&mut self, operation: Operation) -> Result<()> {
        if operation == Operation::LookupInFlight {
            self.discard(IN_FLIGHT)?;
        }
        call(&mut self.connection, &["SELECT", "0"]).map(drop)
    }

    /// Puts so many transactions in flight, each with so many rows.
    pub(crate) fn record(&mut self, transactions: u32, rows: usize) -> Result<()> {
        let mut load = Load::default();
        for transaction in 0..transactions {
            let identifiers: Vec<_> = names("alkey", self.rows.take(rows)).collect();
            load.push(cmd("ALKEY.RECORD").arg(open(transaction)).arg(identifiers));
        }
        load.send_pipelined(&mut self.connection)?;
        Ok(())
    }

    /// Ends the transactions that `record` began.
    pub(crate) fn discard(&mut self, transactions: u32) -> Result<()> {
        let mut load = Load::default();
        for transaction in 0..transactions {
            load.push(cmd("ALKEY.DISCARD").arg(open(transaction)));
        }
        load.send_pipelined(&mut self.connection)?;
        Ok(())
    }
}

/// Has a connection use the database of an operation.
pub(crate) fn select(connection: &mut Connection, operation: Operation) -> Result<()> {
    call(connection, &["SELECT", &operation.database().to_string()]).map(drop)
}

fn open(transaction: u32) -> String {
    format!("alkey:tx:open-{transaction}")
}
