//! The protocol, endpoint by endpoint, against a whole server in this process. Tests are named by the clause they check.

mod authorization_requests;
mod concurrency;
mod flow;
mod hosted_authorization;
mod id_token;
mod positions;
mod store_trouble;
mod token;
