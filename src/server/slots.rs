//! Slots of a cluster that are taken from this node and given back, as by CLUSTER DELSLOTS and ADDSLOTS. The server leaves
//! the keys of such a slot where they are, and tells a module nothing; in between, another node may have owned it. So
//! after each command that may change who owns what, the server is asked for its slots, and what is in none of them counts
//! as state from elsewhere.
//!
//! It is asked before the command is answered, by a timer that is already over: no other node is given a slot before this
//! one has noticed that it lost it. Slots that go and come within one MULTI were never anybody else's. Slots that this node
//! loses in any other way take their keys with them, or their node's role.

use super::api::{self, Ctx, Filtered, Str};
use super::call::bytes;
use super::keys::KeyName;
use super::{context, guard, log, registry};
use redis_module::raw;
use std::ffi::{c_int, c_void};

/// Those subcommands of CLUSTER that are asked all the time, and change nothing.
const HARMLESS: [&[u8]; 12] = [
    b"countkeysinslot",
    b"getkeysinslot",
    b"info",
    b"keyslot",
    b"links",
    b"myid",
    b"myshardid",
    b"nodes",
    b"replicas",
    b"shards",
    b"slot-stats",
    b"slots",
];

const SLOTS: usize = 16_384;

/// Sees to it that a slot which was lost for a moment is noticed.
pub(super) fn watch(ctx: Ctx) -> Result<(), String> {
    if !KeyName::new(b"").can_ask_for_slot() || OwnSlots::ask(ctx).is_none() {
        return Err("in a cluster it asks the server by EXISTS and CLUSTER NODES which slots are its own: expected these \
             commands under their names, see rename-command"
            .into());
    }
    let no_self = raw::REDISMODULE_CMDFILTER_NOSELF.cast_signed();
    // SAFETY: the context is that of the load; the filter is a function of the type asked for.
    let filter = unsafe { api::register_command_filter(ctx, Some(on_command), no_self) };
    if filter.is_null() { Err("the server refused a command filter".into()) } else { Ok(()) }
}

/// What the server calls before each command.
extern "C" fn on_command(command: Filtered) {
    let word = |position: c_int| {
        // SAFETY: the server gave the command; past its last word there is none.
        let word: Str = unsafe { api::command_filter_arg(command, position) };
        if word.is_null() { b"".as_slice() } else { bytes(word) }
    };
    if word(0).eq_ignore_ascii_case(b"cluster") {
        let subcommand = word(1);
        if !HARMLESS.iter().any(|harmless| subcommand.eq_ignore_ascii_case(harmless)) {
            // SAFETY: the context is kept for good; the callback is a function of the type asked for.
            unsafe { api::create_timer(context::get(), 0, Some(compare), core::ptr::null_mut()) };
        }
    }
}

/// Has what is in slots of others count as from elsewhere.
extern "C" fn compare(ctx: Ctx, _: *mut c_void) {
    let _ = guard::run("comparing slots", || {
        let own = OwnSlots::ask(ctx);
        if own.is_none() {
            log::warn("CLUSTER NODES does not say which slots are this node's: all keys change");
        }
        registry::estrange(|name| own.as_ref().is_some_and(|own| own.has(name)));
    });
}

/// The slots of this node.
struct OwnSlots(Vec<bool>);

impl OwnSlots {
    /// Asks the server. None if it doesn't say.
    fn ask(ctx: Ctx) -> Option<Self> {
        // SAFETY: the context is one that the server gave, and both texts end in NUL.
        let reply = unsafe { api::call_word(ctx, c"CLUSTER".as_ptr(), c"NODES".as_ptr()) };
        if reply.is_null() {
            return None;
        }
        let mut length = 0;
        // SAFETY: the reply is ours, and the length is a place of ours.
        let text = unsafe { api::call_reply_string(reply, &raw mut length) };
        let own = if text.is_null() {
            None
        } else {
            // SAFETY: the server says that so many bytes are there, as long as the reply.
            Self::read(unsafe { core::slice::from_raw_parts(text.cast::<u8>(), length) })
        };
        // SAFETY: the reply is ours, and is not used any more.
        unsafe { api::free_call_reply(reply) };
        own
    }

    /// Reads the line of this node in the reply of CLUSTER NODES: eight fields, of which the third are its flags, and then
    /// its slots, as `5` or `0-5460`. What is in brackets is on its way from here or to here.
    fn read(nodes: &[u8]) -> Option<Self> {
        let mut lines = nodes.split(|byte| *byte == b'\n').map(|line| line.split(|byte| *byte == b' '));
        let line = lines.find(|fields| {
            let flags = fields.clone().nth(2).unwrap_or_default();
            flags.split(|byte| *byte == b',').any(|flag| flag == b"myself")
        })?;
        let mut own = vec![false; SLOTS];
        for slots in line.skip(8).filter(|slots| !slots.is_empty() && !slots.starts_with(b"[")) {
            let mut ends = core::str::from_utf8(slots).ok()?.trim_end().split('-').map(str::parse::<usize>);
            let first = ends.next()?.ok()?;
            let last = ends.next().transpose().ok()?.unwrap_or(first);
            own.get_mut(first..=last)?.fill(true);
        }
        Some(Self(own))
    }

    /// Whether a namespace of this name is in one of them.
    fn has(&self, name: &[u8]) -> bool {
        self.0.get(slot_of(name)).copied().unwrap_or_default()
    }
}

/// The slot of a key, as the cluster specification of Redis has it: by what is between the first `{` and the next `}`, if
/// there is anything.
fn slot_of(key: &[u8]) -> usize {
    const CRC: crc::Crc<u16> = crc::Crc::<u16>::new(&crc::CRC_16_XMODEM);
    let mut parts = key.splitn(2, |byte| *byte == b'{').skip(1);
    let tag = parts.next().and_then(|rest| {
        let end = rest.iter().position(|byte| *byte == b'}')?;
        rest.get(..end).filter(|tag| !tag.is_empty())
    });
    usize::from(CRC.checksum(tag.unwrap_or(key))) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        // The first is the example of the specification; the others were asked of a server.
        for (key, slot) in [
            ("123456789", 12_739),
            ("alkey{shop}", 3_808),
            ("alkey{{7}", 4_631),
            ("a{}b", 13_694),
            ("{x", 11_068),
        ] {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
    }

    #[test]
    fn the_own_line_of_cluster_nodes_is_read() {
        let nodes = b"07c3 127.0.0.1:30004@31004,host slave e7d1 0 1426238317239 4 connected\n\
            e7d1 127.0.0.1:30001@31001 myself,master - 0 0 1 connected 0-2 7 16383 [3->-07c3] [4-<-07c3]\n\
            67ed 127.0.0.1:30002@31002 master - 0 1426238316232 2 connected 8-16382\n";
        let own = OwnSlots::read(nodes).unwrap();
        let slots: Vec<usize> = (0..SLOTS).filter(|slot| own.0[*slot]).collect();
        assert_eq!(slots, [0, 1, 2, 7, 16_383]);
        for nodes in ["", "x y myself - 0 0 1 connected 5-", "x y myself - 0 0 1 connected 0-16384"] {
            assert!(OwnSlots::read(nodes.as_bytes()).is_none(), "{nodes}");
        }
    }
}
