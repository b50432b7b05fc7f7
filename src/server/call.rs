//! One call of a command: its arguments, and the reply.

use super::api::{self, Ctx, Str};
use crate::protocol::error::{Error, Result};
use std::ffi::{CString, c_char, c_int, c_long, c_longlong};
use std::marker::PhantomData;

/// What a handler is given. It lives as long as the call.
pub(crate) struct Call<'a> {
    pub(super) ctx: Ctx,
    /// The command's name and its arguments.
    words: &'a [Str],
    lifetime: PhantomData<&'a Str>,
}

impl<'a> Call<'a> {
    /// # Safety
    ///
    /// The three are what the server passed to a command's handler, which has not returned yet.
    pub(super) unsafe fn new(ctx: Ctx, words: *mut Str, count: c_int) -> Self {
        let count = usize::try_from(count).unwrap_or_default();
        let words = if count == 0 {
            &[]
        } else {
            // SAFETY: the server passes an array of so many strings, which outlives the call.
            unsafe { core::slice::from_raw_parts(words, count) }
        };
        Self { ctx, words, lifetime: PhantomData }
    }

    /// The arguments after the command's name.
    #[inline]
    pub(crate) fn arguments(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + use<'a> {
        self.words.get(1..).unwrap_or_default().iter().map(|word| bytes(*word))
    }

    /// The arguments after the command's name, as the server's strings.
    pub(super) fn strings(&self) -> &'a [Str] {
        self.words.get(1..).unwrap_or_default()
    }

    /// Exactly these arguments, or an error that says that their number is wrong.
    pub(crate) fn exactly<const N: usize>(&self, command: &'static str) -> Result<[&'a [u8]; N]> {
        let mut arguments = self.arguments();
        let wrong = Error::Arity(command);
        if arguments.len() != N {
            return Err(wrong);
        }
        let mut taken = [[].as_slice(); N];
        for (place, argument) in taken.iter_mut().zip(&mut arguments) {
            *place = argument;
        }
        Ok(taken)
    }

    /// The database that the client has selected.
    pub(super) fn database(&self) -> c_int {
        // SAFETY: the context is that of this call.
        unsafe { api::get_selected_db(self.ctx) }
    }

    /// Whether the command is not to run but to say which of its arguments are keys.
    #[inline]
    pub(super) fn asks_for_keys(&self) -> bool {
        // SAFETY: the context is that of this call.
        unsafe { api::is_keys_position_request(self.ctx) != 0 }
    }

    /// Says that the argument of this position, from 0, is a key.
    pub(super) fn declare_key(&self, argument: usize, flags: c_int) {
        if let Ok(position) = c_int::try_from(argument + 1) {
            // SAFETY: the context is that of this call, which asks for keys.
            unsafe { api::key_at_pos_with_flags(self.ctx, position, flags) };
        }
    }

    /// Replies with an integer.
    pub(crate) fn integer(&self, number: i64) {
        // SAFETY: the context is that of this call.
        unsafe { api::reply_with_long_long(self.ctx, c_longlong::from(number)) };
    }

    /// Replies with how many of something there are.
    pub(crate) fn count(&self, count: usize) {
        self.integer(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Replies with milliseconds.
    pub(crate) fn milliseconds(&self, ms: u64) {
        self.integer(i64::try_from(ms).unwrap_or(i64::MAX));
    }

    /// Replies with bytes, which may be any.
    #[inline]
    pub(crate) fn bytes(&self, bytes: &[u8]) {
        // SAFETY: the context is that of this call; the server copies the bytes.
        unsafe { api::reply_with_string_buffer(self.ctx, bytes.as_ptr().cast::<c_char>(), bytes.len()) };
    }

    /// Replies with a null.
    pub(crate) fn null(&self) {
        // SAFETY: the context is that of this call.
        unsafe { api::reply_with_null(self.ctx) };
    }

    /// Replies with OK.
    pub(crate) fn ok(&self) {
        // SAFETY: the context is that of this call; the text ends in NUL.
        unsafe { api::reply_with_simple_string(self.ctx, c"OK".as_ptr()) };
    }

    /// Replies with an array; its elements follow.
    pub(crate) fn array(&self, length: usize) {
        // SAFETY: the context is that of this call.
        unsafe { api::reply_with_array(self.ctx, c_long::try_from(length).unwrap_or(c_long::MAX)) };
    }

    /// Replies with a map, in RESP2 with a flat array; its keys and values follow in turn.
    pub(crate) fn map(&self, length: usize) {
        // SAFETY: the context is that of this call.
        unsafe { api::reply_with_map(self.ctx, c_long::try_from(length).unwrap_or(c_long::MAX)) };
    }

    /// Replies with an error.
    pub(super) fn error(&self, error: &Error) {
        // What a client sent is escaped in the text, so there is no NUL in it.
        let text = CString::new(error.text().into_owned()).unwrap_or_default();
        // SAFETY: the context is that of this call; the text ends in NUL, and the server copies it.
        unsafe { api::reply_with_error(self.ctx, text.as_ptr()) };
    }
}

/// The bytes of a string of the server's, for as long as the call that it belongs to.
#[inline]
pub(super) fn bytes<'a>(string: Str) -> &'a [u8] {
    let mut length = 0;
    // SAFETY: the string is one that the server passed, and the length a place of ours.
    let start = unsafe { api::string_ptr_len(string, &raw mut length) };
    if length == 0 {
        return &[];
    }
    // SAFETY: the server says that so many bytes are there, and keeps them as long as the string.
    unsafe { core::slice::from_raw_parts(start.cast::<u8>(), length) }
}
