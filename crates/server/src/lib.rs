//! The binary's parts: configuration, wiring, the listener, commands.
//!
//! The only crate that reads the environment, opens sockets, spawns long-lived tasks and knows all others.

pub mod bootstrap;
pub mod catalog_file;
pub mod cli;
pub mod commands;
pub mod config;
pub mod cores;
pub mod departure;
pub mod drain;
pub mod listener;
pub mod memory;
pub mod output;
pub mod serve;
pub mod telemetry;
mod toml_text;
pub mod wire;
