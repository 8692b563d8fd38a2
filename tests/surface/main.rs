//! The surface of the server as a whole: what the document says against what the route table does, and who may do what.

mod document;
