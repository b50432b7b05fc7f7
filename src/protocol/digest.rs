//! Keys and tokens: hashes over what a cached value depends on.
//!
//! A key is SHA-256 over these bytes, in lower-case hexadecimal. Integers are little-endian.
//!
//! ```text
//! key        = version:u8 (1)  mode:u8 ("K" for KEY and KEY_RO, "L" for LOOKUP)  *part
//! part       = "v" length:u32 bytes                               ; a value
//!            | [ "e" epoch:16 bytes ] "i" length:u32 version:u64 bytes   ; an identifier, as it was sent
//! ```
//!
//! The epoch stands before the first identifier of each namespace. Every part tells its own length, so the
//! encodings of different arguments never meet. The mode keeps what relaxed readers stored from strict ones.
//! A key of one identifier of up to 22 bytes is one block of SHA-256.
//!
//! A token is the first 122 bits of SHA-256 over epoch and version, as a UUID of version 8.

use super::epoch::Epoch;
use super::stamp::Stamp;
use arrayvec::ArrayVec;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

const ENCODING: u8 = 1;

/// For whom a key is. Keys of different modes are never equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// For readers that may see a value for as long as a lease after it changed.
    Relaxed,
    /// For readers that never may.
    Strict,
}

/// A key, as it is sent: 64 characters.
pub(crate) type Key = [u8; 64];

/// So many bytes are gathered before they are hashed: to hand the hasher a few at a time takes as many instructions as
/// hashing them does.
const GATHERED: usize = 256;

/// Hashes a key, part by part.
pub(crate) struct KeyHasher {
    hasher: Sha256,
    gathered: ArrayVec<u8, GATHERED>,
}

impl KeyHasher {
    #[inline]
    pub(crate) fn new(mode: Mode) -> Self {
        let mode = match mode {
            Mode::Relaxed => b'K',
            Mode::Strict => b'L',
        };
        let mut key = Self { hasher: Sha256::new(), gathered: ArrayVec::new() };
        key.put(&[ENCODING, mode]);
        key
    }

    /// The next part is a value.
    pub(crate) fn value(&mut self, bytes: &[u8]) {
        let [a, b, c, d] = length(bytes);
        self.put(&[b'v', a, b, c, d]);
        self.put(bytes);
    }

    /// The next part is the first identifier of a namespace in this epoch.
    #[inline]
    pub(crate) fn epoch(&mut self, epoch: &Epoch) {
        self.put(b"e");
        self.put(epoch.as_bytes());
    }

    /// The next part is an identifier.
    #[inline]
    pub(crate) fn identifier(&mut self, bytes: &[u8], version: Stamp) {
        let mut head = [b'i'; 13];
        if let Some((kind_and_length, place)) = head.split_last_chunk_mut() {
            *place = version.to_bits().to_le_bytes();
            if let Some(place) = kind_and_length.last_chunk_mut() {
                *place = length(bytes);
            }
        }
        self.put(&head);
        self.put(bytes);
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        if self.gathered.try_extend_from_slice(bytes).is_err() {
            self.put_past_the_end(bytes);
        }
    }

    #[cold]
    fn put_past_the_end(&mut self, bytes: &[u8]) {
        self.hasher.update(&self.gathered);
        self.gathered.clear();
        if self.gathered.try_extend_from_slice(bytes).is_err() {
            self.hasher.update(bytes);
        }
    }

    /// The key of all parts. In place: to move what was gathered takes 1 % of KEY of one row.
    #[inline]
    pub(crate) fn finish(&mut self) -> Key {
        self.hasher.update(&self.gathered);
        hex(&core::mem::take(&mut self.hasher).finalize().into())
    }
}

/// The length of a part, as it stands before its bytes.
#[inline]
fn length(bytes: &[u8]) -> [u8; 4] {
    // Far above the longest argument that a server takes.
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes()
}

/// What an identifier's keys hang on, for people: it changes when they do.
pub(crate) fn token(epoch: &Epoch, version: Stamp) -> Uuid {
    let digest: [u8; 32] = Sha256::new_with_prefix(epoch.as_bytes())
        .chain_update(version.to_bits().to_le_bytes())
        .finalize()
        .into();
    let first = digest.first_chunk().copied().unwrap_or_default();
    Builder::from_custom_bytes(first).into_uuid()
}

/// The hexadecimal digit of a number below 16. By arithmetic, which the compiler does for many bytes at once;
/// formatting took 400 ns a key.
fn digit(number: u8) -> u8 {
    let after_9 = if number > 9 { b'a' - b'0' - 10 } else { 0 };
    b'0' + number + after_9
}

fn hex(digest: &[u8; 32]) -> Key {
    let mut text = [0; 64];
    for (place, byte) in text.as_chunks_mut().0.iter_mut().zip(digest) {
        *place = [digit(byte >> 4), digit(byte & 15)];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn epoch() -> Epoch {
        Epoch::new(Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff))
    }

    fn text(key: Key) -> String {
        String::from_utf8(key.to_vec()).unwrap()
    }

    /// Test vectors. They were computed with Python's hashlib from the encoding above.
    #[test]
    fn keys_are_the_hash_of_the_encoding() {
        let mut nothing_but_a_value = KeyHasher::new(Mode::Relaxed);
        nothing_but_a_value.value(b"a value");
        assert_eq!(text(nothing_but_a_value.finish()), VECTOR_VALUE);

        for (mode, expected) in [(Mode::Relaxed, VECTOR_RELAXED), (Mode::Strict, VECTOR_STRICT)] {
            let mut key = KeyHasher::new(mode);
            key.epoch(&epoch());
            key.identifier(b"alkey:users#1", Stamp::from_bits(0x0123_4567_89ab_cdef));
            key.value(b"de");
            assert_eq!(text(key.finish()), expected);
        }
    }

    const VECTOR_VALUE: &str = "82d71bfdb2c4ca0361bbf932364fedba979bdfcfed6f759ee0dc6ed13e461ba2";
    const VECTOR_RELAXED: &str = "f85e7549596cdf6edb1e3a8d868093d0bc973ba82c01a470fc86469a185bd1d4";
    const VECTOR_STRICT: &str = "4f0b60803ec649e5c875791b716dcbc1da4b767298fb39720448b5243b8fc837";

    #[test]
    fn a_token_is_a_uuid_of_version_8() {
        let token = token(&epoch(), Stamp::from_bits(1));
        assert_eq!(token.to_string(), "fadf47cf-348a-8ea7-bcb0-3cbe0bc8f760");
        assert_eq!(token.get_version_num(), 8);
    }

    /// A part as the encoding knows it: kind, bytes, version.
    fn part() -> impl Strategy<Value = (bool, Vec<u8>, u64)> {
        // Few different bytes and short runs of them, so that encodings could meet if they were ambiguous.
        let bytes = proptest::collection::vec(
            prop_oneof![Just(0), Just(b'v'), Just(b'i'), Just(b'e'), Just(1)],
            0..6,
        );
        (any::<bool>(), bytes, 0..3_u64)
    }

    fn key_of(parts: &[(bool, Vec<u8>, u64)], mode: Mode) -> Key {
        let mut key = KeyHasher::new(mode);
        let mut epoch_told = false;
        for (is_identifier, bytes, version) in parts {
            if *is_identifier {
                if !core::mem::replace(&mut epoch_told, true) {
                    key.epoch(&epoch());
                }
                key.identifier(bytes, Stamp::from_bits(*version));
            } else {
                key.value(bytes);
            }
        }
        key.finish()
    }

    proptest! {
        #[test]
        fn encodings_of_different_parts_never_meet(
            one in proptest::collection::vec(part(), 1..4),
            other in proptest::collection::vec(part(), 1..4),
        ) {
            let seen = |parts: &[(bool, Vec<u8>, u64)]| -> Vec<(bool, Vec<u8>, u64)> {
                // A value has no version.
                parts.iter().map(|(is, bytes, version)| (*is, bytes.clone(), if *is { *version } else { 0 })).collect()
            };
            let same = seen(&one) == seen(&other);
            prop_assert_eq!(key_of(&one, Mode::Relaxed) == key_of(&other, Mode::Relaxed), same);
            prop_assert_ne!(key_of(&one, Mode::Relaxed), key_of(&one, Mode::Strict));
        }
    }
}
