//! The arguments of KEY and its kin: identifiers, and values beside them.

use super::error::{Error, Result};
use super::identifier::{Identifier, looks_like_identifier};
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

/// Reads parts one by one.
pub(crate) fn parse<'a>(arguments: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = Result<Part<'a>>> {
    let mut values_follow = false;
    arguments.filter_map(move |argument| {
        if values_follow {
            Some(Ok(Part::Value(argument)))
        } else if looks_like_identifier(argument) {
            Some(Identifier::parse(argument).map(Part::Identifier))
        } else if argument == VALUES_FOLLOW {
            values_follow = true;
            None
        } else {
            Some(Ok(Part::Value(argument)))
        }
    })
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
        limit(arguments.len(), PARTS_PER_CALL_MAX)?;
        let mut parts = Self::default();
        for part in parse(arguments) {
            let part = part?;
            if let Part::Identifier(identifier) = part {
                parts.add_namespace(identifier.namespace())?;
            }
            parts.parts.push(part);
        }
        Ok(parts)
    }

    fn add_namespace(&mut self, namespace: &'a [u8]) -> Result<()> {
        if self.namespaces.contains(&namespace) {
            return Ok(());
        }
        if self.namespaces.len() >= NAMESPACES_PER_CALL_MAX {
            return Err(Error::TooManyNamespaces);
        }
        self.namespaces.push(namespace);
        Ok(())
    }
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
