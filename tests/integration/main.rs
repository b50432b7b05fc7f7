//! The integration tests: real redis-servers that load the module just built.
//!
//! One binary, so that the harness is compiled once and the tests share the machine's cores. Every test
//! starts the servers it needs, with their own directories and ports, and none outlives the test.
//! `scripts/test` brings what they need and runs them.

#[cfg(test)]
mod access;
#[cfg(test)]
mod adapters;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod harness_tests;
#[cfg(test)]
mod module_life;
#[cfg(test)]
mod monitoring;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod persistence;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod replication;
#[cfg(test)]
mod scale;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod smoke;
#[cfg(test)]
mod tiers;
