//! A connection that sees the very bytes the server sends.
//!
//! A client hides which of the protocol's types a reply had (it turns a map into pairs, a null of either kind
//! into one). Tests of replies are about just that.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::DEADLINE;

/// A connection that sends commands as arrays of byte strings, and gives each reply as it came, or parsed.
pub(crate) struct Raw {
    stream: TcpStream,
    /// Received, but not yet asked for.
    received: Vec<u8>,
}

impl Raw {
    /// Connects; nothing is sent. The connection speaks RESP2 until `HELLO 3`.
    pub(crate) fn connect(port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::new() })
    }

    /// Sends a command and gives the exact bytes of its reply, lossily as text: `"$2\r\nhi\r\n"`.
    #[track_caller]
    pub(crate) fn text(&mut self, command: &[impl AsRef<[u8]>]) -> String {
        self.send(command);
        String::from_utf8_lossy(&self.read_bytes()).into_owned()
    }

    /// Sends a command and gives its reply, parsed. An error of the server is a `Value::ServerError`.
    #[track_caller]
    pub(crate) fn call(&mut self, command: &[impl AsRef<[u8]>]) -> redis::Value {
        self.send(command);
        self.read()
    }

    /// Sends a command, without waiting for the reply.
    #[track_caller]
    pub(crate) fn send(&mut self, command: &[impl AsRef<[u8]>]) {
        let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
        for argument in command {
            let argument = argument.as_ref();
            bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
            bytes.extend_from_slice(argument);
            bytes.extend_from_slice(b"\r\n");
        }
        self.send_bytes(&bytes);
    }

    /// Sends bytes as they are: an inline command, half a command, nonsense.
    #[track_caller]
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server takes what is sent");
    }

    /// Waits for the next reply, or push message, and parses it.
    #[track_caller]
    pub(crate) fn read(&mut self) -> redis::Value {
        let reply = self.read_bytes();
        redis::parse_redis_value(&reply)
            .unwrap_or_else(|error| panic!("{error} in the reply {:?}", String::from_utf8_lossy(&reply)))
    }

    /// Waits for the next reply, or push message, and gives its exact bytes.
    #[track_caller]
    pub(crate) fn read_bytes(&mut self) -> Vec<u8> {
        self.try_read_bytes().unwrap_or_else(|error| {
            panic!("no reply: {error}; received so far: {:?}", String::from_utf8_lossy(&self.received))
        })
    }

    /// As `read_bytes`, but an end of the connection is not a failure of the test.
    pub(crate) fn try_read_bytes(&mut self) -> std::io::Result<Vec<u8>> {
        loop {
            if let Some(length) = reply_length(&self.received) {
                return Ok(self.received.drain(..length).collect());
            }
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk)? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                length => self.received.extend_from_slice(&chunk[..length]),
            }
        }
    }
}

/// The length of the first whole reply in `bytes`; none while some of it is missing. It knows only where a
/// reply ends, which all types of RESP2 and RESP3 share; what the reply says is the client crate's to parse.
pub(crate) fn reply_length(bytes: &[u8]) -> Option<usize> {
    let line_end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let kind = bytes[0];
    let mut length = line_end + 2;
    // The number is below zero in the nulls of RESP2, `$-1` and `*-1`, which end with their line.
    let number = || std::str::from_utf8(&bytes[1..line_end]).ok()?.parse::<usize>().ok();
    let parts = match kind {
        b'$' | b'=' | b'!' => {
            length += number().map_or(0, |text| text + 2);
            0
        }
        b'*' | b'~' | b'>' => number().unwrap_or(0),
        b'%' => number().unwrap_or(0) * 2,
        // Attributes stand before the reply that they belong to.
        b'|' => number().unwrap_or(0) * 2 + 1,
        _ => 0,
    };
    for _ in 0..parts {
        length += reply_length(bytes.get(length..)?)?;
    }
    (length <= bytes.len()).then_some(length)
}
