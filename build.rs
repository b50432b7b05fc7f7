//! Keeps the module in memory once it was loaded. A server that refuses a module after all may still call what the module
//! had registered by then (Redis 7.0 forgets no event), and the thread of `src/server/reaper.rs` runs to the end.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
