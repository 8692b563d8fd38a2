//! Every endpoint there is: the route table, hot ones first, and the document that describes them.

use http::Method;
use utoipa::OpenApi;

use crate::{
    admin::{
        api_keys, clients, erasures, grants, initial_access_tokens, organizations, policy, resource_servers, signing_keys, subjects,
        trusted_issuers,
    },
    app::App,
    audit::{
        self, consents, events as audit_events, export, grants as audit_grants, policy as audit_policy, receipts,
        signing_keys as audit_signing_keys, why,
    },
    authorization_requests::{create, decide, read, resource, subject},
    console,
    health::{self, Metrics},
    ledger::{checkpoints, proofs, tiles},
    oauth::{
        authorization, authorization_response, introspection, metadata, protected_resource, registration, registration_management,
        revocation, token,
    },
    oidc::{jwks, userinfo},
    openapi,
    routes::{Route, Table},
    site::{Site, SiteOptions},
    token_check,
};

#[derive(OpenApi)]
#[openapi(
    paths(
        introspection::introspect,
        token::token,
        userinfo::userinfo,
        userinfo::userinfo_by_post,
        jwks::jwks,
        revocation::revoke,
        token_check::check,
        create::create,
        read::read,
        subject::attest,
        decide::decide,
        authorization::authorize,
        authorization::authorize_by_post,
        authorization_response::respond,
        registration::register,
        registration_management::read,
        registration_management::update,
        registration_management::delete,
        metadata::oauth_metadata,
        metadata::openid_configuration,
        audit_events::list,
        export::export,
        consents::list,
        consents::history,
        receipts::read,
        audit_grants::list,
        audit::clients::read,
        audit_policy::read,
        audit_signing_keys::list,
        why::why,
        console::console,
        console::console_index,
        console::console_file,
        protected_resource::protected_resource,
        grants::list,
        grants::revoke,
        checkpoints::create,
        checkpoints::keys,
        checkpoints::list,
        proofs::inclusion,
        proofs::consistency,
        tiles::checkpoint,
        tiles::entries,
        tiles::hashes,
        policy::read,
        policy::publish,
        policy::versions,
        policy::version,
        subjects::revoke_all_grants,
        subjects::end_sessions,
        subjects::leave_organization,
        subjects::set_roles,
        erasures::erase,
        erasures::list,
        erasures::read,
        organizations::read_policy,
        organizations::set_policy,
        organizations::list,
        organizations::read,
        organizations::disconnect,
        clients::register,
        clients::list,
        clients::read,
        clients::update,
        clients::delete,
        clients::suspend,
        clients::resume,
        clients::verify,
        clients::withdraw_verification,
        clients::start_secret_rotation,
        clients::complete_secret_rotation,
        clients::cancel_secret_rotation,
        resource_servers::register,
        resource_servers::list,
        resource_servers::read,
        resource_servers::update,
        resource_servers::delete,
        resource_servers::create_credentials,
        initial_access_tokens::create,
        initial_access_tokens::list,
        initial_access_tokens::revoke,
        trusted_issuers::register,
        trusted_issuers::list,
        trusted_issuers::read,
        trusted_issuers::update,
        trusted_issuers::delete,
        api_keys::create,
        api_keys::list,
        api_keys::revoke,
        signing_keys::list,
        signing_keys::rotate,
        signing_keys::revoke
    ),
    components(schemas(resource::AuthorizationRequest, policy::PolicyDryRun))
)]
struct Endpoints;

/// The OpenAPI document.
pub fn document() -> utoipa::openapi::OpenApi {
    openapi::assemble([Endpoints::openapi()])
}

/// The route table for this issuer. Routes whose callers prove who they are are limited by that, and by address only
/// when the proof fails.
pub fn table(issuer: &str, metrics: Metrics) -> Result<Table<App>, serde_json::Error> {
    let table = Table::new()
        .with(Route::new(Method::POST, introspection::PATH, introspection::introspect).oauth().unlimited())
        .with(Route::new(Method::POST, token::PATH, token::token).oauth().cors().unlimited())
        .with(Route::new(Method::GET, userinfo::PATH, userinfo::userinfo).oauth().cors())
        .with(Route::new(Method::POST, userinfo::PATH, userinfo::userinfo_by_post).oauth().cors())
        .with(Route::new(Method::GET, jwks::PATH, jwks::jwks).cors())
        .with(Route::new(Method::POST, revocation::PATH, revocation::revoke).oauth().cors().unlimited())
        .with(Route::new(Method::POST, token_check::CHECK, token_check::check).unlimited())
        .with(Route::new(Method::POST, create::CREATE, create::create).cors_for(is_page).unlimited())
        .with(Route::new(Method::GET, read::READ, read::read).cors_for(is_page).unlimited())
        .with(Route::new(Method::PUT, subject::ATTEST, subject::attest).cors_for(is_page).unlimited())
        .with(Route::new(Method::POST, decide::DECISION, decide::decide).cors_for(is_page).unlimited())
        .route(Method::GET, authorization::PATH, authorization::authorize)
        .route(Method::POST, authorization::PATH, authorization::authorize_by_post)
        .route(Method::GET, authorization_response::PATH, authorization_response::respond)
        .with(Route::new(Method::POST, registration::PATH, registration::register).oauth().cors())
        .with(Route::new(Method::GET, registration_management::PATH, registration_management::read).oauth().cors())
        .with(Route::new(Method::PUT, registration_management::PATH, registration_management::update).oauth().cors())
        .with(Route::new(Method::DELETE, registration_management::PATH, registration_management::delete).oauth().cors())
        .with(Route::new(Method::GET, metadata::OAUTH, metadata::oauth_metadata).cors())
        .with(Route::new(Method::GET, metadata::OIDC, metadata::openid_configuration).cors())
        .with(Route::new(Method::GET, protected_resource::PATH, protected_resource::protected_resource).cors())
        .with(Route::new(Method::GET, grants::COLLECTION, grants::list).unlimited())
        .with(Route::new(Method::DELETE, grants::ITEM, grants::revoke).unlimited())
        .route(Method::GET, audit_events::EVENTS, audit_events::list)
        .route(Method::GET, export::EXPORT, export::export)
        .route(Method::GET, consents::CONSENTS, consents::list)
        .route(Method::GET, consents::HISTORY, consents::history)
        .route(Method::GET, receipts::RECEIPT, receipts::read)
        .route(Method::GET, audit_grants::GRANTS, audit_grants::list)
        .route(Method::GET, audit::clients::CLIENT, audit::clients::read)
        .route(Method::GET, audit_policy::POLICY, audit_policy::read)
        .route(Method::GET, audit_signing_keys::SIGNING_KEYS, audit_signing_keys::list)
        .route(Method::GET, why::WHY, why::why)
        .with(Route::new(Method::GET, tiles::CHECKPOINT, tiles::checkpoint).unlimited())
        .with(Route::new(Method::GET, tiles::ENTRIES, tiles::entries).with_tail().unlimited())
        .with(Route::new(Method::GET, tiles::HASHES, tiles::hashes).with_tail().unlimited())
        .route(Method::GET, checkpoints::KEYS, checkpoints::keys)
        .route(Method::GET, checkpoints::COLLECTION, checkpoints::list)
        .route(Method::POST, checkpoints::COLLECTION, checkpoints::create)
        .route(Method::GET, proofs::INCLUSION, proofs::inclusion)
        .route(Method::GET, proofs::CONSISTENCY, proofs::consistency)
        .route(Method::GET, policy::POLICY, policy::read)
        .with(Route::new(Method::PUT, policy::POLICY, policy::publish).body_limit(policy::BODY_LIMIT))
        .route(Method::GET, policy::VERSIONS, policy::versions)
        .route(Method::GET, policy::VERSION, policy::version)
        .with(Route::new(Method::DELETE, grants::COLLECTION, subjects::revoke_all_grants).unlimited())
        .with(Route::new(Method::DELETE, subjects::SESSIONS, subjects::end_sessions).unlimited())
        .with(Route::new(Method::PUT, subjects::ROLES, subjects::set_roles).unlimited())
        .with(Route::new(Method::DELETE, subjects::MEMBERSHIP, subjects::leave_organization).unlimited())
        .with(Route::new(Method::POST, erasures::ERASE, erasures::erase).unlimited())
        .with(Route::new(Method::GET, erasures::COLLECTION, erasures::list).unlimited())
        .with(Route::new(Method::GET, erasures::ITEM, erasures::read).unlimited())
        .with(Route::new(Method::GET, organizations::POLICY, organizations::read_policy).unlimited())
        .with(Route::new(Method::PUT, organizations::POLICY, organizations::set_policy).unlimited())
        .with(Route::new(Method::GET, organizations::COLLECTION, organizations::list).unlimited())
        .with(Route::new(Method::GET, organizations::ITEM, organizations::read).unlimited())
        .with(Route::new(Method::DELETE, organizations::ITEM, organizations::disconnect).unlimited())
        .route(Method::POST, clients::COLLECTION, clients::register)
        .route(Method::GET, clients::COLLECTION, clients::list)
        .route(Method::GET, clients::ITEM, clients::read)
        .route(Method::PUT, clients::ITEM, clients::update)
        .route(Method::DELETE, clients::ITEM, clients::delete)
        .route(Method::POST, clients::SUSPEND, clients::suspend)
        .route(Method::POST, clients::RESUME, clients::resume)
        .route(Method::POST, clients::VERIFY, clients::verify)
        .route(Method::DELETE, clients::VERIFY, clients::withdraw_verification)
        .route(Method::POST, clients::SECRET_ROTATION, clients::start_secret_rotation)
        .route(Method::POST, clients::SECRET_ROTATION_COMPLETE, clients::complete_secret_rotation)
        .route(Method::DELETE, clients::SECRET_ROTATION, clients::cancel_secret_rotation)
        .route(Method::POST, resource_servers::COLLECTION, resource_servers::register)
        .route(Method::GET, resource_servers::COLLECTION, resource_servers::list)
        .route(Method::GET, resource_servers::ITEM, resource_servers::read)
        .route(Method::PUT, resource_servers::ITEM, resource_servers::update)
        .route(Method::DELETE, resource_servers::ITEM, resource_servers::delete)
        .route(Method::POST, resource_servers::CREDENTIALS, resource_servers::create_credentials)
        .route(Method::POST, initial_access_tokens::COLLECTION, initial_access_tokens::create)
        .route(Method::GET, initial_access_tokens::COLLECTION, initial_access_tokens::list)
        .route(Method::DELETE, initial_access_tokens::ITEM, initial_access_tokens::revoke)
        .route(Method::POST, trusted_issuers::COLLECTION, trusted_issuers::register)
        .route(Method::GET, trusted_issuers::COLLECTION, trusted_issuers::list)
        .route(Method::GET, trusted_issuers::ITEM, trusted_issuers::read)
        .route(Method::PUT, trusted_issuers::ITEM, trusted_issuers::update)
        .route(Method::DELETE, trusted_issuers::ITEM, trusted_issuers::delete)
        .route(Method::POST, api_keys::COLLECTION, api_keys::create)
        .route(Method::GET, api_keys::COLLECTION, api_keys::list)
        .route(Method::DELETE, api_keys::ITEM, api_keys::revoke)
        .route(Method::GET, signing_keys::COLLECTION, signing_keys::list)
        .route(Method::POST, signing_keys::ROTATE, signing_keys::rotate)
        .route(Method::POST, signing_keys::REVOKE, signing_keys::revoke);
    let table = metadata::paths_for_issuer_path(&issuer_path(issuer))
        .iter()
        .fold(table, |table, path| table.with(Route::new(Method::GET, path, metadata::oauth_metadata).cors()));
    openapi::routes(console::routes(health::routes(table, metrics)), &document())
}

/// What answers requests. An issuer with a path has its endpoints below that path.
pub fn site(app: App, metrics: Metrics, options: SiteOptions) -> Result<Site, serde_json::Error> {
    let base_path = issuer_path(app.issuer()).into();
    Ok(table(app.issuer(), metrics)?.into_site(app, SiteOptions { base_path, ..options }))
}

/// Whether pages of this origin may call what is for pages.
fn is_page(app: &App, origin: &str) -> bool {
    app.live.is_registered_origin(origin)
}

/// The path of the issuer identifier, without a slash at its end: empty, or `/tenant`.
fn issuer_path(issuer: &str) -> String {
    url::Url::parse(issuer).map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default()
}
