//! What was acknowledged survives whatever ends the server; what was not is there as a whole or not at all.

mod disk_full;
mod erasure;
mod kill;
mod ledger;
mod load;
mod retention;
mod shutdown;
