//! A real Prometheus scrapes real servers through real exporters, and answers each query of the dashboard by numbers.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{numbers, queries, read, root};
use crate::access::documented_users;
use crate::commands::client::Client;
use crate::harness::{Server, free_port, wait_until};

const DEADLINE: Duration = Duration::from_secs(60);

/// All commands that are counted.
const CALLS: [&str; 7] = [
    "ALKEY.RECORD alkey:tx:1 alkey:users#1",
    "ALKEY.COMMIT alkey:tx:1",
    "ALKEY.RECORD alkey:tx:2 alkey:users#2",
    "ALKEY.DISCARD alkey:tx:2",
    "ALKEY.TOUCH alkey:users#3",
    "ALKEY.KEY alkey:users#1",
    "ALKEY.LOOKUP alkey:users#1",
];

#[test]
#[ignore = "takes Prometheus and redis_exporter, which scripts/test-monitoring brings"]
fn each_query_of_the_dashboard_gives_numbers() {
    let primary = Server::start();
    let replica = Server::start();
    replica.replica_of(&primary);
    let users = documented_users();
    let user =
        users.iter().find(|user| user.starts_with("alkey-exporter ")).expect("a user for the exporter");
    for server in [&primary, &replica] {
        Client::of(server).ok(&format!("ACL SETUSER {user}"));
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let directory = directory.path();
    let ports = [free_port(), free_port()];
    let _exporters = [(&primary, ports[0]), (&replica, ports[1])].map(|(server, port)| {
        let script = root().join("monitoring/alkey.lua");
        let arguments = [
            format!("-redis.addr=redis://127.0.0.1:{}", server.port()),
            format!("-web.listen-address=127.0.0.1:{port}"),
            format!("-script={}", script.display()),
            "-redis.user=alkey-exporter".to_owned(),
            "-redis.password=exporter-password".to_owned(),
        ];
        Running::start("prometheus-redis-exporter", &arguments, directory)
    });

    let config = with(&read("monitoring/prometheus.yml"), "scrape_interval: 15s", "scrape_interval: 1s");
    let targets = ports.map(|port| format!("127.0.0.1:{port}")).join("\n          - ");
    let config = with(&config, "localhost:9121", &targets);
    fs::write(directory.join("prometheus.yml"), config).expect("the directory is writable");
    fs::write(directory.join("alkey.rules.yml"), read("monitoring/alkey.rules.yml")).expect("it is writable");
    let port = free_port();
    let arguments = [
        format!("--config.file={}", directory.join("prometheus.yml").display()),
        format!("--storage.tsdb.path={}", directory.join("data").display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
    ];
    let _prometheus = Running::start("prometheus", &arguments, directory);

    // A time of a call is there only while there are calls, and a rate takes two scrapes.
    let mut client = Client::of(&primary);
    for query in queries() {
        let query = query.replace("$instance", ".+").replace("$__rate_interval", "15s");
        wait_until(DEADLINE, &format!("there are numbers for {query}"), || {
            for call in CALLS {
                client.call(call);
            }
            match ask(port, &query) {
                Ok(numbers) if !numbers.is_empty() && numbers.iter().all(|number| number.is_finite()) => {
                    Ok(())
                }
                other => Err(format!("{other:?}\n{}", logs(directory))),
            }
        });
    }

    let logs = logs(directory);
    assert!(!logs.contains("NOPERM"), "the exporter's user may not do all that it should:\n{logs}");

    // What Prometheus has is what the server tells.
    for (name, told) in numbers(&primary) {
        if name.ends_with("_ms") {
            continue;
        }
        let told: f64 = told.parse().expect("a number");
        let query = format!("{name}{{job='redis', instance='127.0.0.1:{}', key='', filename=''}}", ports[0]);
        wait_until(DEADLINE, &format!("{name} is {told}"), || match ask(port, &query) {
            Ok(numbers) if numbers == [told] => Ok(()),
            other => Err(other),
        });
    }
}

/// The values that a query has now.
fn ask(port: u16, query: &str) -> Result<Vec<f64>, String> {
    let server = format!("http://127.0.0.1:{port}");
    let output = Command::new(program("promtool"))
        .args(["query", "instant", &server, query])
        .output()
        .expect("promtool lies beside prometheus");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let lines = String::from_utf8(output.stdout).expect("text");
    let value = |line: &str| line.rsplit_once(" => ")?.1.split_once(" @")?.0.parse().ok();
    lines.lines().map(|line| value(line).ok_or(line.to_owned())).collect()
}

/// A program that ends with the test.
struct Running(Child);

impl Running {
    fn start(name: &str, arguments: &[String], directory: &Path) -> Self {
        let log = File::options().create(true).append(true).open(directory.join("log")).expect("a log");
        // It ends when the test's thread does, however that is.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program(name))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log can be opened twice"))
            .stderr(log)
            .spawn();
        Self(child.expect("there is setpriv (package util-linux)"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then its log is in the failure.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn program(name: &str) -> PathBuf {
    let directory = env::var_os("ALKEY_MONITORING_BIN");
    Path::new(&directory.expect("run scripts/test-monitoring, which sets ALKEY_MONITORING_BIN")).join(name)
}

fn logs(directory: &Path) -> String {
    fs::read_to_string(directory.join("log")).unwrap_or_default()
}

/// The text with something replaced, which must be there.
fn with(text: &str, before: &str, after: &str) -> String {
    assert!(text.contains(before), "monitoring/prometheus.yml has no {before:?}");
    text.replace(before, after)
}
