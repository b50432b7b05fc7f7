//! The encoding of effects, written by hand from its description: what is written is this to the byte, and what
//! breaks a rule is refused with its error.

use super::process::{Process, ROOMY, epoch};
use crate::protocol::effect::Effect;
use crate::protocol::error::Error;
use crate::protocol::limits::{LEASE_MS_MAX, NAME_BYTES_MAX};

/// A stamp in the year 2023, and some later ones.
pub(super) const STAMP: u64 = 1_700_000_000_000 << 20;

/// The first stamp of the year that is not believed.
const FAR_FUTURE: u64 = 1 << 63;

pub(super) fn head(number: u64, born: u64) -> Vec<u8> {
    [[1].as_slice(), epoch(number).as_bytes(), &born.to_le_bytes()].concat()
}

pub(super) fn stamps(last: u64, any: u64, sweep: u64) -> Vec<u8> {
    [[1].as_slice(), &numbers(&[last, any, sweep])].concat()
}

pub(super) fn lease(ms: u64) -> Vec<u8> {
    [[2].as_slice(), &numbers(&[ms])].concat()
}

pub(super) fn table(name: &str, any: u64, sweep: u64) -> Vec<u8> {
    [[3].as_slice(), &named(name), &numbers(&[any, sweep])].concat()
}

pub(super) fn floor(name: &str, floor: u8, stamp: u64) -> Vec<u8> {
    [[4].as_slice(), &named(name), &[floor], &numbers(&[stamp])].concat()
}

pub(super) fn rows(name: &str, rows: &[(u64, u64)]) -> Vec<u8> {
    let entries: Vec<u8> = rows.iter().flat_map(|(row, stamp)| numbers(&[*row, *stamp])).collect();
    [[5].as_slice(), &named(name), &length(rows.len()), &entries].concat()
}

pub(super) fn committed(name: &str, stamp: u64, rows: &[u64]) -> Vec<u8> {
    [[6].as_slice(), &named(name), &numbers(&[stamp]), &length(rows.len()), &numbers(rows)].concat()
}

fn numbers(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn named(name: &str) -> Vec<u8> {
    [&length(name.len()), name.as_bytes()].concat()
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("a length of a test").to_le_bytes()
}

/// Operations of each kind, all of them fine.
pub(super) fn operations() -> Vec<Vec<u8>> {
    vec![
        stamps(STAMP + 9, STAMP + 8, STAMP + 1),
        lease(100),
        table("t", STAMP + 7, STAMP + 2),
        floor("t", 63, STAMP + 3),
        rows("t", &[(1, STAMP + 4), (2, STAMP + 5)]),
        committed("t", STAMP + 6, &[3, 4]),
    ]
}

#[test]
fn effects_are_written_as_described() {
    let mut process = Process::settled(ROOMY);
    let written = |process: &Process| process.effect.clone().unwrap_or_default();
    process.write(|_| ());
    let born = process.state().born().to_bits();
    assert_eq!(written(&process), head(1, born), "a namespace was made");

    process.record("tx", &["t#1", "t#2"]);
    assert_eq!(written(&process), [head(1, born), lease(100)].concat(), "a lease was given");
    process.record("tx", &["t#3"]);
    assert_eq!(process.effect, None, "no larger lease was given");
    process.moment.settings.lease_ms = 50;
    process.record("tx", &["t#3"]);
    assert_eq!(process.effect, None, "a smaller lease was given");

    process.commit("tx", &["u#1"]);
    let fingerprint = |row: &[u8]| epoch(1).fingerprints().of(row).0;
    let [one, two, three] = [b"1", b"2", b"3"].map(|row| fingerprint(row));
    let expected = [
        head(1, born),
        committed("t", born + 1, &[one, two, three]),
        committed("u", born + 1, &[one]),
        stamps(born + 1, born + 1, born),
    ];
    assert_eq!(written(&process), expected.concat(), "rows were committed");

    process.touch(&["t#1", "t#*"]);
    let expected = [head(1, born), table("t", born + 2, born + 2), stamps(born + 2, born + 2, born)];
    assert_eq!(written(&process), expected.concat(), "a table was committed");

    process.touch(&["t#1", "*#*", "t#2"]);
    let expected = [head(1, born), stamps(born + 3, born + 3, born + 3)];
    assert_eq!(written(&process), expected.concat(), "everything was committed");

    process.moment.settings.rows_max = 1;
    process.touch(&["t#1"]);
    process.touch(&["t#2"]);
    let floors = process.state().tables().values().flat_map(|table| table.floors());
    let risen = floors.flat_map(|(number, stamp)| floor("t", u8::try_from(number).unwrap(), stamp.to_bits()));
    let expected = [
        head(1, born),
        committed("t", born + 5, &[two]),
        risen.collect(),
        stamps(born + 5, born + 5, born + 3),
    ];
    assert_eq!(written(&process), expected.concat(), "a floor rose");
}

#[test]
fn what_breaks_a_rule_is_refused() {
    let too_long = "t".repeat(NAME_BYTES_MAX + 1);
    let cases = [
        (vec![], "expected more bytes: it is cut off"),
        (vec![0], "expected encoding 1: it is damaged, or of a newer alkey"),
        (vec![2], "expected encoding 1: it is damaged, or of a newer alkey"),
        (head(1, FAR_FUTURE), "expected a stamp before the year 2248"),
        ([head(1, STAMP), vec![0]].concat(), "expected an operation that is known"),
        ([head(1, STAMP), vec![7]].concat(), "expected an operation that is known"),
        (
            [head(1, STAMP), stamps(FAR_FUTURE, STAMP, STAMP)].concat(),
            "expected a stamp before the year 2248",
        ),
        (
            [head(1, STAMP), stamps(STAMP, FAR_FUTURE, STAMP)].concat(),
            "expected a stamp before the year 2248",
        ),
        (
            [head(1, STAMP), stamps(STAMP, STAMP, FAR_FUTURE)].concat(),
            "expected a stamp before the year 2248",
        ),
        ([head(1, STAMP), table("t", FAR_FUTURE, STAMP)].concat(), "expected a stamp before the year 2248"),
        ([head(1, STAMP), table("t", STAMP, u64::MAX)].concat(), "expected a stamp before the year 2248"),
        ([head(1, STAMP), floor("t", 0, FAR_FUTURE)].concat(), "expected a stamp before the year 2248"),
        ([head(1, STAMP), floor("t", 64, STAMP)].concat(), "expected a floor below 64"),
        ([head(1, STAMP), floor("t", 255, STAMP)].concat(), "expected a floor below 64"),
        (
            [head(1, STAMP), rows("t", &[(0, STAMP), (1, FAR_FUTURE)])].concat(),
            "expected a stamp before the year 2248",
        ),
        ([head(1, STAMP), committed("t", FAR_FUTURE, &[])].concat(), "expected a stamp before the year 2248"),
        (
            [head(1, STAMP), committed("", STAMP, &[])].concat(),
            "expected a table's name of a length that is allowed",
        ),
        (
            [head(1, STAMP), table(&too_long, STAMP, 0)].concat(),
            "expected a table's name of a length that is allowed",
        ),
        ([head(1, STAMP), lease(LEASE_MS_MAX + 1)].concat(), "expected a lease of at most a day"),
        // A rule broken by the last operation keeps the first from being done.
        ([head(1, STAMP), lease(1), vec![9]].concat(), "expected an operation that is known"),
    ];
    for (bytes, expected) in cases {
        let refused = Effect::parse(&bytes).map(|_| ());
        assert_eq!(refused, Err(Error::Corrupt(expected)), "{}", bytes.escape_ascii());
    }
}

#[test]
fn what_is_just_allowed_is_read() {
    let latest = FAR_FUTURE - 1;
    let longest = "t".repeat(NAME_BYTES_MAX);
    for operation in [
        vec![],
        stamps(latest, latest, latest),
        stamps(0, 0, 0),
        table(&longest, latest, latest),
        floor("t", 63, latest),
        floor("t", 0, 0),
        rows("t", &[]),
        rows("t", &[(u64::MAX, latest)]),
        committed("*", latest, &[0, u64::MAX]),
    ] {
        let bytes = [head(u64::MAX, latest), operation].concat();
        assert!(Effect::parse(&bytes).is_ok(), "{}", bytes.escape_ascii());
    }
}

#[test]
fn an_effect_that_is_cut_off_anywhere_is_refused() {
    let mut bytes = head(1, STAMP);
    let mut whole = vec![bytes.len()];
    for operation in operations() {
        bytes.extend(operation);
        whole.push(bytes.len());
    }
    for length in 0..=bytes.len() {
        let (kept, _) = bytes.split_at(length);
        match Effect::parse(kept) {
            Ok(_) => assert!(whole.contains(&length), "{length} bytes were taken for a whole effect"),
            Err(error) => {
                assert!(!whole.contains(&length), "{length} bytes: {error:?}");
                assert_eq!(error, Error::Corrupt("expected more bytes: it is cut off"));
            }
        }
    }
}
