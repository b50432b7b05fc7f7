//! Commands, packed and ready to be sent, and the three ways to send them.

use anyhow::{Context, Result, bail, ensure};
use redis::{Cmd, Connection, ConnectionLike, Value};
use sha2::{Digest, Sha256};
use std::hint::black_box;

/// A server reads this many bytes at once. Commands in a pipeline are sent in pieces of so many, so each piece is one
/// read for the server, and its replies one write, whatever the commands are.
const PIECE_BYTES: usize = 16 * 1024;

/// Some commands as bytes.
#[derive(Default)]
pub(crate) struct Load {
    bytes: Vec<u8>,
    /// Where each command ends.
    ends: Vec<usize>,
    /// Whether the client makes a hash of each reply.
    pub(crate) client_hashes: bool,
}

impl Load {
    pub(crate) fn push(&mut self, command: &Cmd) {
        self.bytes.extend_from_slice(&command.get_packed_command());
        self.ends.push(self.bytes.len());
    }

    /// Each command, by itself.
    pub(crate) fn commands(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).filter_map(|(begin, end)| self.bytes.get(begin..*end))
    }

    /// The commands in pieces: as many as fit, and at least one. Each with the number of its commands.
    fn pieces(&self) -> impl Iterator<Item = (&[u8], usize)> {
        let (mut begin, mut ends) = (0, self.ends.as_slice());
        std::iter::from_fn(move || {
            let count = ends.iter().take_while(|end| **end - begin <= PIECE_BYTES).count().max(1);
            let (piece, rest) = ends.split_at_checked(count)?;
            let bytes = self.bytes.get(begin..*piece.last()?)?;
            (begin, ends) = (begin + bytes.len(), rest);
            Some((bytes, count))
        })
    }

    /// Sends all, many in a pipeline. Gives the last reply.
    pub(crate) fn send_pipelined(&self, connection: &mut Connection) -> Result<Value> {
        let mut last = Value::Nil;
        for (piece, count) in self.pieces() {
            for reply in connection.req_packed_commands(piece, 0, count)? {
                last = self.received(reply)?;
            }
        }
        Ok(last)
    }

    /// Sends one command after the other, each when the one before it is answered.
    pub(crate) fn send_singly(&self, connection: &mut Connection) -> Result<Value> {
        let mut last = Value::Nil;
        for command in self.commands() {
            last = self.received(connection.req_packed_command(command)?)?;
        }
        Ok(last)
    }

    /// Takes a reply as a client would.
    fn received(&self, reply: Value) -> Result<Value> {
        let reply = reply.extract_error().context("the server refused a command of the load")?;
        if self.client_hashes
            && let Value::Array(texts) = &reply
        {
            let mut hasher = Sha256::new();
            for text in texts {
                if let Value::BulkString(text) = text {
                    hasher.update(text);
                }
            }
            black_box(hasher.finalize());
        }
        Ok(reply)
    }
}

/// Sends each connection's load over it. All have a command under way at the same time: when each has its answer,
/// each gets its next.
pub(crate) fn send_in_parallel(loads: &[Load], connections: &mut [Connection]) -> Result<()> {
    let mut commands: Vec<_> = loads.iter().map(Load::commands).collect();
    loop {
        let mut sent = Vec::new();
        for ((load, connection), commands) in loads.iter().zip(connections.iter_mut()).zip(&mut commands) {
            if let Some(command) = commands.next() {
                connection.send_packed_command(command)?;
                sent.push((load, connection));
            }
        }
        if sent.is_empty() {
            return Ok(());
        }
        for (load, connection) in sent {
            load.received(connection.recv_response()?)?;
        }
    }
}

/// What a reply must look like, so that nothing is measured but what it is meant to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// So many characters.
    Text(usize),
    /// So many texts, none of them missing.
    Texts(usize),
    /// A strict key and for how long it was settled: flat, or as a map.
    Lookup,
    /// A number above zero.
    Count,
    Ok,
}

impl Shape {
    pub(crate) fn check(self, reply: &Value) -> Result<()> {
        let fits = match (self, reply) {
            (Self::Text(length), Value::BulkString(text)) => text.len() == length,
            (Self::Texts(count), Value::Array(texts)) => {
                texts.len() == count && texts.iter().all(|text| matches!(text, Value::BulkString(_)))
            }
            (Self::Lookup, Value::Array(fields)) => fields.len() == 4,
            (Self::Count, Value::Int(number)) => *number > 0,
            (Self::Ok, Value::Okay) => true,
            _ => false,
        };
        ensure!(fits, "expected {self:?}, the server answered {reply:?}");
        Ok(())
    }
}

/// Sends one command and gives its reply, an error of the server's as an error.
pub(crate) fn call(connection: &mut Connection, words: &[&str]) -> Result<Value> {
    let [name, arguments @ ..] = words else { bail!("a command has a name") };
    let reply = connection.req_command(redis::cmd(name).arg(arguments))?;
    reply.extract_error().with_context(|| format!("the server refused {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_what_was_pushed() {
        let mut load = Load::default();
        load.push(redis::cmd("GET").arg("a"));
        load.push(&redis::cmd("PING"));
        let commands: Vec<_> = load.commands().map(<[u8]>::to_vec).collect();
        assert_eq!(commands, [b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n".to_vec(), b"*1\r\n$4\r\nPING\r\n".to_vec()]);
    }

    #[test]
    fn a_piece_has_as_many_commands_as_the_server_reads_at_once() {
        let sizes = |commands: &[usize]| -> Vec<(usize, usize)> {
            let mut load = Load::default();
            for size in commands {
                load.bytes.resize(load.bytes.len() + size, b'.');
                load.ends.push(load.bytes.len());
            }
            load.pieces().map(|(bytes, count)| (bytes.len(), count)).collect()
        };
        assert_eq!(sizes(&[]), []);
        assert_eq!(sizes(&[8192, 8192, 1]), [(16384, 2), (1, 1)]);
        assert_eq!(sizes(&[8192, 8193, 5]), [(8192, 1), (8198, 2)]);
        assert_eq!(sizes(&[5, 40_000, 5]), [(5, 1), (40_000, 1), (5, 1)]);
    }

    #[test]
    fn a_reply_of_another_shape_is_an_error() {
        let text = Value::BulkString(vec![b'a'; 64]);
        assert!(Shape::Text(64).check(&text).is_ok());
        assert!(Shape::Text(40).check(&text).is_err());
        assert!(Shape::Texts(1).check(&Value::Array(vec![Value::Nil])).is_err());
        assert!(Shape::Count.check(&Value::Int(0)).is_err());
    }
}
