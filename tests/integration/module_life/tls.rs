//! TLS is the server's own: alkey sees calls, not connections, and what it replicates goes the server's way.

use std::path::Path;
use std::process::Command;

use crate::harness::{Server, free_port};

#[test]
fn commands_and_replication_go_through_tls() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    if let Err(why) = make_certificate(directory.path()) {
        eprintln!("skipped: there is no certificate to be had: {why}");
        return;
    }
    let file = |name: &str| directory.path().join(name).display().to_string();
    let (certificate, key) = (file("certificate.pem"), file("key.pem"));
    let tls_server = || {
        let port = free_port().to_string();
        let server = Server::builder()
            .config("tls-port", &port)
            .config("tls-cert-file", &certificate)
            .config("tls-key-file", &key)
            .config("tls-ca-cert-file", &certificate)
            .config("tls-replication", "yes")
            .try_start();
        server.map(|server| (server, port))
    };
    let (primary, primary_port) = match tls_server() {
        Err(log) if log.contains("Failed finding TLS support") => {
            eprintln!("skipped: this server was built without TLS, as its log says");
            return;
        }
        started => started.expect("the server starts"),
    };
    let (replica, replica_port) = tls_server().expect("the second starts as the first did");
    let call = |port: &str, command: &[&str]| {
        let mut client = Command::new("redis-cli");
        client.args(["--tls", "--cacert", &certificate, "--cert", &certificate, "--key", &key, "-p", port]);
        let output = client.args(command).output().expect("there is redis-cli");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
    };

    assert_eq!(call(&replica_port, &["REPLICAOF", "127.0.0.1", &primary_port]), "OK");
    replica.wait_for_sync_with(&primary);
    let before = call(&primary_port, &["ALKEY.KEY", "alkey:users#1"]);
    assert_eq!(call(&primary_port, &["ALKEY.RECORD", "alkey:tx:1", "alkey:users#1"]), "1");
    assert_eq!(call(&primary_port, &["ALKEY.COMMIT", "alkey:tx:1", "alkey:users#1"]), "1");
    let after = call(&primary_port, &["ALKEY.KEY", "alkey:users#1"]);
    assert!(before.len() == 64 && after.len() == 64 && before != after, "{before} {after}");
    replica.catch_up_with(&primary);
    assert_eq!(call(&replica_port, &["ALKEY.KEY_RO", "alkey:users#1"]), after);
}

/// A certificate for this machine, and its key, which sign themselves.
fn make_certificate(directory: &Path) -> Result<(), String> {
    let made = Command::new("openssl")
        .current_dir(directory)
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"])
        .args(["-keyout", "key.pem", "-out", "certificate.pem"])
        .output()
        .map_err(|error| format!("openssl can't be run: {error}"))?;
    if made.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&made.stderr).into_owned()) }
}
