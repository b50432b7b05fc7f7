//! The arguments of KEY and its kin: identifiers, and values beside them.

use super::error::{Error, Result};
use super::identifier::{Identifier, IdentifierReader, looks_like_identifier};
use super::limits::{NAMESPACES_PER_CALL_MAX, PARTS_PER_CALL_MAX};
use smallvec::SmallVec;

/// Keys have a few parts; so many need no allocation.
pub(crate) const PARTS_USUAL: usize = 16;

/// After this argument every argument is a value, whatever it looks like.
pub(crate) const VALUES_FOLLOW: &[u8] = b"--";

/// One part of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Something that the key depends on.
    Identifier(Identifier<'a>),
    /// Something that is in the key and never changes by itself.
    Value(&'a [u8]),
}

/// Refuses more arguments than a command takes.
pub(crate) fn limit(count: usize, max: usize) -> Result<()> {
    if count > max { Err(Error::TooManyParts { count, max }) } else { Ok(()) }
}

/// All parts of one call, and the namespaces that they are in.
#[derive(Debug, Default)]
pub(crate) struct Parts<'a> {
    pub(crate) parts: SmallVec<[Part<'a>; PARTS_USUAL]>,
    pub(crate) namespaces: SmallVec<[&'a [u8]; 1]>,
}

impl<'a> Parts<'a> {
    /// Reads all of them, or says what is wrong with the first that is.
    pub(crate) fn parse(arguments: impl ExactSizeIterator<Item = &'a [u8]>) -> Result<Self> {
        let mut parts = Self::default();
        parts.read(arguments)?;
        Ok(parts)
    }

    /// Reads all arguments of a call: in place, since to move this costs more than to read one of them.
    #[inline]
    pub(crate) fn read(&mut self, mut arguments: impl ExactSizeIterator<Item = &'a [u8]>) -> Result<()> {
        let count = arguments.len();
        limit(count, PARTS_PER_CALL_MAX)?;
        // Places for all at once: to push parts one by one took as long as to compare them.
        self.parts.resize(count, Part::Value(b""));
        let mut places = self.parts.iter_mut();
        let mut identifiers = IdentifierReader::default();
        while let Some(argument) = arguments.next() {
            let part = if looks_like_identifier(argument) {
                let identifier = identifiers.next(argument)?;
                if !identifier.continues() {
                    add_namespace(&mut self.namespaces, identifier.namespace())?;
                }
                Part::Identifier(identifier)
            } else if argument == VALUES_FOLLOW {
                places.zip(arguments).for_each(|(place, value)| *place = Part::Value(value));
                self.parts.truncate(count - 1);
                return Ok(());
            } else {
                Part::Value(argument)
            };
            if let Some(place) = places.next() {
                *place = part;
            }
        }
        Ok(())
    }
}

fn add_namespace<'a>(namespaces: &mut SmallVec<[&'a [u8]; 1]>, namespace: &'a [u8]) -> Result<()> {
    if namespaces.contains(&namespace) {
        return Ok(());
    }
    if namespaces.len() >= NAMESPACES_PER_CALL_MAX {
        return Err(Error::TooManyNamespaces);
    }
    namespaces.push(namespace);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed<'a>(arguments: &[&'a str]) -> Result<Vec<Part<'a>>> {
        Parts::parse(arguments.iter().map(|argument| argument.as_bytes())).map(|parts| parts.parts.to_vec())
    }

    #[test]
    fn identifiers_and_values_are_told_apart() {
        let identifier = Part::Identifier(Identifier::parse(b"alkey:users#1").unwrap());
        assert_eq!(parsed(&["alkey:users#1", "de"]), Ok(vec![identifier, Part::Value(b"de")]));
        assert_eq!(parsed(&["alkey", "", "users#1"]).unwrap().len(), 3);
        assert_eq!(parsed(&["x", "alkey:users"]), Err(Error::Malformed(b"alkey:users".to_vec())));
    }

    #[test]
    fn after_two_dashes_everything_is_a_value() {
        assert_eq!(
            parsed(&["--", "alkey:users#1", "--", "alkey{"]),
            Ok(vec![Part::Value(b"alkey:users#1"), Part::Value(b"--"), Part::Value(b"alkey{")])
        );
        assert_eq!(parsed(&["-", "---"]).unwrap().len(), 2);
    }

    #[test]
    fn namespaces_are_listed_once_and_are_limited() {
        let names: Vec<String> = (0..=NAMESPACES_PER_CALL_MAX).map(|n| format!("alkey{{{n}}}:t#1")).collect();
        let arguments: Vec<&str> = names.iter().map(String::as_str).collect();
        let (fit, _) = arguments.split_at(NAMESPACES_PER_CALL_MAX);
        let twice = [fit, fit].concat();
        let parts = Parts::parse(twice.iter().map(|argument| argument.as_bytes())).unwrap();
        assert_eq!(parts.namespaces.len(), NAMESPACES_PER_CALL_MAX);
        assert_eq!(parsed(&arguments), Err(Error::TooManyNamespaces));
    }
}
