//! The grammar of OAuth 2.1 and OpenID Connect: strings in, types out. Pure.

pub mod assertion;
pub mod authorization_request;
pub mod bearer;
pub mod claims_template;
pub mod client_authentication;
pub mod client_id;
pub mod client_metadata;
mod client_metadata_rules;
pub mod idempotency_key;
pub mod json;
pub mod locale;
pub mod metadata_document;
pub mod oauth_error;
pub mod params;
pub mod pkce;
pub mod presented_token;
pub mod redirect_uri;
pub mod resource;
pub mod resource_server;
pub mod scope;
pub mod secret_text;
pub mod self_description;
pub mod token_request;
pub mod trusted_issuer;
pub mod trusted_token;
pub mod uri;

pub use assertion::{AssertionError, AssertionRules, CheckedAssertion, check_assertion};
pub use authorization_request::{
    AnswerTo, AuthorizationError, AuthorizationErrorCode, AuthorizationRequest, ClientAndRedirect, UnprovenRequest,
};
pub use bearer::{BearerToken, NotBearer};
pub use claims_template::{ClaimsTemplate, CustomClaims};
pub use client_authentication::PresentedCredentials;
pub use client_id::parse_client_id;
pub use client_metadata::{
    AccessTokenFormat, ClientAuthenticationMethod, ClientMetadata, ClientMetadataInput, ClientType, GrantType, MetadataProblem,
};
pub use idempotency_key::{IdempotencyKey, InvalidIdempotencyKey};
pub use json::{StrictJsonError, from_strict, parse_strict};
pub use oauth_error::{OAuthError, OAuthErrorCode};
pub use params::{Params, ParamsError};
pub use pkce::{CodeChallenge, CodeVerifier, PkceError};
pub use presented_token::presented_token;
pub use redirect_uri::RedirectUri;
pub use resource::{InvalidResource, resources};
pub use resource_server::{ResourceServerInput, ResourceServerSettings};
pub use scope::{InvalidScope, Scope, ScopeToken};
pub use secret_text::SecretText;
pub use self_description::{SelfRegistrable, read_self_description};
pub use token_request::TokenRequest;
pub use trusted_issuer::{Origin, TrustedIssuerInput, TrustedIssuerSettings};
pub use uri::UriError;
