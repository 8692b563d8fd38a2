//! The protocol, endpoint by endpoint, against a whole server in this process. Tests are named by the clause they check.

mod flow;
mod introspection;
mod revocation;
mod userinfo;
mod client_authentication;
mod jwks;
mod metadata;
mod admin_api_keys;
mod admin_clients;
mod admin_signing_keys;
mod grants;
