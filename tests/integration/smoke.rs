//! The smallest proof that anything works: a real server loads the module just built, and lists it.

use crate::harness::Server;

#[test]
fn the_server_loads_the_module() {
    let server = Server::start();
    let mut connection = server.connect();

    let pong: String = redis::cmd("PING").query(&mut connection).unwrap();
    assert_eq!(pong, "PONG");

    let modules: Vec<redis::Value> = redis::cmd("MODULE").arg("LIST").query(&mut connection).unwrap();
    let names: Vec<String> = modules
        .into_iter()
        .map(|module| {
            let mut fields: std::collections::HashMap<String, redis::Value> =
                redis::from_redis_value(module).unwrap();
            redis::from_redis_value(fields.remove("name").expect("a module has a name")).unwrap()
        })
        .collect();
    // Some servers have modules of their own.
    assert!(names.iter().any(|name| name == "alkey"), "{names:?}");
}
