//! The program grantlog, as a library: the subcommands, and the service that they and the tests boot.

// The type of a connection has all of the routes in it; an optimized build looks deeper into it than is usual.
#![recursion_limit = "256"]

pub mod api_keys;
pub mod audit;
pub mod boot;
pub mod config;
pub mod dev;
pub mod erase;
pub mod events;
pub mod fsck;
pub mod generate;
pub mod import;
pub mod keys;
pub mod logging;
pub mod place;
pub mod progress;
pub mod rebuild_history;
pub mod receipt;
pub mod retention;
pub mod serve;

/// Why a subcommand did not work, in words for the person at the terminal.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
