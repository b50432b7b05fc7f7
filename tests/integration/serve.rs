//! scripts/serve, as somebody uses it who tries alkey: what it prints is true, and it leaves nothing behind.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::harness::{DEADLINE, Raw, free_port, module_path, wait_until};

/// The last line that it prints when the server is ready.
const LAST_LINE: &str = "Ctrl-C stops the server.";

struct Serve {
    script: Child,
    stdout: BufReader<ChildStdout>,
}

impl Serve {
    /// With what the script prints up to `LAST_LINE`.
    #[track_caller]
    fn start(port: u16) -> (Self, String) {
        let mut script = command(&port.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("there is bash");
        let stdout = BufReader::new(script.stdout.take().expect("a pipe"));
        let mut serve = Self { script, stdout };
        let mut said = String::new();
        while !said.contains(LAST_LINE) {
            let bytes = serve.stdout.read_line(&mut said).expect("text");
            assert!(bytes > 0, "it ended: {said}{}", serve.complaints());
        }
        (serve, said)
    }

    fn complaints(&mut self) -> String {
        let mut said = String::new();
        let stderr = self.script.stderr.as_mut().expect("a pipe");
        stderr.read_to_string(&mut said).expect("text");
        said
    }

    /// As Ctrl-C does.
    fn interrupt(&mut self) {
        let id = self.script.id().to_string();
        assert!(Command::new("kill").args(["-s", "INT", &id]).status().expect("there is kill").success());
    }
}

impl Drop for Serve {
    /// It stops its server when it is told to end, which a kill would not let it.
    fn drop(&mut self) {
        if let Ok(Some(_)) = self.script.try_wait() {
            return;
        }
        drop(Command::new("kill").args(["-s", "TERM", &self.script.id().to_string()]).status());
        drop(self.script.wait());
    }
}

fn command(port: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // It ends with this thread, should that not be able to end it.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(root.join("scripts/serve")).args(["--port", port]);
    command.env("ALKEY_MODULE", module_path());
    command
}

#[test]
fn what_it_prints_is_true() {
    let port = free_port();
    let (mut serve, said) = Serve::start(port);
    let mut raw = Raw::connect(port).expect("it listens");

    assert!(said.contains(&format!("alkey runs on 127.0.0.1:{port}.")), "{said}");
    let (_, rest) = said.split_once("ten minutes here (alkey.lease-ms ").expect("it says the lease");
    let lease_ms = rest.split(';').next().expect("a number");
    assert_eq!(lease_ms, (10 * 60 * 1000).to_string());
    let set = raw.text(&["CONFIG", "GET", "alkey.lease-ms"]);
    assert!(set.ends_with(&format!("\r\n{lease_ms}\r\n")), "{set}");
    assert!(
        rest.contains("since\na person takes longer between RECORD and COMMIT than an application"),
        "{said}"
    );

    let commands: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let replies: Vec<String> = commands.iter().map(|command| typed(command)).collect();
    let [before, recorded, committed, after] = &replies[..] else { panic!("{commands:?}") };
    assert_eq!((recorded.as_str(), committed.as_str()), ("1\n", "1\n"));
    assert!(before.len() == 65 && after.len() == 65 && before != after, "{before}{after}");

    serve.interrupt();
    assert_eq!(serve.script.wait().expect("it ends").code(), Some(130), "{}", serve.complaints());
    wait_until(DEADLINE, "the server is stopped", || match Raw::connect(port) {
        Ok(_) => Err("it still listens"),
        Err(_) => Ok(()),
    });
}

/// What a shell shows after this line.
fn typed(line: &str) -> String {
    let output = Command::new("bash").args(["-c", line]).output().expect("there is bash");
    String::from_utf8([output.stdout, output.stderr].concat()).expect("text")
}

#[test]
fn a_wrong_or_taken_port_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = listener.local_addr().expect("it has one").port().to_string();
    for (port, expected) in [
        ("0", "'0' is no port: --port takes a number from 1 to 65535"),
        ("65536", "'65536' is no port: --port takes a number from 1 to 65535"),
        ("", "'' is no port: --port takes a number from 1 to 65535"),
        (&taken, "is taken, perhaps by another Redis: choose a free one with --port"),
    ] {
        let output = command(port).output().expect("there is bash");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(expected), "{port}: {said}");
    }
}
