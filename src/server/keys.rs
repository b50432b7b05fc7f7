//! Keys of the server: their names, and those of them that hold namespaces.

use super::api::{self, Key, Str};
use super::call::{Call, bytes};
use super::registry::Value;
use super::{datatype, late_type};
use crate::protocol::error::{Error, Result};
use crate::protocol::namespace::Namespace;
use redis_module::raw;
use std::ffi::{CStr, c_char, c_int};
use std::io;
use std::marker::PhantomData;

/// The name of a key, as a string of the server's.
#[derive(Debug)]
pub(super) struct KeyName(Str);

impl KeyName {
    pub(super) fn new(name: &[u8]) -> Self {
        // SAFETY: without a context the string is nobody's but ours; the server copies the bytes.
        Self(unsafe { api::create_string(core::ptr::null_mut(), name.as_ptr().cast::<c_char>(), name.len()) })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        bytes(self.0)
    }

    /// In cluster mode: whether the slot of the key is this node's. While it moves here, those who are sent here for one
    /// call (ASK) are let through, and nothing tells a module that they are. So the server is asked as a client that
    /// was not sent.
    #[cold]
    pub(super) fn is_of_this_node(&self) -> bool {
        self.ask_for_slot().is_ok()
    }

    /// Whether the server can be asked for the slot of a key: an operator may have renamed the command.
    pub(super) fn can_ask_for_slot(&self) -> bool {
        self.ask_for_slot().map_err(|error| error.kind()) != Err(io::ErrorKind::NotFound)
    }

    /// The error is that of `RedisModule_Call`: not found if there is no such command, others if the slot is not this
    /// node's.
    fn ask_for_slot(&self) -> io::Result<()> {
        // SAFETY: without a blocked client the context is that of a client of its own.
        let ctx = unsafe { api::get_thread_safe_context(core::ptr::null_mut()) };
        // SAFETY: the context was just made, the name ends in NUL, and the string is alive.
        let reply = unsafe { api::call_one(ctx, c"EXISTS".as_ptr(), self.0) };
        let answer = if reply.is_null() {
            Err(io::Error::last_os_error())
        } else {
            // SAFETY: the reply is ours, and is not used any more.
            unsafe { api::free_call_reply(reply) };
            Ok(())
        };
        // SAFETY: the context is ours, and is not used any more.
        unsafe { api::free_thread_safe_context(ctx) };
        answer
    }

    /// Tells transactions that watch the key, and clients that track it, that it changed; and whoever subscribed to
    /// keyspace events of modules, by what.
    pub(super) fn signal(&self, call: &Call, event: &CStr) {
        signal(call, self.0, event);
    }
}

/// The name of a key, as a client sent it in a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentName<'a>(Str, PhantomData<&'a Call<'a>>);

impl<'a> SentName<'a> {
    /// All arguments of a call, whether or not they are names of keys.
    pub(super) fn all(call: &'a Call) -> impl Iterator<Item = Self> {
        call.strings().iter().map(|string| Self(*string, PhantomData))
    }

    /// Whether it is the identifier of this in the namespace.
    #[inline]
    pub(super) fn is(self, namespace: &[u8], member: &[u8]) -> bool {
        let name = bytes(self.0);
        name.strip_suffix(member).and_then(|head| head.strip_suffix(b":")) == Some(namespace)
    }

    /// As [`KeyName::signal`].
    pub(super) fn signal(self, call: &Call, event: &CStr) {
        signal(call, self.0, event);
    }
}

fn signal(call: &Call, name: Str, event: &CStr) {
    // SAFETY: the context is that of this call, in which the string is alive.
    unsafe { api::signal_modified_key(call.ctx, name) };
    // SAFETY: the context is that of this call, the event ends in NUL, and the string is alive.
    unsafe { api::notify_keyspace_event(call.ctx, raw::REDISMODULE_NOTIFY_MODULE, event.as_ptr(), name) };
}

impl Clone for KeyName {
    /// Another reference to the same string.
    fn clone(&self) -> Self {
        // SAFETY: the string is ours, and without a context it is only counted.
        unsafe { api::retain_string(core::ptr::null_mut(), self.0) };
        Self(self.0)
    }
}

impl Drop for KeyName {
    fn drop(&mut self) {
        // SAFETY: this reference was made in `new` or `clone`, and the server keeps references of its own.
        unsafe { api::free_string(core::ptr::null_mut(), self.0) };
    }
}

/// The names that nearly every command on a namespace needs: made once, since to make one costs as much as to open a
/// key.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// The key that holds its state, which is also its own name.
    pub(super) namespace: KeyName,
    /// The identifier of everything in it.
    pub(super) everything: KeyName,
}

impl Names {
    pub(super) fn of(namespace: &[u8]) -> Self {
        let everything = KeyName::new(&[namespace, b":*#*"].concat());
        Self { namespace: KeyName::new(namespace), everything }
    }
}

/// A key, opened. It is always opened for reading first: to open one for writing trips whoever watches it, even if
/// nothing is written.
pub(super) struct OpenedKey<'a> {
    /// Null where there is no such key.
    key: Key,
    call: PhantomData<&'a Call<'a>>,
}

impl<'a> OpenedKey<'a> {
    #[inline]
    pub(super) fn for_reading(call: &'a Call, name: &KeyName) -> Self {
        Self::open(call, name, raw::REDISMODULE_READ)
    }

    /// Opens a key that doesn't exist, and puts a namespace there.
    pub(super) fn for_creating(call: &'a Call, name: &KeyName, namespace: Namespace) -> Self {
        let opened = Self::open(call, name, raw::REDISMODULE_READ | raw::REDISMODULE_WRITE);
        let value = Value::into_raw(namespace, call.database(), name.bytes());
        // SAFETY: the key is open for writing; the type is the one whose values these are.
        let set = |kind| unsafe { api::module_type_set_value(opened.key, kind, value.cast()) };
        let kind = late_type::kind(call.ctx);
        if kind.is_null() || set(kind) != 0 {
            // SAFETY: the server refused the value, so it is still ours.
            drop(unsafe { Value::from_raw(value) });
        }
        opened
    }

    #[inline]
    fn open(call: &'a Call, name: &KeyName, mode: u32) -> Self {
        // SAFETY: the context is that of this call, and the server keeps references of its own to the string.
        let key = unsafe { api::open_key(call.ctx, name.0, mode.cast_signed()) };
        Self { key, call: PhantomData }
    }

    /// The value that the key holds, or none, or an error if it holds something else.
    #[inline]
    pub(super) fn value(&mut self, name: &[u8]) -> Result<Option<&mut Value>> {
        if self.key.is_null() {
            return Ok(None);
        }
        // SAFETY: the key is open.
        if unsafe { api::key_type(self.key) } == EMPTY {
            return Ok(None);
        }
        // SAFETY: the key is open.
        let kind = unsafe { api::module_type_get_type(self.key) };
        if kind.is_null() || kind != datatype::kind() {
            return Err(Error::WrongType(name.to_vec()));
        }
        // SAFETY: the key is open, and a value of this type is what was set as one.
        let value = unsafe { api::module_type_get_value(self.key) }.cast::<Value>();
        // SAFETY: only one command runs at a time, it has one reference to the value through this key, and the
        // value lives at least as long as the key is open.
        Ok(unsafe { value.as_mut() })
    }
}

impl Drop for OpenedKey<'_> {
    fn drop(&mut self) {
        // SAFETY: the key is open or null, which the server passes over.
        unsafe { api::close_key(self.key) };
    }
}

#[expect(clippy::cast_possible_truncation, reason = "it is 0")]
const EMPTY: c_int = raw::REDISMODULE_KEYTYPE_EMPTY as c_int;
