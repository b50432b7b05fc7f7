//! The context in which alkey logs and starts timers where no call gives one.

use super::api::{self, Ctx};
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use redis_module::raw::RedisModuleCtx;

/// Null before the module is loaded.
static CONTEXT: AtomicPtr<RedisModuleCtx> = AtomicPtr::new(core::ptr::null_mut());

/// Makes it, for the module that is loaded in this context.
pub(super) fn make(ctx: Ctx) {
    // SAFETY: the context is that of the load. What it gives is kept for as long as the module is: for good.
    CONTEXT.store(unsafe { api::get_detached_thread_safe_context(ctx) }, Relaxed);
}

/// The context, which outlives all calls.
pub(super) fn get() -> Ctx {
    CONTEXT.load(Relaxed)
}
