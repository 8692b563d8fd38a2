//! The surface of the server as a whole: what the document says against what the route table does, who may call what,
//! and how every JSON endpoint takes a body that is not what it expects.

mod document;
mod json_bodies;
mod operations;
mod permissions;
