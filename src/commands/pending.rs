//! `ALKEY.PENDING [tx]`: the transactions in flight in the selected database, oldest first; or what is in flight
//! under one name.
//!
//! - Complexity: O(N log N), N transactions in flight; with a name O(M), M identifiers recorded under it.
//! - Reply: array of maps of `transaction`, `age-ms` since it was first recorded, `lease-left-ms` until the first of
//!   its leases is over, `identifiers` in flight; in RESP2 each map is a flat array. With a name: array of
//!   identifiers.
//! - Errors: an empty or too long name.
//! - Replicated: nothing; it never writes. A lease that is over shows with 0 left until it is ended.

use crate::protocol::error::{Error, Result};
use crate::protocol::identifier::namespace_of_transaction;
use crate::server::call::Call;
use crate::server::keyspace;
use crate::server::register::{Argument, Command, Keys, Spec};

pub(crate) struct Pending;

impl Command for Pending {
    const SPEC: Spec = Spec {
        name: c"alkey.pending",
        flags: c"readonly getkeys-api no-mandatory-keys",
        arity: -1,
        keys: Keys::FirstIfAnyRead,
        categories: "read slow",
        counter: None,
        summary: c"Lists the transactions in flight, or what one of them recorded.",
        complexity: c"O(N log N) where N is the number of transactions in flight",
        arguments: &[Argument::one(c"transaction").key().optional()],
    };

    fn run(call: &Call) -> Result<()> {
        let mut arguments = call.arguments();
        match (arguments.next(), arguments.next()) {
            (None, _) => list(call),
            (Some(name), None) => show(call, name),
            (Some(_), Some(_)) => Err(Error::Arity(Self::NAME)),
        }
    }
}

fn list(call: &Call) -> Result<()> {
    let pending = keyspace::pending(call)?;
    call.array(pending.len());
    for transaction in pending {
        call.map(4);
        call.bytes(b"transaction");
        call.bytes(&transaction.name);
        call.bytes(b"age-ms");
        call.milliseconds(transaction.age_ms);
        call.bytes(b"lease-left-ms");
        call.milliseconds(transaction.lease_left_ms);
        call.bytes(b"identifiers");
        call.count(transaction.identifiers);
    }
    Ok(())
}

fn show(call: &Call, name: &[u8]) -> Result<()> {
    let namespace = namespace_of_transaction(name)?;
    let identifiers: Vec<Vec<u8>> = keyspace::on_local(call, namespace, |local| {
        local.flights.in_flight_under(name).map(|member| [namespace, b":", member.bytes].concat()).collect()
    })?;
    call.array(identifiers.len());
    for identifier in &identifiers {
        call.bytes(identifier);
    }
    Ok(())
}
