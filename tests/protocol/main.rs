//! The protocol, endpoint by endpoint, against a whole server in this process. Tests are named by the clause they check.

mod admin_api_keys;
mod admin_clients;
mod admin_signing_keys;
mod authorization_requests;
mod client_authentication;
mod concurrency;
mod custom_claims;
mod flow;
mod grants;
mod hosted_authorization;
mod id_token;
mod idempotency;
mod introspection;
mod jwks;
mod ledger;
mod metadata;
mod organizations;
mod positions;
mod resource_indicators;
mod resource_servers;
mod revocation;
mod store_trouble;
mod subjects;
mod token;
mod userinfo;
