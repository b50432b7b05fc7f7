//! The functions of the server's module API that alkey calls, under the names of its documentation.
//!
//! The server hands each out as a pointer that may be missing. One list makes both the wrappers and the check at
//! load that all of them are there; so no call has to handle their absence, and none can be forgotten.

use redis_module::raw;
use std::ffi::{c_char, c_int, c_long, c_longlong, c_uint, c_ulonglong, c_void};

macro_rules! functions {
    ($($(#[$attribute:meta])* $name:ident = $symbol:ident($($argument:ident: $type:ty),*) $(-> $reply:ty)?;)*) => {
        $(
            /// See the module API reference of the server.
            ///
            /// # Safety
            ///
            /// What its documentation asks, and that [`missing`] found nothing missing.
            $(#[$attribute])*
            #[inline]
            pub(super) unsafe fn $name($($argument: $type),*) $(-> $reply)? {
                // SAFETY: the pointer is written once, before any call of ours.
                let function = unsafe { raw::$symbol };
                // SAFETY: `missing` found it there when the module was loaded.
                let function = unsafe { function.unwrap_unchecked() };
                // SAFETY: the caller does what the documentation asks.
                unsafe { function($($argument),*) }
            }
        )*

        /// The first function that this server lacks. To be asked once, before any other function here is called.
        pub(super) fn missing() -> Option<&'static str> {
            $(
                // SAFETY: the pointer is written once, before any call of ours.
                let function = unsafe { raw::$symbol };
                if function.is_none() {
                    return Some(stringify!($symbol));
                }
            )*
            None
        }
    };
}

/// What a command is called with, and replies to.
pub(super) type Ctx = *mut raw::RedisModuleCtx;
/// A string of the server's.
pub(super) type Str = *mut raw::RedisModuleString;
/// A key that is open.
pub(super) type Key = *mut raw::RedisModuleKey;
/// A dump that is read or written.
pub(super) type Io = *mut raw::RedisModuleIO;
/// A command that a filter looks at.
pub(super) type Filtered = *mut raw::RedisModuleCommandFilterCtx;
/// What INFO writes into.
pub(super) type Info = *mut raw::RedisModuleInfoCtx;
/// What INFO says.
type ServerInfo = *mut raw::RedisModuleServerInfoData;
type TypePtr = *mut raw::RedisModuleType;
type Digest = *mut raw::RedisModuleDigest;
type Text = *const c_char;

functions! {
    create_command = RedisModule_CreateCommand(
        ctx: Ctx, name: Text, handler: raw::RedisModuleCmdFunc, flags: Text, first: c_int, last: c_int, step: c_int
    ) -> c_int;
    get_command = RedisModule_GetCommand(ctx: Ctx, name: Text) -> *mut raw::RedisModuleCommand;
    set_command_info = RedisModule_SetCommandInfo(
        command: *mut raw::RedisModuleCommand, info: *const raw::RedisModuleCommandInfo
    ) -> c_int;
    is_keys_position_request = RedisModule_IsKeysPositionRequest(ctx: Ctx) -> c_int;
    key_at_pos_with_flags = RedisModule_KeyAtPosWithFlags(ctx: Ctx, position: c_int, flags: c_int);

    get_context_flags = RedisModule_GetContextFlags(ctx: Ctx) -> c_int;
    get_thread_safe_context = RedisModule_GetThreadSafeContext(client: *mut raw::RedisModuleBlockedClient) -> Ctx;
    get_detached_thread_safe_context = RedisModule_GetDetachedThreadSafeContext(ctx: Ctx) -> Ctx;
    free_thread_safe_context = RedisModule_FreeThreadSafeContext(ctx: Ctx);
    free_call_reply = RedisModule_FreeCallReply(reply: *mut raw::RedisModuleCallReply);
    get_selected_db = RedisModule_GetSelectedDb(ctx: Ctx) -> c_int;
    select_db = RedisModule_SelectDb(ctx: Ctx, database: c_int) -> c_int;
    avoid_replica_traffic = RedisModule_AvoidReplicaTraffic() -> c_int;
    create_timer = RedisModule_CreateTimer(
        ctx: Ctx, period_ms: c_longlong, callback: raw::RedisModuleTimerProc, data: *mut c_void
    ) -> raw::RedisModuleTimerID;
    stop_timer = RedisModule_StopTimer(ctx: Ctx, timer: raw::RedisModuleTimerID, data: *mut *mut c_void) -> c_int;
    register_command_filter = RedisModule_RegisterCommandFilter(
        ctx: Ctx, filter: raw::RedisModuleCommandFilterFunc, flags: c_int
    ) -> *mut raw::RedisModuleCommandFilter;
    command_filter_arg = RedisModule_CommandFilterArgGet(filtered: Filtered, position: c_int) -> Str;
    call_reply_string = RedisModule_CallReplyStringPtr(
        reply: *mut raw::RedisModuleCallReply, length: *mut usize
    ) -> Text;
    subscribe_to_server_event = RedisModule_SubscribeToServerEvent(
        ctx: Ctx, event: raw::RedisModuleEvent, callback: raw::RedisModuleEventCallback
    ) -> c_int;

    create_string = RedisModule_CreateString(ctx: Ctx, bytes: Text, length: usize) -> Str;
    retain_string = RedisModule_RetainString(ctx: Ctx, string: Str);
    free_string = RedisModule_FreeString(ctx: Ctx, string: Str);
    string_ptr_len = RedisModule_StringPtrLen(string: Str, length: *mut usize) -> Text;

    open_key = RedisModule_OpenKey(ctx: Ctx, name: Str, mode: c_int) -> Key;
    close_key = RedisModule_CloseKey(key: Key);
    key_type = RedisModule_KeyType(key: Key) -> c_int;
    module_type_get_type = RedisModule_ModuleTypeGetType(key: Key) -> TypePtr;
    module_type_get_value = RedisModule_ModuleTypeGetValue(key: Key) -> *mut c_void;
    module_type_set_value = RedisModule_ModuleTypeSetValue(key: Key, kind: TypePtr, value: *mut c_void) -> c_int;
    notify_keyspace_event = RedisModule_NotifyKeyspaceEvent(
        ctx: Ctx, class: c_int, event: Text, name: Str
    ) -> c_int;
    signal_modified_key = RedisModule_SignalModifiedKey(ctx: Ctx, name: Str) -> c_int;

    reply_with_error = RedisModule_ReplyWithError(ctx: Ctx, text: Text) -> c_int;
    reply_with_string_buffer = RedisModule_ReplyWithStringBuffer(ctx: Ctx, bytes: Text, length: usize) -> c_int;
    reply_with_long_long = RedisModule_ReplyWithLongLong(ctx: Ctx, number: c_longlong) -> c_int;
    reply_with_null = RedisModule_ReplyWithNull(ctx: Ctx) -> c_int;
    reply_with_array = RedisModule_ReplyWithArray(ctx: Ctx, length: c_long) -> c_int;
    reply_with_map = RedisModule_ReplyWithMap(ctx: Ctx, length: c_long) -> c_int;
    reply_with_simple_string = RedisModule_ReplyWithSimpleString(ctx: Ctx, text: Text) -> c_int;

    create_data_type = RedisModule_CreateDataType(
        ctx: Ctx, name: Text, encoding: c_int, methods: *mut raw::RedisModuleTypeMethods
    ) -> TypePtr;
    save_string_buffer = RedisModule_SaveStringBuffer(io: Io, bytes: Text, length: usize);
    load_string_buffer = RedisModule_LoadStringBuffer(io: Io, length: *mut usize) -> *mut c_char;
    get_key_name_from_io = RedisModule_GetKeyNameFromIO(io: Io) -> *const raw::RedisModuleString;
    get_db_id_from_io = RedisModule_GetDbIdFromIO(io: Io) -> c_int;
    is_io_error = RedisModule_IsIOError(io: Io) -> c_int;
    free = RedisModule_Free(pointer: *mut c_void);
    digest_add_string_buffer = RedisModule_DigestAddStringBuffer(digest: Digest, bytes: Text, length: usize);
    digest_end_sequence = RedisModule_DigestEndSequence(digest: Digest);
    register_info_func = RedisModule_RegisterInfoFunc(ctx: Ctx, callback: raw::RedisModuleInfoFunc) -> c_int;
    info_add_section = RedisModule_InfoAddSection(info: Info, name: Text) -> c_int;
    info_add_field_u64 = RedisModule_InfoAddFieldULongLong(info: Info, name: Text, number: c_ulonglong) -> c_int;
    info_add_field_text = RedisModule_InfoAddFieldCString(info: Info, name: Text, text: Text) -> c_int;
    get_server_info = RedisModule_GetServerInfo(ctx: Ctx, section: Text) -> ServerInfo;
    server_info_get_unsigned = RedisModule_ServerInfoGetFieldUnsigned(
        info: ServerInfo, field: Text, error: *mut c_int
    ) -> c_ulonglong;
    free_server_info = RedisModule_FreeServerInfo(ctx: Ctx, info: ServerInfo);
    set_module_options = RedisModule_SetModuleOptions(ctx: Ctx, options: c_int);

    register_numeric_config = RedisModule_RegisterNumericConfig(
        ctx: Ctx, name: Text, default: c_longlong, flags: c_uint, min: c_longlong, max: c_longlong,
        get: raw::RedisModuleConfigGetNumericFunc, set: raw::RedisModuleConfigSetNumericFunc,
        apply: raw::RedisModuleConfigApplyFunc, data: *mut c_void
    ) -> c_int;
    register_bool_config = RedisModule_RegisterBoolConfig(
        ctx: Ctx, name: Text, default: c_int, flags: c_uint,
        get: raw::RedisModuleConfigGetBoolFunc, set: raw::RedisModuleConfigSetBoolFunc,
        apply: raw::RedisModuleConfigApplyFunc, data: *mut c_void
    ) -> c_int;
    load_configs = RedisModule_LoadConfigs(ctx: Ctx) -> c_int;
}

// Functions that came after Redis 7.0. None where the server lacks one: what they do is left out there.

/// The options that a module can have on this server (Redis 7.2).
pub(super) fn module_options() -> c_int {
    // SAFETY: the pointer is written once, before any call of ours.
    let function = unsafe { raw::RedisModule_GetModuleOptionsAll };
    // SAFETY: it takes nothing.
    function.map_or(0, |function| unsafe { function() })
}

/// Whether a data type can also be made once the module is loaded: before Redis 7.2.
pub(super) fn makes_types_after_load() -> bool {
    // SAFETY: the pointer is written once, before any call of ours.
    unsafe { raw::RedisModule_GetModuleOptionsAll }.is_none()
}

/// Whether modules can add an ACL category (Redis 7.4).
pub(super) fn can_add_acl_category() -> bool {
    // SAFETY: the pointer is written once, before any call of ours.
    unsafe { raw::RedisModule_AddACLCategory }.is_some()
}

/// Adds an ACL category (Redis 7.4).
///
/// # Safety
///
/// The context is that of the load, and the name ends in NUL.
pub(super) unsafe fn add_acl_category(ctx: Ctx, name: Text) -> Option<c_int> {
    // SAFETY: the pointer is written once, before any call of ours.
    let function = unsafe { raw::RedisModule_AddACLCategory };
    // SAFETY: the caller says so.
    function.map(|function| unsafe { function(ctx, name) })
}

/// Puts a command into ACL categories (Redis 7.2).
///
/// # Safety
///
/// The command was just made, and the names end in NUL.
pub(super) unsafe fn set_command_acl_categories(
    command: *mut raw::RedisModuleCommand,
    names: Text,
) -> Option<c_int> {
    // SAFETY: the pointer is written once, before any call of ours.
    let function = unsafe { raw::RedisModule_SetCommandACLCategories };
    // SAFETY: the caller says so.
    function.map(|function| unsafe { function(command, names) })
}

// Functions that take any number of arguments can't be wrapped by the list: each has a wrapper for the one shape
// in which alkey calls it. They are as old as modules are, so none is ever missing.

/// Tells replicas and the append-only file of an effect.
///
/// # Safety
///
/// The context is that of a command or event; the server copies the bytes.
pub(super) unsafe fn replicate_two(ctx: Ctx, command: Text, first: &[u8], second: &[u8]) {
    // SAFETY: the pointer is written once, before any call of ours.
    if let Some(replicate) = unsafe { raw::RedisModule_Replicate } {
        // SAFETY: "bb" announces two pairs of pointer and length, which follow.
        unsafe {
            replicate(
                ctx,
                command,
                c"bb".as_ptr(),
                first.as_ptr().cast::<c_char>(),
                first.len(),
                second.as_ptr().cast::<c_char>(),
                second.len(),
            )
        };
    }
}

/// Calls a command that has a word for its only argument. Null if the server refuses.
///
/// # Safety
///
/// The context is one that the server gave, and both texts end in NUL.
pub(super) unsafe fn call_word(ctx: Ctx, command: Text, word: Text) -> *mut raw::RedisModuleCallReply {
    // SAFETY: the pointer is written once, before any call of ours.
    match unsafe { raw::RedisModule_Call } {
        // SAFETY: "c" announces a text, which follows.
        Some(call) => unsafe { call(ctx, command, c"c".as_ptr(), word) },
        None => core::ptr::null_mut(),
    }
}

/// Calls a command that has a key for its only argument. Null if the server refuses.
///
/// # Safety
///
/// The context is one that the server gave, and the key is a string of the server's.
pub(super) unsafe fn call_one(ctx: Ctx, command: Text, key: Str) -> *mut raw::RedisModuleCallReply {
    // SAFETY: the pointer is written once, before any call of ours.
    match unsafe { raw::RedisModule_Call } {
        // SAFETY: "s" announces a string, which follows.
        Some(call) => unsafe { call(ctx, command, c"s".as_ptr(), key) },
        None => core::ptr::null_mut(),
    }
}

/// Writes a command into an append-only file that is being rewritten.
///
/// # Safety
///
/// The file is the one that a callback of the data type was given; the server copies the bytes.
pub(super) unsafe fn emit_aof_two(io: Io, command: Text, first: Str, second: &[u8]) {
    // SAFETY: the pointer is written once, before any call of ours.
    if let Some(emit) = unsafe { raw::RedisModule_EmitAOF } {
        // SAFETY: "sb" announces a string and a pair of pointer and length, which follow.
        unsafe {
            emit(io, command, c"sb".as_ptr(), first, second.as_ptr().cast::<c_char>(), second.len());
        }
    }
}

/// Writes a line to the server's log.
///
/// # Safety
///
/// The context is one that the server gave, or null.
pub(super) unsafe fn log(ctx: Ctx, level: Text, line: Text) {
    // SAFETY: the pointer is written once, before any call of ours.
    if let Some(log) = unsafe { raw::RedisModule_Log } {
        // SAFETY: the format announces one string, which follows; what is in it is not looked at.
        unsafe { log(ctx, level, c"%s".as_ptr(), line) };
    }
}
