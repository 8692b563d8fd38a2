//! What every endpoint works with.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use grantlog_core::{
    app::{Authority, Context, Trouble, api_keys::AuthenticatedApiKey},
    domain::api_key::Role,
    protocol::BearerToken,
    store::Position,
};
use grantlog_projections::{History, Ledger, Live};

use crate::{
    health::Readiness,
    limits::Limits,
    problem::{Problem, ProblemCode},
    reply::Response,
    request::Request,
};

/// How long a read waits for the position that it asked for, and a write until it can be read.
pub const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(5);

/// What the edge needs to know of the configuration.
#[derive(Clone, Debug)]
pub struct EdgeSettings {
    /// The application's page that is the authorization endpoint; None: the server's own.
    pub authorization_endpoint: Option<String>,
    /// Where the server's own authorization endpoint sends browsers.
    pub interaction_url: Option<String>,
    /// Where clients' developers read about the service.
    pub service_documentation: Option<String>,
    /// Every scope there is, with what it means for people.
    pub scopes: BTreeMap<String, String>,
    /// Whether everybody may read the ledger, or auditors only.
    pub ledger_public: bool,
    /// What consent receipts say of the operator.
    pub receipts: ReceiptOptions,
}

/// What only the operator knows and consent receipts tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiptOptions {
    /// Who has the data that clients get at.
    pub controller_name: Option<String>,
    /// How people reach them.
    pub controller_contact: Option<String>,
    /// The URL of their notice on privacy.
    pub privacy_notice: Option<String>,
    /// The URL where people withdraw consent.
    pub withdrawal_url: Option<String>,
}

/// What every endpoint works with.
pub struct Inner {
    /// The write side.
    pub authority: Authority,
    /// The read side.
    pub live: Arc<Live>,
    /// The past, for auditors.
    pub history: History,
    /// The log's Merkle tree and its signed heads.
    pub ledger: Arc<Ledger>,
    /// How often whom is let in.
    pub limits: Arc<Limits>,
    /// What the operator decided.
    pub edge: EdgeSettings,
}

/// Shared by all requests.
pub type App = Arc<Inner>;

/// Trouble is not the caller's fault: 503, and the cause goes to the log.
pub fn unavailable(trouble: Trouble) -> Problem {
    Problem::unavailable(trouble)
}

impl Inner {
    /// The issuer identifier.
    pub fn issuer(&self) -> &str {
        &self.authority.settings.issuer
    }

    /// Lets an API key in that has one of these roles.
    pub async fn require_role(&self, request: &Request, roles: &[Role]) -> Result<AuthenticatedApiKey, Problem> {
        let key = self.authenticate(request).await?;
        if roles.contains(&key.role) {
            return Ok(key);
        }
        let wanted: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
        Err(Problem::forbidden(format!("This needs an API key with the role {}.", wanted.join(" or "))))
    }

    async fn authenticate(&self, request: &Request) -> Result<AuthenticatedApiKey, Problem> {
        let Some(header) = request.header("authorization")? else {
            return Err(Problem::unauthenticated("Send an API key: `Authorization: Bearer glk_…`."));
        };
        let bearer =
            BearerToken::from_header(header).map_err(|_| Problem::unauthenticated("The Authorization header holds no bearer token."))?;
        let key = self.identify(request, bearer.expose()).await?;
        key.ok_or_else(|| Problem::unauthenticated("The API key is unknown or revoked."))
    }

    /// Whose API key this is. Whoever guesses is slowed down by address, whoever is known by the key.
    pub async fn identify(&self, request: &Request, api_key: &str) -> Result<Option<AuthenticatedApiKey>, Problem> {
        let key = self.authority.authenticate_api_key(api_key).await.map_err(unavailable)?;
        match &key {
            Some(key) => self.limits.check_api_key(key.id)?,
            None => self.limits.check_address(request.peer)?,
        }
        Ok(key)
    }

    /// Waits until the read side has what the caller has seen elsewhere (`Grantlog-Min-Position`).
    pub async fn wait_for_min_position(&self, request: &Request) -> Result<(), Problem> {
        let Some(position) = request.min_position()? else { return Ok(()) };
        match self.live.wait_for(Position(position), VISIBILITY_TIMEOUT).await {
            Ok(()) => Ok(()),
            Err(late) => Err(Problem::new(ProblemCode::Unavailable, "The read side has not come to this position yet.")
                .retry_after(1)
                .caused_by(late)),
        }
    }
}

impl Readiness for Inner {
    fn ready(&self) -> Result<(), String> {
        if self.live.is_following() { Ok(()) } else { Err("the read side does not follow the log".to_owned()) }
    }
}

/// The context of a request that this API key sent.
pub fn acting_as(key: &AuthenticatedApiKey, request: &Request) -> Context {
    Context::new(format!("api_key:{}", key.id), request.request_id.to_string())
}

/// Tells how far the log was written for this answer, if it was.
pub fn positioned(response: Response, context: &Context) -> Response {
    match context.position() {
        Some(position) => response.at_position(position.0),
        None => response,
    }
}
