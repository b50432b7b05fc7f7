//! `ALKEY.HELP`: what the commands do, a line each.
//!
//! - Complexity: O(1).
//! - Reply: array of strings.
//! - Replicated: nothing.

use crate::protocol::error::Result;
use crate::server::call::Call;
use crate::server::register::{Command, Keys, Spec};

pub(crate) struct Help;

const LINES: &[&str] = &[
    "ALKEY.KEY part [part ...]: a cache key that changes when what it names does.",
    "ALKEY.LOOKUP part [part ...]: the same for strict readers, and for how many ms it has been settled.",
    "ALKEY.KEY_RO part [part ...]: KEY for replicas and read-only scripts.",
    "ALKEY.RECORD tx id [id ...]: before the database commits, say what the transaction changes.",
    "ALKEY.COMMIT tx [id ...]: after the database committed, change the keys.",
    "ALKEY.DISCARD tx: after the database rolled back, forget the transaction.",
    "ALKEY.TOUCH id [id ...]: change the keys without a transaction.",
    "ALKEY.TOKEN id: what the keys of an identifier hang on.",
    "ALKEY.EXPLAIN part [part ...]: for people: what a key hangs on, and what holds it in flight.",
    "ALKEY.PENDING [tx]: the transactions in flight, or what one of them recorded.",
    "ALKEY.HELP: this text.",
    "part: an identifier, or any value; after -- every part is a value.",
    "id: alkey:TABLE#ROW, alkey:TABLE#* (any row), alkey:*#* (anything); alkey{TAG}:... for a namespace of its own.",
    "tx: a name that is unique for ever: alkey:tx:UUID or alkey{TAG}:tx:UUID.",
];

impl Command for Help {
    const SPEC: Spec = Spec {
        name: c"alkey.help",
        flags: c"readonly fast allow-loading allow-stale",
        arity: 1,
        keys: Keys::None,
        categories: "fast",
        counter: None,
        summary: c"Says what the commands of alkey do.",
        complexity: c"O(1)",
        arguments: &[],
    };

    fn run(call: &Call) -> Result<()> {
        call.array(LINES.len());
        for line in LINES {
            call.bytes(line.as_bytes());
        }
        Ok(())
    }
}
