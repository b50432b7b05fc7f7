//! The section `alkey` of INFO: totals since the module was loaded, what is held and in flight now, and the largest
//! namespaces.

use super::api::{self, Ctx, Info};
use super::counters::Counter;
use super::register::text;
use super::{guard, registry, state};
use crate::protocol::namespace::Namespace;
use redis_module::raw;
use std::cmp::Reverse;
use std::ffi::c_int;

/// So many namespaces are shown, the largest first.
const NAMESPACES_SHOWN: usize = 10;

/// Lets INFO ask.
pub(super) fn register(ctx: Ctx) -> Result<(), String> {
    let callback: raw::RedisModuleInfoFunc = Some(write_section);
    // SAFETY: the context is that of the load; the callback is a function of the type asked for.
    let registered = unsafe { api::register_info_func(ctx, callback) };
    if registered == 0 { Ok(()) } else { Err("the server refused a section of INFO".into()) }
}

extern "C" fn write_section(info: Info, for_crash_report: c_int) {
    // In a crash the state may be half changed, and the thread any.
    if for_crash_report == 0 {
        let _ = guard::run("INFO", || Section { info }.write());
    }
}

/// One namespace, in numbers.
struct Size {
    label: String,
    tables: usize,
    rows: usize,
    bytes: usize,
}

impl Size {
    fn of(database: i32, name: &[u8], namespace: &Namespace) -> Self {
        // The server puts a field on one line, and those who read it split it at commas.
        let name = name.escape_ascii().to_string().replace(',', "\\x2c");
        Self {
            label: format!("db={database},name={name}"),
            tables: namespace.tables().len(),
            rows: namespace.rows(),
            bytes: namespace.bytes(),
        }
    }
}

struct Section {
    info: Info,
}

impl Section {
    fn write(&self) {
        // SAFETY: the server gave the place to write into; a section without a name has the module's.
        unsafe { api::info_add_section(self.info, core::ptr::null()) };
        for (counter, name) in Counter::ALL {
            self.number(name, counter.total());
        }
        let mut sizes = Vec::new();
        registry::for_each(|database, name, namespace| sizes.push(Size::of(database, name, namespace)));
        self.count("namespaces", sizes.len());
        self.count("tables", sizes.iter().map(|size| size.tables).sum());
        self.count("rows", sizes.iter().map(|size| size.rows).sum());
        self.count("memory_bytes", sizes.iter().map(|size| size.bytes).sum());
        self.write_flights();
        sizes.sort_unstable_by(|a, b| (Reverse(a.bytes), &a.label).cmp(&(Reverse(b.bytes), &b.label)));
        for (position, size) in sizes.iter().take(NAMESPACES_SHOWN).enumerate() {
            let Size { label, tables, rows, bytes } = size;
            let name = format!("namespace_{position}");
            self.line(&name, &format!("{label},tables={tables},rows={rows},memory_bytes={bytes}"));
        }
    }

    fn write_flights(&self) {
        let flights = state::with(|state| state.flights()).unwrap_or_default();
        self.count("transactions_in_flight", flights.in_flight);
        self.number("oldest_in_flight_ms", flights.oldest_ms);
        self.count("transactions_remembered", flights.remembered);
        self.count("flights_memory_bytes", flights.bytes);
        self.number("grace_left_ms", flights.grace_left_ms);
    }

    fn count(&self, name: &str, count: usize) {
        self.number(name, count as u64);
    }

    fn number(&self, name: &str, number: u64) {
        let name = text(name);
        // SAFETY: the server gave the place to write into, and the name ends in NUL.
        unsafe { api::info_add_field_u64(self.info, name.as_ptr(), number) };
    }

    fn line(&self, name: &str, line: &str) {
        let (name, line) = (text(name), text(line));
        // SAFETY: the server gave the place to write into, and both texts end in NUL.
        unsafe { api::info_add_field_text(self.info, name.as_ptr(), line.as_ptr()) };
    }
}
