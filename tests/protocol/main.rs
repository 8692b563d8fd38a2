//! The protocol, endpoint by endpoint, against a whole server in this process. Tests are named by the clause they check.

mod admin_api_keys;
mod admin_clients;
mod admin_signing_keys;
mod client_authentication;
mod flow;
mod grants;
mod introspection;
mod jwks;
mod metadata;
mod revocation;
mod userinfo;
