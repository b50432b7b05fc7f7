//! The data type of a namespace: how the server saves, loads, counts, compares and frees one.
//!
//! A dump is the list of effects that make the namespace from nothing, ended by an empty one.

use super::api::{self, Ctx, Io, Str};
use super::call::bytes;
use super::log;
use super::registry::Value;
use super::{announce, guard, late_type, reaper};
use crate::protocol::effect::{self, Effect};
use crate::protocol::error::{Error, Result};
use crate::protocol::namespace::Namespace;
use crate::protocol::term::ELSEWHERE;
use crate::protocol::waste::Waste;
use redis_module::raw;
use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

/// How a dump is laid out. The effects in it carry an encoding version of their own.
const DUMP_ENCODING: c_int = 1;

/// The option of Valkey 9 by which a module says that its data may move with its slot as a whole: as effects, which
/// count as state from elsewhere. Redis asks for nothing like it, and up to 8.6 has no option of this number.
const HANDLE_ATOMIC_SLOT_MIGRATION: c_int = 1 << 5;

/// The server wants nine characters; it shows them in `TYPE` and in errors of `rdb` tools.
const NAME: &std::ffi::CStr = c"alkey-nsp";

static TYPE: AtomicPtr<raw::RedisModuleType> = AtomicPtr::new(core::ptr::null_mut());

/// The data type, as the server knows it.
#[inline]
pub(super) fn kind() -> *mut raw::RedisModuleType {
    TYPE.load(Ordering::Relaxed)
}

/// Tells the server what alkey asks of it, and makes the data type known to it, or leaves this to [`super::late_type`].
pub(super) fn register(ctx: Ctx) -> core::result::Result<(), String> {
    // Without the first of these options a dump that ends early ends the server, where it should only be refused;
    // without the second the server moves no slot atomically.
    let options = raw::REDISMODULE_OPTIONS_HANDLE_IO_ERRORS.cast_signed()
        | (HANDLE_ATOMIC_SLOT_MIGRATION & api::module_options());
    // SAFETY: the context is that of the load.
    unsafe { api::set_module_options(ctx, options) };
    TYPE.store(core::ptr::null_mut(), Ordering::Relaxed);
    if late_type::is_wanted(ctx) { Ok(()) } else { make(ctx) }
}

/// Makes the data type known to the server.
pub(super) fn make(ctx: Ctx) -> core::result::Result<(), String> {
    let mut methods = raw::RedisModuleTypeMethods {
        version: u64::from(raw::REDISMODULE_TYPE_METHOD_VERSION),
        rdb_load: Some(load),
        rdb_save: Some(save),
        aof_rewrite: Some(rewrite),
        mem_usage: Some(memory),
        digest: Some(digest),
        free: Some(free),
        aux_load: None,
        aux_save: None,
        aux_save_triggers: 0,
        free_effort: Some(free_effort),
        unlink: Some(unlink),
        // Two namespaces would share an epoch: the server refuses COPY where there is no such function.
        copy: None,
        defrag: None,
        mem_usage2: None,
        free_effort2: None,
        unlink2: None,
        copy2: None,
        aux_save2: None,
    };
    // SAFETY: the name has nine characters, and the server copies the structure.
    let made = unsafe { api::create_data_type(ctx, NAME.as_ptr(), DUMP_ENCODING, &raw mut methods) };
    if made.is_null() {
        return Err("the server refused the data type".into());
    }
    TYPE.store(made, Ordering::Relaxed);
    Ok(())
}

extern "C" fn save(io: Io, value: *mut c_void) {
    let Some(namespace) = borrow(value) else { return };
    let _ = guard::run("saving a namespace", || {
        let put = |bytes: &[u8]| {
            // SAFETY: the server gave the file, and copies the bytes.
            unsafe { api::save_string_buffer(io, bytes.as_ptr().cast::<c_char>(), bytes.len()) };
        };
        effect::dump(namespace, put);
        put(&[]);
    });
}

extern "C" fn load(io: Io, encoding: c_int) -> *mut c_void {
    let loaded = guard::run("loading a namespace", || load_namespace(io, encoding)).flatten();
    loaded.map_or_else(
        |error| {
            log::warn(&format!("a namespace can't be loaded: {}", error.text()));
            core::ptr::null_mut()
        },
        |namespace| Value::into_raw(namespace, database_of(io), name_of(io)).cast(),
    )
}

fn load_namespace(io: Io, encoding: c_int) -> Result<Namespace> {
    if encoding != DUMP_ENCODING {
        return Err(Error::Corrupt("expected a dump of encoding 1: it is of a newer alkey"));
    }
    let mut namespace = None;
    let mut waste = Waste::default();
    while let Some(piece) = Piece::read(io)? {
        let effect = Effect::parse(piece.bytes())?;
        if let Some(made) = effect.apply(namespace.as_mut(), &mut waste) {
            namespace = Some(made);
        }
    }
    namespace.ok_or(Error::Corrupt("expected a namespace: the dump is empty"))
}

fn database_of(io: Io) -> c_int {
    // SAFETY: the server gave the file.
    unsafe { api::get_db_id_from_io(io) }
}

fn name_of<'a>(io: Io) -> &'a [u8] {
    // SAFETY: the server gave the file.
    let name = unsafe { api::get_key_name_from_io(io) };
    if name.is_null() { &[] } else { bytes(name.cast_mut()) }
}

/// A piece of a dump, in memory of the server's.
struct Piece {
    start: *mut c_char,
    length: usize,
}

impl Piece {
    /// The next piece, or none if it is the empty one at the end.
    fn read(io: Io) -> Result<Option<Self>> {
        let mut length = 0;
        // SAFETY: the server gave the file, and the length is a place of ours.
        let start = unsafe { api::load_string_buffer(io, &raw mut length) };
        // SAFETY: the server gave the file.
        let failed = unsafe { api::is_io_error(io) } != 0;
        if start.is_null() {
            return Err(Error::Corrupt("expected more of the dump: it is cut off or damaged"));
        }
        let piece = Self { start, length };
        if failed {
            return Err(Error::Corrupt("expected more of the dump: it is cut off"));
        }
        Ok((length > 0).then_some(piece))
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the server put so many bytes there, which are ours until they are freed.
        unsafe { core::slice::from_raw_parts(self.start.cast::<u8>(), self.length) }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        // SAFETY: the server handed over this memory, to be freed once.
        unsafe { api::free(self.start.cast()) };
    }
}

extern "C" fn rewrite(io: Io, key: Str, value: *mut c_void) {
    let Some(namespace) = borrow(value) else { return };
    let _ = guard::run("rewriting a namespace", || {
        effect::dump(namespace, |bytes| {
            // SAFETY: the server gave the file and the key's name.
            unsafe { api::emit_aof_two(io, announce::APPLY.as_ptr(), key, bytes) };
        });
    });
}

extern "C" fn memory(value: *const c_void) -> usize {
    borrow(value)
        .map_or(0, |namespace| guard::run("counting memory", || namespace.bytes()).unwrap_or_default())
}

/// Every stamp is part of the digest, each as a sequence of its own, so that the order in which maps hand them out
/// doesn't matter.
extern "C" fn digest(digest: *mut raw::RedisModuleDigest, value: *mut c_void) {
    let Some(namespace) = borrow(value) else { return };
    let add = |pieces: &[&[u8]]| {
        for piece in pieces {
            // SAFETY: the server gave the digest, and only reads the bytes.
            unsafe { api::digest_add_string_buffer(digest, piece.as_ptr().cast::<c_char>(), piece.len()) };
        }
        // SAFETY: the server gave the digest.
        unsafe { api::digest_end_sequence(digest) };
    };
    let _ = guard::run("digesting a namespace", || effect::digest(namespace, add));
}

extern "C" fn free(value: *mut c_void) {
    if !value.is_null() {
        // SAFETY: the value is one that was made for the server, which frees it once.
        let value = unsafe { Value::from_raw(value.cast::<Value>()) };
        let mut waste = Waste::default();
        waste.add_namespace(value.namespace);
        let _ = guard::run("freeing a namespace", || reaper::free(waste));
    }
}

extern "C" fn free_effort(_key: Str, value: *const c_void) -> usize {
    borrow(value).map_or(1, Namespace::allocations)
}

/// The value leaves its key, perhaps for another one (RENAME, MOVE): there it counts as state from elsewhere.
extern "C" fn unlink(_key: Str, value: *const c_void) {
    // SAFETY: no command has a reference to the value while the server unlinks it.
    if let Some(value) = unsafe { value.cast::<Value>().cast_mut().as_mut() } {
        value.namespace.term = ELSEWHERE;
    }
}

fn borrow<'a>(value: *const c_void) -> Option<&'a Namespace> {
    // SAFETY: the server passes a value of this type, which stays as it is for the callback.
    unsafe { value.cast::<Value>().as_ref() }.map(|value| &value.namespace)
}
