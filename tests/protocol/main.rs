//! The protocol, endpoint by endpoint, against a whole server in this process. Tests are named by the clause they check.

mod admin_api_keys;
mod admin_clients;
mod admin_signing_keys;
mod authorization_requests;
mod client_authentication;
mod concurrency;
mod flow;
mod grants;
mod hosted_authorization;
mod id_token;
mod idempotency;
mod introspection;
mod jwks;
mod metadata;
mod positions;
mod registration;
mod registration_management;
mod revocation;
mod store_trouble;
mod token;
mod userinfo;
