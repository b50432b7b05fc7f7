//! The module is the one just built, or the tests fail.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::harness::find_module;

#[test]
fn a_module_as_new_as_its_sources_is_found() {
    let built = Built::new();
    assert_eq!(built.find(), Ok(built.path("libalkey.so")));

    // Cargo rebuilds nothing for these, so they must not count.
    built.write("src/notes.txt", Duration::from_secs(60));
    built.write("Cargo.toml", Duration::from_secs(60));
    assert_eq!(built.find(), Ok(built.path("libalkey.so")));
}

#[test]
fn a_missing_module_is_an_error() {
    let built = Built::new();
    fs::remove_file(built.path("libalkey.so")).unwrap();
    assert!(built.error().contains("libalkey.so is missing: `cargo test` builds it"), "{}", built.error());
}

#[test]
fn a_stale_module_is_an_error() {
    let built = Built::new();
    built.write("src/a part.rs", Duration::from_millis(1));
    assert!(built.error().contains("src/a part.rs is newer"), "{}", built.error());

    let built = Built::new();
    fs::remove_file(built.path("src/lib.rs")).unwrap();
    assert!(built.error().contains("src/lib.rs can't be read"), "{}", built.error());
}

#[test]
fn a_module_that_the_tests_do_not_rebuild_is_an_error() {
    let built = Built::new();
    fs::write(built.path("alkey.d"), "/any/libalkey.so: src/lib.rs\n").unwrap();
    assert!(built.error().contains("unless `crate-type` in Cargo.toml holds \"rlib\""), "{}", built.error());

    fs::write(built.path("alkey.d"), "/any/alkey-1: src/lib.rs\n").unwrap();
    assert!(built.error().contains("says nothing about libalkey.so"), "{}", built.error());

    fs::remove_file(built.path("alkey.d")).unwrap();
    assert!(built.error().contains("can't tell what the module was made from"), "{}", built.error());
}

/// A directory that looks to `find_module` as if the module had been built in it.
struct Built {
    directory: tempfile::TempDir,
    when: SystemTime,
}

impl Built {
    fn new() -> Self {
        let built = Self { directory: tempfile::tempdir().unwrap(), when: SystemTime::now() };
        fs::create_dir(built.path("src")).unwrap();
        for name in ["src/lib.rs", "src/a part.rs", "libalkey.so"] {
            built.write(name, Duration::ZERO);
        }
        let list = "/any where/libalkey.so: src/lib.rs src/a\\ part.rs\n\n\
                    /any where/libalkey.rlib: src/lib.rs src/a\\ part.rs\n\nsrc/lib.rs:\n";
        fs::write(built.path("alkey.d"), list).unwrap();
        built
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file as if `later` than the module was built.
    fn write(&self, name: &str, later: Duration) {
        File::create(self.path(name)).unwrap().set_modified(self.when + later).unwrap();
    }

    fn find(&self) -> Result<PathBuf, String> {
        find_module(self.directory.path(), self.directory.path())
    }

    #[track_caller]
    fn error(&self) -> String {
        self.find().expect_err("the module is refused")
    }
}
