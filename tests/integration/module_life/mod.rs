//! The module's life on a server: it is loaded, upgraded, and missed, as docs/operations.md tells.

use std::fs;

use crate::harness::{Server, module_path};

mod loading;
mod missing;
mod threads;
mod tls;
mod upgrade;

fn module() -> &'static str {
    module_path().to_str().expect("a path in UTF-8")
}

#[track_caller]
fn read_config(server: &Server) -> String {
    fs::read_to_string(server.config_path()).expect("the configuration can be read")
}

/// From its next start on, the server has this configuration.
#[track_caller]
fn write_config(server: &Server, config: &str) {
    fs::write(server.config_path(), config).expect("the configuration can be written");
}

/// A configuration with this in place of the line that loads the module.
#[track_caller]
fn with_load_line(config: &str, new: &str) -> String {
    let lines: Vec<&str> = config.lines().collect();
    assert_eq!(lines.iter().filter(|line| is_load_line(line)).count(), 1, "{config}");
    let line = |line: &&str| if is_load_line(line) { new.to_owned() } else { format!("{line}\n") };
    lines.iter().map(line).collect()
}

fn is_load_line(line: &str) -> bool {
    line.starts_with("loadmodule ")
}
