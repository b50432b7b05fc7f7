//! All of what is in flight or remembered, in one order, for the model checker: two states that it must tell apart
//! differ here.

use super::Flights;

/// A transaction: its name, when to look at it again, and each identifier with the deadline that it has.
pub(crate) type Canonical<'a> = (&'a [u8], Option<u64>, Vec<(&'a [u8], u64)>);

impl Flights {
    /// The transactions, by name. When one was first recorded and when it was given up is left out: the one is only
    /// told to people, the other matters after a day.
    pub(crate) fn canonical(&self) -> Vec<Canonical<'_>> {
        let mut transactions: Vec<_> = self
            .transactions
            .iter()
            .map(|(name, transaction)| {
                let look_again = (transaction.in_flight > 0).then_some(transaction.look_again_ms);
                let identifiers = transaction.identifiers.iter().map(|member| member.bytes);
                let held = identifiers.zip(transaction.deadlines.iter().copied());
                (&**name, look_again, held.collect())
            })
            .collect();
        transactions.sort_unstable();
        transactions
    }
}
