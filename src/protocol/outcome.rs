//! What a write command leaves to be told and freed.

use super::effect::EffectWriter;
use super::identifier_set::IdentifierSet;
use super::waste::Waste;
use smallvec::SmallVec;

/// What entering and working on a namespace came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// What replicas and the append-only file are told.
    pub(crate) effect: EffectWriter,
    /// What watchers of identifiers are told of: everything committed, by this command or as overdue.
    pub(crate) committed: SmallVec<[IdentifierSet; 1]>,
    /// Whether the namespace is in an epoch that it wasn't in before.
    pub(crate) is_new_epoch: bool,
    /// Transactions that were given up.
    pub(crate) expired: usize,
    /// What is left to free.
    pub(crate) waste: Waste,
}

impl Outcome {
    /// Whether nobody is to be told of anything.
    #[inline]
    pub(crate) fn is_nothing(&self) -> bool {
        // Whatever else is left here, an effect goes with it.
        self.effect.bytes().is_none()
    }
}
