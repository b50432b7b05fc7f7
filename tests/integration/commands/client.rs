//! alkey as a client sees it: what tests of every command ask for, in one line each.
//!
//! A command is written as it is typed and split at its spaces: `"ALKEY.KEY alkey:users#1 de"`. The word `""` is an
//! empty argument. What can't be typed is sent as bytes.
//!
//! No test may depend on how fast the machine is. So leases are either so long that nothing expires while a test
//! runs, or so short that a test can wait until they are over.

use redis::Value;

use crate::harness::{DEADLINE, Raw, Server, wait_until};

/// A lease that is over when a test next looks, or soon after.
pub(crate) const LEASE_MS_SHORT: u32 = 1;

/// A lease that no test outlives.
pub(crate) const LEASE_MS_LONG: u32 = 3_600_000;

/// Splits a command into its words.
pub(crate) fn words(line: &str) -> Vec<&str> {
    line.split(' ').map(|word| if word == "\"\"" { "" } else { word }).collect()
}

/// A connection that speaks RESP2.
pub(crate) struct Client(Raw);

impl Client {
    #[track_caller]
    pub(crate) fn of(server: &Server) -> Self {
        Self(server.resp2())
    }

    /// The connection itself.
    pub(crate) fn raw(&mut self) -> &mut Raw {
        &mut self.0
    }

    /// The exact bytes of the reply, as text.
    #[track_caller]
    pub(crate) fn text(&mut self, line: &str) -> String {
        self.0.text(&words(line))
    }

    /// The reply, parsed. An error fails the test.
    #[track_caller]
    pub(crate) fn call(&mut self, line: &str) -> Value {
        match self.0.call(&words(line)) {
            Value::ServerError(error) => panic!("{line}: {error:?}"),
            reply => reply,
        }
    }

    /// A command that replies OK.
    #[track_caller]
    pub(crate) fn ok(&mut self, line: &str) {
        assert_eq!(self.text(line), "+OK\r\n", "{line}");
    }

    #[track_caller]
    pub(crate) fn integer(&mut self, line: &str) -> i64 {
        match self.call(line) {
            Value::Int(number) => number,
            reply => panic!("{line} replied {reply:?}"),
        }
    }

    /// A reply that is a string, or none if it is null.
    #[track_caller]
    pub(crate) fn string(&mut self, line: &str) -> Option<String> {
        match self.call(line) {
            Value::Nil => None,
            reply => Some(text_of(&reply)),
        }
    }

    /// The relaxed key of these parts.
    #[track_caller]
    pub(crate) fn key(&mut self, parts: &str) -> String {
        self.string(&format!("ALKEY.KEY {parts}")).expect("KEY is never null")
    }

    /// The strict key of these parts, and for how long it has been settled.
    #[track_caller]
    pub(crate) fn lookup(&mut self, parts: &str) -> (String, Option<i64>) {
        let reply = self.call(&format!("ALKEY.LOOKUP {parts}"));
        match &reply {
            Value::Array(fields) => match fields.as_slice() {
                [_, key, _, Value::Int(ms)] => (text_of(key), Some(*ms)),
                [_, key, _, Value::Nil] => (text_of(key), None),
                _ => panic!("LOOKUP {parts} replied {reply:?}"),
            },
            _ => panic!("LOOKUP {parts} replied {reply:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn settled(&mut self, parts: &str) -> i64 {
        self.lookup(parts).1.expect("it depends on something")
    }

    #[track_caller]
    pub(crate) fn token(&mut self, identifier: &str) -> Option<String> {
        self.string(&format!("ALKEY.TOKEN {identifier}"))
    }

    /// The transactions in flight, and how many identifiers each of them has.
    #[track_caller]
    pub(crate) fn pending(&mut self) -> Vec<(String, i64)> {
        let transaction = |listed: Value| -> (String, i64) {
            match fields(&listed).as_slice() {
                [_, name, _, _, _, _, _, Value::Int(identifiers)] => (text_of(name), *identifiers),
                _ => panic!("PENDING lists {listed:?}"),
            }
        };
        fields(&self.call("ALKEY.PENDING")).into_iter().map(transaction).collect()
    }

    /// How long the one transaction in flight still is, in milliseconds.
    #[track_caller]
    pub(crate) fn lease_left_ms(&mut self) -> i64 {
        let listed = fields(&self.call("ALKEY.PENDING"));
        match listed.as_slice() {
            [only] => match fields(only).as_slice() {
                [_, _, _, _, _, Value::Int(left), ..] => *left,
                _ => panic!("PENDING lists {only:?}"),
            },
            _ => panic!("one transaction was expected in flight: {listed:?}"),
        }
    }

    /// A digest over all that is stored, which two servers share if they store the same.
    #[track_caller]
    pub(crate) fn digest(&mut self) -> String {
        text_of(&self.call("DEBUG DIGEST"))
    }

    #[track_caller]
    pub(crate) fn lease_ms(&mut self, ms: u32) {
        self.ok(&format!("CONFIG SET alkey.lease-ms {ms}"));
    }

    /// Waits until these namespaces are out of grace; after that nothing expires any more.
    #[track_caller]
    pub(crate) fn settle(&mut self, namespaces: &[&str]) {
        self.lease_ms(LEASE_MS_SHORT);
        for namespace in namespaces {
            wait_until(DEADLINE, "grace is over", || match self.settled(&format!("{namespace}:*#*")) {
                0.. => Ok(()),
                unsettled => Err(unsettled),
            });
        }
        self.lease_ms(LEASE_MS_LONG);
    }
}

/// A server on which nothing expires, with `alkey` out of grace, and a connection to it.
#[track_caller]
pub(crate) fn settled_server() -> (Server, Client) {
    let server = quick_server(&[]);
    let mut client = Client::of(&server);
    client.settle(&["alkey"]);
    (server, client)
}

/// A server with these lines of configuration that is out of grace as soon as it has started.
#[track_caller]
pub(crate) fn quick_server(config: &[(&str, &str)]) -> Server {
    let builder = Server::builder().module_arg("lease-ms", &LEASE_MS_SHORT.to_string());
    config.iter().fold(builder, |builder, (name, value)| builder.config(name, value)).start()
}

/// The elements of an array or set, in RESP3 the keys and values of a map in turn.
#[track_caller]
pub(crate) fn fields(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(values) | Value::Set(values) => values.clone(),
        Value::Map(pairs) => pairs.iter().flat_map(|(name, value)| [name.clone(), value.clone()]).collect(),
        _ => panic!("a list was expected: {value:?}"),
    }
}

/// What a string, a status or a number says.
#[track_caller]
pub(crate) fn text_of(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Okay => "OK".into(),
        _ => panic!("a string was expected: {value:?}"),
    }
}
