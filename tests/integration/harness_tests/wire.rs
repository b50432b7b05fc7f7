//! Connections show the bytes that the server sent.

use redis::Value;

use crate::harness::{Server, reply_length};

#[test]
fn a_reply_ends_where_it_ends() {
    let replies: [&[u8]; 16] = [
        b"+OK\r\n",
        b"-ERR no\r\n",
        b":-1\r\n",
        b"$5\r\na\r\nb\0\r\n",
        b"$0\r\n\r\n",
        b"$-1\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"*2\r\n:1\r\n*1\r\n$1\r\n*\r\n",
        b"%1\r\n+key\r\n%1\r\n+a\r\n_\r\n",
        b"~1\r\n#t\r\n",
        b",1.5\r\n",
        b"(12345678901234567890\r\n",
        b"=6\r\ntxt:hi\r\n",
        b"!4\r\nERR \r\n",
        b"|1\r\n+ttl\r\n:1\r\n:7\r\n",
    ];
    for reply in replies {
        let text = String::from_utf8_lossy(reply);
        for length in 0..reply.len() {
            assert_eq!(reply_length(&reply[..length]), None, "{length} bytes of {text:?}");
        }
        assert_eq!(reply_length(&[reply, b"$1\r\n"].concat()), Some(reply.len()), "{text:?}");
    }
}

#[test]
fn connections_show_what_the_server_says() {
    let server = Server::start();
    redis::cmd("SET").arg("a").arg(b"\0\r\n").exec(&mut server.connect()).unwrap();
    // A client introduces itself unless it is told not to, with a command that older servers don't know.
    assert_eq!(server.info("commandstats", "cmdstat_client|setinfo"), None);
    assert_eq!(server.info("stats", "total_error_replies").as_deref(), Some("0"));

    let (mut two, mut three) = (server.resp2(), server.resp3());
    let binary = Value::BulkString(b"\0\r\n".to_vec());
    assert_eq!([two.call(&["GET", "a"]), three.call(&["GET", "a"])], [binary.clone(), binary]);
    assert_eq!([two.text(&["GET", "b"]), three.text(&["GET", "b"])], ["$-1\r\n", "_\r\n"]);
    assert!(matches!(two.call(&["GET"]), Value::ServerError(_)));

    // Two commands in one write give two replies, one after the other.
    two.send_bytes(b"PING\r\nECHO hi\r\n");
    assert_eq!([two.read_bytes(), two.read_bytes()], [b"+PONG\r\n".to_vec(), b"$2\r\nhi\r\n".to_vec()]);
}
