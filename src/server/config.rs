//! The configuration: one table of names and bounds, which the config file, the load line and CONFIG SET all obey.

use super::api::{self, Ctx};
use super::register::text;
use super::{guard, state};
use crate::protocol::limits::{LEASE_MS_MAX, Settings};
use redis_module::{RedisString, raw};
use std::ffi::{c_char, c_int, c_longlong, c_void};
use std::sync::atomic::{AtomicI64, Ordering};

/// A setting that is a number.
struct Setting {
    name: &'static str,
    default: i64,
    min: i64,
    max: i64,
    value: AtomicI64,
}

impl Setting {
    const fn new(name: &'static str, default: i64, min: i64, max: i64) -> Self {
        Self { name, default, min, max, value: AtomicI64::new(default) }
    }

    fn get(&self) -> u64 {
        // All bounds are positive.
        self.value.load(Ordering::Relaxed).unsigned_abs()
    }
}

static LEASE_MS: Setting = Setting::new("lease-ms", 5_000, 1, LEASE_MS_MAX.cast_signed());
static SWEEP_THRESHOLD: Setting = Setting::new("sweep-threshold", 10_000, 1, 10_000_000);
static ROWS_MAX: Setting = Setting::new("max-rows", 1_000_000, 64, 1_000_000_000);
/// A number to be told from the load line like the others; the server knows it as `yes` or `no`.
static TRUST_RESTORED: Setting = Setting::new("trust-restored", 0, 0, 1);

static NUMBERS: [&Setting; 3] = [&LEASE_MS, &SWEEP_THRESHOLD, &ROWS_MAX];

/// The settings as they are now.
pub(crate) fn settings() -> Settings {
    let size = |setting: &Setting| usize::try_from(setting.get()).unwrap_or(usize::MAX);
    Settings {
        lease_ms: LEASE_MS.get(),
        sweep_threshold: size(&SWEEP_THRESHOLD),
        rows_max: size(&ROWS_MAX),
        trust_restored: TRUST_RESTORED.get() != 0,
    }
}

/// Makes the settings known to the server, with what the load line and the config file say of them.
pub(super) fn register(ctx: Ctx, arguments: &[RedisString]) -> Result<(), String> {
    // A load that was refused may have left its own.
    all().for_each(|setting| setting.value.store(setting.default, Ordering::Relaxed));
    read_load_line(arguments)?;
    for setting in NUMBERS {
        let name = text(setting.name);
        // SAFETY: the name ends in NUL and is copied; the functions are of the types asked for; the setting is static.
        let registered = unsafe {
            api::register_numeric_config(
                ctx,
                name.as_ptr(),
                setting.value.load(Ordering::Relaxed),
                raw::REDISMODULE_CONFIG_DEFAULT,
                setting.min,
                setting.max,
                Some(get_number),
                Some(set_number),
                None,
                (&raw const *setting).cast_mut().cast(),
            )
        };
        check(registered, setting)?;
    }
    let name = text(TRUST_RESTORED.name);
    // SAFETY: as above.
    let registered = unsafe {
        api::register_bool_config(
            ctx,
            name.as_ptr(),
            c_int::from(TRUST_RESTORED.get() != 0),
            raw::REDISMODULE_CONFIG_DEFAULT,
            Some(get_bool),
            Some(set_bool),
            None,
            (&raw const TRUST_RESTORED).cast_mut().cast(),
        )
    };
    check(registered, &TRUST_RESTORED)?;
    // SAFETY: the context is that of the load, and all settings are registered.
    if unsafe { api::load_configs(ctx) } == 0 {
        Ok(())
    } else {
        Err("the config file has a wrong value".into())
    }
}

fn check(registered: c_int, setting: &Setting) -> Result<(), String> {
    if registered == 0 {
        Ok(())
    } else {
        Err(format!("the server refused the setting alkey.{}", setting.name))
    }
}

/// Reads `name value` pairs. The server takes the load line past the bounds of settings, so they are held to here.
fn read_load_line(arguments: &[RedisString]) -> Result<(), String> {
    let mut words = arguments.iter().map(|word| String::from_utf8_lossy(word.as_slice()));
    while let Some(name) = words.next() {
        let Some(setting) = all().find(|setting| setting.name == name) else {
            let names: Vec<&str> = all().map(|setting| setting.name).collect();
            return Err(format!("{name:?} is no setting: expected one of {}", names.join(", ")));
        };
        let value = words.next().unwrap_or_default();
        let number = match (setting.name == TRUST_RESTORED.name, &*value) {
            (true, "yes") => Some(1),
            (true, "no") => Some(0),
            (true, _) => None,
            (false, digits) => digits.parse().ok(),
        };
        let in_bounds = number.filter(|number| (setting.min..=setting.max).contains(number));
        let Some(number) = in_bounds else {
            let expected = if setting.name == TRUST_RESTORED.name {
                "yes or no".to_owned()
            } else {
                format!("a number from {} to {}", setting.min, setting.max)
            };
            return Err(format!("{value:?} is no value for {name}: expected {expected}"));
        };
        setting.value.store(number, Ordering::Relaxed);
    }
    Ok(())
}

fn all() -> impl Iterator<Item = &'static Setting> {
    NUMBERS.into_iter().chain([&TRUST_RESTORED])
}

fn setting<'a>(data: *mut c_void) -> Option<&'a Setting> {
    // SAFETY: the server passes what was registered: a static setting.
    unsafe { data.cast::<Setting>().as_ref() }
}

extern "C" fn get_number(_name: *const c_char, data: *mut c_void) -> c_longlong {
    setting(data).map_or(0, |setting| setting.value.load(Ordering::Relaxed))
}

extern "C" fn set_number(
    _name: *const c_char,
    value: c_longlong,
    data: *mut c_void,
    _error: *mut *mut raw::RedisModuleString,
) -> c_int {
    // The server has held the value to the bounds.
    if let Some(setting) = setting(data) {
        setting.value.store(value, Ordering::Relaxed);
        if core::ptr::eq(setting, &raw const LEASE_MS) {
            // There is no state yet while the module is loaded.
            let _ = guard::run("CONFIG SET", || state::with(|state| state.set_lease(setting.get())));
        }
    }
    0
}

extern "C" fn get_bool(_name: *const c_char, data: *mut c_void) -> c_int {
    setting(data).map_or(0, |setting| c_int::from(setting.get() != 0))
}

extern "C" fn set_bool(
    _name: *const c_char,
    value: c_int,
    data: *mut c_void,
    _error: *mut *mut raw::RedisModuleString,
) -> c_int {
    if let Some(setting) = setting(data) {
        setting.value.store(i64::from(value != 0), Ordering::Relaxed);
    }
    0
}
