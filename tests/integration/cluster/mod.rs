//! In a cluster: which calls go where, what is refused, and how a namespace moves.
//!
//! - `one_node.rs`: namespaces need a hash tag, and every write is found again.
//! - `routing.rs`: three primaries and three replicas send each call where it belongs.
//!
//! What readers and writers see while slots move and shards fail is in `faults/cluster.rs`.

mod one_node;
mod routing;
mod slots;
