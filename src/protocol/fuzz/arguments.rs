//! The arguments of KEY and its kin: each is judged by itself, and different arguments have different keys.

use super::identifiers::nearly_an_identifier;
use crate::protocol::digest::{Key, Mode};
use crate::protocol::epoch::Epoch;
use crate::protocol::error::{Error, Result};
use crate::protocol::identifier::{Identifier, looks_like_identifier};
use crate::protocol::limits::NAMESPACES_PER_CALL_MAX;
use crate::protocol::namespace::Namespace;
use crate::protocol::parts::{Part, Parts};
use crate::protocol::stamp::Stamp;
use crate::protocol::versions::Versions;
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

/// An argument, often one of a few, so that some come twice.
fn argument() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        2 => prop::sample::select(vec!["alkey:users#1", "alkey{a}:users#1", "alkey:users#*", "de", "--", ""])
            .prop_map(|argument| argument.as_bytes().to_vec()),
        1 => (0..20_u8).prop_map(|tag| format!("alkey{{{tag}}}:users#1").into_bytes()),
        1 => nearly_an_identifier(),
    ]
}

/// What the arguments mean, by the plainest means: whether each is an identifier, and its bytes.
fn meant(arguments: &[Vec<u8>]) -> Result<Vec<(bool, &[u8])>> {
    let mut values_follow = false;
    let mut namespaces: Vec<&[u8]> = Vec::new();
    let mut parts = Vec::new();
    for argument in arguments {
        if !values_follow && looks_like_identifier(argument) {
            let namespace = Identifier::parse(argument)?.namespace();
            if !namespaces.contains(&namespace) {
                namespaces.push(namespace);
            }
            if namespaces.len() > NAMESPACES_PER_CALL_MAX {
                return Err(Error::TooManyNamespaces);
            }
            parts.push((true, argument.as_slice()));
        } else if !values_follow && argument == b"--" {
            values_follow = true;
        } else {
            parts.push((false, argument.as_slice()));
        }
    }
    Ok(parts)
}

/// The key of parts in namespaces in which nothing was written, and which share their epoch.
fn key(arguments: &[Vec<u8>], mode: Mode) -> Result<Key> {
    let parts = Parts::parse(arguments.iter().map(Vec::as_slice))?;
    let namespace = Namespace::new(Epoch::new(Uuid::from_u128(7)), Stamp::from_bits(1));
    let mut versions = Versions::new(&parts);
    for name in &parts.namespaces {
        versions.read(name, &namespace, |_, _| ());
    }
    Ok(versions.key(mode))
}

proptest! {
    #[test]
    fn arguments_mean_what_each_of_them_means(arguments in vec(argument(), 0..24)) {
        let parsed = Parts::parse(arguments.iter().map(Vec::as_slice));
        match meant(&arguments) {
            Err(error) => prop_assert_eq!(parsed.err(), Some(error)),
            Ok(expected) => {
                let parsed = parsed.unwrap();
                let parts: Vec<(bool, &[u8])> = parsed.parts.iter().map(|part| match part {
                    Part::Identifier(identifier) => (true, identifier.bytes()),
                    Part::Value(value) => (false, *value),
                }).collect();
                prop_assert_eq!(parts, expected);
            }
        }
    }

    #[test]
    fn different_arguments_have_different_keys(
        one in vec(argument(), 0..6),
        other in vec(argument(), 0..6),
        is_same in prop::bool::weighted(0.2),
    ) {
        let other = if is_same { [one.clone(), vec![b"--".to_vec()]].concat() } else { other };
        let (Ok(first), Ok(second)) = (meant(&one), meant(&other)) else { return Ok(()) };
        prop_assert_eq!(key(&one, Mode::Relaxed) == key(&other, Mode::Relaxed), first == second);
        prop_assert_ne!(key(&one, Mode::Relaxed), key(&one, Mode::Strict));
    }
}
