//! How commands are made known to the server: names, flags, keys, documentation, handlers.

use super::api::{self, Ctx, Str};
use super::call::Call;
use super::counters::Counter;
use super::guard;
use crate::protocol::error::Result;
use crate::protocol::identifier::looks_like_identifier;
use crate::protocol::parts::VALUES_FOLLOW;
use redis_module::raw;
use std::ffi::{CStr, CString, c_int};
use std::io;

/// A command: what is known of it before it runs, and what it does.
pub(crate) trait Command {
    const SPEC: Spec;

    /// The name, for errors.
    const NAME: &'static str = match Self::SPEC.name.to_str() {
        Ok(name) => name,
        Err(_) => "",
    };

    /// Judges all arguments, then acts and replies, or returns the error to reply with.
    fn run(call: &Call) -> Result<()>;
}

/// What `COMMAND INFO` and `COMMAND DOCS` tell.
pub(crate) struct Spec {
    pub(crate) name: &'static CStr,
    /// The flags of `RedisModule_CreateCommand`.
    pub(crate) flags: &'static CStr,
    /// Words of a call, its name included; negative: at least so many.
    pub(crate) arity: c_int,
    pub(crate) keys: Keys,
    /// ACL categories beside that of alkey, where the server lets modules choose them.
    pub(crate) categories: &'static str,
    /// What counts its calls.
    pub(crate) counter: Option<Counter>,
    pub(crate) summary: &'static CStr,
    pub(crate) complexity: &'static CStr,
    pub(crate) arguments: &'static [Argument],
}

/// Which arguments are keys, and what for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// None.
    None,
    /// All, to be written.
    AllWritten,
    /// The first alone, to be written.
    FirstWritten,
    /// The first alone, to be read.
    FirstRead,
    /// The first alone and if it is there, to be read.
    FirstIfAnyRead,
    /// Those before `--` that look like identifiers, to be read.
    IdentifiersRead,
}

/// An argument, as `COMMAND DOCS` shows it.
pub(crate) struct Argument {
    pub(crate) name: &'static CStr,
    pub(crate) is_key: bool,
    pub(crate) is_optional: bool,
    pub(crate) is_repeated: bool,
}

impl Argument {
    /// One that must be there, once.
    pub(crate) const fn one(name: &'static CStr) -> Self {
        Self { name, is_key: false, is_optional: false, is_repeated: false }
    }

    pub(crate) const fn key(mut self) -> Self {
        self.is_key = true;
        self
    }

    pub(crate) const fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }

    pub(crate) const fn repeated(mut self) -> Self {
        self.is_repeated = true;
        self
    }
}

/// All commands came with this release.
const SINCE: &CStr = c"1.0.0";

/// The layouts that the structures below have; the server reads them by these sizes, whatever its own are.
static INFO_VERSION: raw::RedisModuleCommandInfoVersion = raw::RedisModuleCommandInfoVersion {
    version: 1,
    sizeof_historyentry: size_of::<raw::RedisModuleCommandHistoryEntry>(),
    sizeof_keyspec: size_of::<raw::RedisModuleCommandKeySpec>(),
    sizeof_arg: size_of::<raw::RedisModuleCommandArg>(),
};

/// Registers commands while the module is loaded.
pub(crate) struct Registrar {
    ctx: Ctx,
}

impl Registrar {
    pub(super) fn new(ctx: Ctx) -> Self {
        Self { ctx }
    }

    /// Makes a command known.
    pub(crate) fn add<C: Command>(&self) -> core::result::Result<(), String> {
        let Spec { name, flags, keys, .. } = C::SPEC;
        let (first, last, step) = keys.range();
        // SAFETY: all texts end in NUL; the handler is a function of the type asked for.
        let created = unsafe {
            api::create_command(self.ctx, name.as_ptr(), Some(handle::<C>), flags.as_ptr(), first, last, step)
        };
        let refused = || format!("the server refused the command {}", name.to_string_lossy());
        if created != OK {
            return Err(refused());
        }
        // SAFETY: the name ends in NUL.
        let command = unsafe { api::get_command(self.ctx, name.as_ptr()) };
        if command.is_null() || !describe(command, &C::SPEC) || !categorize(command, &C::SPEC) {
            return Err(refused());
        }
        Ok(())
    }
}

const OK: c_int = 0;

/// Adds the category `alkey`, of all commands, where the server lets modules add one.
pub(super) fn add_category(ctx: Ctx) -> core::result::Result<(), String> {
    // SAFETY: the context is that of the load, and the name ends in NUL.
    match unsafe { api::add_acl_category(ctx, c"alkey".as_ptr()) } {
        Some(OK) | None => Ok(()),
        // Redis 8 keeps that of a load which was refused.
        Some(_) if io::Error::last_os_error().kind() == io::ErrorKind::ResourceBusy => Ok(()),
        Some(_) => Err("the server refused the ACL category".into()),
    }
}

fn categorize(command: *mut raw::RedisModuleCommand, spec: &Spec) -> bool {
    // Redis 7.2 has categories, but modules can't add one: there the name of ours would be an error.
    let own = if api::can_add_acl_category() { "alkey " } else { "" };
    let categories = text(&format!("{own}{}", spec.categories));
    // SAFETY: the command was just made, and the names end in NUL.
    let set = unsafe { api::set_command_acl_categories(command, categories.as_ptr()) };
    set.is_none_or(|status| status == OK)
}

/// Tells the server all but the handler.
fn describe(command: *mut raw::RedisModuleCommand, spec: &Spec) -> bool {
    // Both lists end in an entry of zeros.
    let mut key_specs: Vec<_> = spec.keys.spec().into_iter().chain([no_key_spec()]).collect();
    let mut arguments: Vec<_> = spec.arguments.iter().map(describe_argument).chain([no_argument()]).collect();
    let info = raw::RedisModuleCommandInfo {
        version: &raw const INFO_VERSION,
        summary: spec.summary.as_ptr(),
        complexity: spec.complexity.as_ptr(),
        since: SINCE.as_ptr(),
        history: core::ptr::null_mut(),
        tips: core::ptr::null(),
        arity: spec.arity,
        key_specs: key_specs.as_mut_ptr(),
        args: arguments.as_mut_ptr(),
    };
    // SAFETY: the command was just made; the server copies what the structure points to.
    unsafe { api::set_command_info(command, &raw const info) == OK }
}

fn describe_argument(argument: &Argument) -> raw::RedisModuleCommandArg {
    let (kind, key_spec) = if argument.is_key {
        (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_KEY, 0)
    } else {
        (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING, -1)
    };
    let mut flags = raw::REDISMODULE_CMD_ARG_NONE;
    if argument.is_optional {
        flags |= raw::REDISMODULE_CMD_ARG_OPTIONAL;
    }
    if argument.is_repeated {
        flags |= raw::REDISMODULE_CMD_ARG_MULTIPLE;
    }
    raw::RedisModuleCommandArg {
        name: argument.name.as_ptr(),
        type_: kind,
        key_spec_index: key_spec,
        flags: flags.cast_signed(),
        ..no_argument()
    }
}

fn no_argument() -> raw::RedisModuleCommandArg {
    raw::RedisModuleCommandArg {
        name: core::ptr::null(),
        type_: 0,
        key_spec_index: 0,
        token: core::ptr::null(),
        summary: core::ptr::null(),
        since: core::ptr::null(),
        flags: 0,
        deprecated_since: core::ptr::null(),
        subargs: core::ptr::null_mut(),
        display_text: core::ptr::null(),
    }
}

const READ: u32 = raw::REDISMODULE_CMD_KEY_RO | raw::REDISMODULE_CMD_KEY_ACCESS;
// Written without being read: so it is enough for a writer to have the right to write.
const WRITE: u32 = raw::REDISMODULE_CMD_KEY_OW | raw::REDISMODULE_CMD_KEY_UPDATE;

impl Keys {
    /// First, last and step, as before there were key specifications.
    fn range(self) -> (c_int, c_int, c_int) {
        match self {
            Self::None => (0, 0, 0),
            Self::AllWritten | Self::IdentifiersRead => (1, -1, 1),
            Self::FirstWritten | Self::FirstRead | Self::FirstIfAnyRead => (1, 1, 1),
        }
    }

    fn flags(self) -> u32 {
        match self {
            Self::None => 0,
            Self::AllWritten | Self::FirstWritten => WRITE,
            Self::FirstRead => READ,
            // The range names arguments that are no keys: the command is to be asked.
            Self::FirstIfAnyRead | Self::IdentifiersRead => READ | raw::REDISMODULE_CMD_KEY_INCOMPLETE,
        }
    }

    fn spec(self) -> Option<raw::RedisModuleCommandKeySpec> {
        // Relative to the first, where it isn't counted from the end.
        let last = match self {
            Self::None => return None,
            Self::AllWritten | Self::IdentifiersRead => -1,
            Self::FirstWritten | Self::FirstRead | Self::FirstIfAnyRead => 0,
        };
        Some(raw::RedisModuleCommandKeySpec {
            flags: u64::from(self.flags()),
            begin_search_type: raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_INDEX,
            bs: raw::RedisModuleCommandKeySpec__bindgen_ty_1 {
                index: raw::RedisModuleCommandKeySpec__bindgen_ty_1__bindgen_ty_1 { pos: 1 },
            },
            find_keys_type: raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_RANGE,
            fk: raw::RedisModuleCommandKeySpec__bindgen_ty_2 {
                range: raw::RedisModuleCommandKeySpec__bindgen_ty_2__bindgen_ty_1 {
                    lastkey: last,
                    keystep: 1,
                    limit: 0,
                },
            },
            ..no_key_spec()
        })
    }

    /// Answers the server that asks which arguments are keys.
    fn declare(self, call: &Call) {
        let flags = READ.cast_signed();
        match self {
            Self::FirstIfAnyRead if call.arguments().len() > 0 => call.declare_key(0, flags),
            Self::IdentifiersRead => call
                .arguments()
                .take_while(|argument| *argument != VALUES_FOLLOW)
                .enumerate()
                .filter(|(_, argument)| looks_like_identifier(argument))
                .for_each(|(position, _)| call.declare_key(position, flags)),
            // The server reads these from the specification.
            _ => {}
        }
    }
}

fn no_key_spec() -> raw::RedisModuleCommandKeySpec {
    raw::RedisModuleCommandKeySpec {
        notes: core::ptr::null(),
        flags: 0,
        begin_search_type: raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_INVALID,
        bs: raw::RedisModuleCommandKeySpec__bindgen_ty_1 {
            index: raw::RedisModuleCommandKeySpec__bindgen_ty_1__bindgen_ty_1 { pos: 0 },
        },
        find_keys_type: raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_OMITTED,
        fk: raw::RedisModuleCommandKeySpec__bindgen_ty_2 {
            range: raw::RedisModuleCommandKeySpec__bindgen_ty_2__bindgen_ty_1 {
                lastkey: 0,
                keystep: 0,
                limit: 0,
            },
        },
    }
}

/// What the server calls for a command.
extern "C" fn handle<C: Command>(ctx: Ctx, words: *mut Str, count: c_int) -> c_int {
    // SAFETY: the server passes what belongs to this call.
    let call = unsafe { Call::new(ctx, words, count) };
    let keys = C::SPEC.keys;
    if matches!(keys, Keys::FirstIfAnyRead | Keys::IdentifiersRead) && call.asks_for_keys() {
        keys.declare(&call);
        return OK;
    }
    if let Some(counter) = C::SPEC.counter {
        counter.add(1);
    }
    if let Err(error) = guard::run(C::NAME, || C::run(&call)).flatten() {
        Counter::Errors.add(1);
        call.error(&error);
    }
    OK
}

/// A text of ours for the server; ours have no NUL in them.
pub(super) fn text(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}
