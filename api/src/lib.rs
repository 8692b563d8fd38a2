//! grantlog over HTTP.
//!
//! An endpoint module registers its routes in a [`routes::Table`], each with an `async fn(app, Request)` that returns a
//! [`reply::Response`] or an error that knows how to become one. Only this package names `warp`.

pub mod access_token;
pub mod admin;
pub mod app;
pub mod audit;
pub mod authorization_requests;
pub mod client_address;
pub mod console;
pub mod endpoints;
pub mod health;
mod html;
pub mod idempotency;
pub mod ledger;
pub mod limits;
pub mod oauth;
pub mod oauth_error;
pub mod oidc;
pub mod openapi;
mod percent;
pub mod problem;
pub mod reply;
pub mod request;
pub mod routes;
pub mod scopes;
pub mod serve;
pub mod site;
mod template;
pub mod token_check;
pub mod trace;
