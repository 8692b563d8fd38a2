use serde::{Deserialize, Serialize};

use crate::{
    domain::{ClientId, GrantId, OrganizationId, Sealed, Seconds, SubjectId, Timestamp, organization::OrganizationReason},
    protocol::{CodeChallenge, RedirectUri, Scope},
};

/// How the answer travels back to the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the query of the redirect URI.
    #[default]
    Query,
    /// In a form that the browser posts (OAuth 2.0 Form Post Response Mode).
    FormPost,
}

/// What the client asks the server to do about login and consent (OIDC Core §3.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// Show nothing.
    None,
    /// Log the person in again.
    Login,
    /// Ask for consent, even when it was given before.
    Consent,
    /// Let the person choose an account.
    SelectAccount,
}

/// How and when the application authenticated the subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authentication {
    /// When.
    pub auth_time: Timestamp,
    /// Authentication context class (OIDC Core §2, `acr`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// Methods (RFC 8176, `amr`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
}

/// A validated authorization request: what the client asked for, bound for as long as the request lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationParameters {
    /// Who asks.
    pub client_id: ClientId,
    /// Where the answer goes.
    pub redirect_uri: RedirectUri,
    /// Whether the request named it; if it did, and there is no PKCE, the token request must too (RFC 6749 §4.1.3).
    pub redirect_uri_given: bool,
    /// How the answer travels.
    #[serde(default)]
    pub response_mode: ResponseMode,
    /// What is asked for; never empty unless the client has no scopes at all.
    pub scope: Scope,
    /// Returned untouched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Returned in the ID token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// What the token request must prove.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_challenge: Option<CodeChallenge>,
    /// What to ask of the person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prompt: Vec<Prompt>,
    /// The authentication may be no older than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Seconds>,
    /// Wanted authentication context classes, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acr_values: Vec<String>,
    /// Whom the client expects (from `id_token_hint`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_subject: Option<SubjectId>,
    /// The resource servers that tokens are wanted for (RFC 8707 §2.1); none named: the usual audience.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Languages for the pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ui_locales: Option<String>,
    /// How the pages should be displayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
}

impl AuthorizationParameters {
    /// Whether the client forbids to show the person anything (OIDC Core §3.1.2.1, `prompt=none`).
    pub fn shows_nothing(&self) -> bool {
        self.prompt.contains(&Prompt::None)
    }
}

/// What the consent page showed, as hashes and versions that the application sends with the decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The build of the pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ui_build: Option<String>,
    /// The language the person read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// SHA-256 of the texts shown, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub texts_sha256: Option<String>,
    /// Which descriptions of the scopes they were made of, as the authorization request named them: hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descriptions_sha256: Option<String>,
}

/// Why consent is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConsentReason {
    /// Nothing was agreed before.
    FirstTime,
    /// More is asked for than was agreed.
    ScopesAdded,
    /// The client sent `prompt=consent`.
    PromptConsent,
    /// Access while the person is away is asked for.
    OfflineAccess,
    /// What was agreed before was revoked.
    Revoked,
    /// What was agreed before is too long ago.
    ConsentExpired,
    /// What people see of the client, or where it has codes sent, is not what was agreed to.
    ClientChanged,
}

/// What a decision rested on, for the record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// The version of the policy; 0: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<u32>,
    /// SHA-256 of the client's material metadata, hexadecimal (`ClientMetadata::material_sha256`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_sha256: Option<String>,
}

/// Why a request was denied without anybody being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DenialCause {
    /// The person can grant nothing of what was asked.
    NothingGrantable,
    /// The person can't grant what the client needs at least.
    RequiredScopeNotGrantable,
    /// The client belongs to an organization, and the person acts in another one or in none.
    ClientOfAnotherOrganization,
    /// The organization allows some clients of this type, and not this one.
    ClientNotAllowed,
    /// The organization allows no client of this type.
    ClientTypeNotAllowed,
    /// The organization disconnected the client after the person had agreed.
    ClientDisconnected,
    /// The person left the organization after they had been attested.
    NotAMember,
    /// The person was erased after they had been attested.
    SubjectErased,
}

impl From<OrganizationReason> for DenialCause {
    fn from(reason: OrganizationReason) -> Self {
        match reason {
            OrganizationReason::ClientOfAnotherOrganization => Self::ClientOfAnotherOrganization,
            OrganizationReason::ClientNotAllowed => Self::ClientNotAllowed,
            OrganizationReason::ClientTypeNotAllowed => Self::ClientTypeNotAllowed,
        }
    }
}

/// What happens to an authorization request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum AuthorizationEvent {
    /// A valid request arrived.
    #[serde(rename = "authorization.requested")]
    Requested {
        /// What was asked.
        parameters: AuthorizationParameters,
        /// SHA-256 of what the application keeps in the browser's session, base64url: the request belongs to it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        browser_binding: Option<String>,
        /// Whether it came in at our own authorization endpoint: then the final redirect passes by it again, and the
        /// browser is checked there.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        hosted: bool,
        /// Until when it can be decided.
        expires_at: Timestamp,
    },
    /// The application says who the person is.
    #[serde(rename = "authorization.subject_attested")]
    SubjectAttested {
        /// Who.
        subject: SubjectId,
        /// In which organization.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        organization_id: Option<OrganizationId>,
        /// How and when they were authenticated.
        authentication: Authentication,
        /// The roles that the application attests.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        roles: Vec<String>,
        /// Claims about the person: a JSON object, sealed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        claims: Option<Sealed>,
    },
    /// The person agreed, or did not have to be asked.
    #[serde(rename = "authorization.approved")]
    Approved {
        /// What was granted; never more than was asked.
        scope: Scope,
        /// Why the person was asked; absent when they were not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        consent_reason: Option<ConsentReason>,
        /// What they saw.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shown: Option<Shown>,
        /// What it rested on.
        #[serde(flatten)]
        basis: Basis,
    },
    /// The code was issued under this grant: the answer is complete.
    #[serde(rename = "authorization.completed")]
    Completed {
        /// Under which grant.
        grant_id: GrantId,
    },
    /// It ended without a grant: the client is told this error.
    #[serde(rename = "authorization.denied")]
    Denied {
        /// Why.
        error: DenialError,
        /// What made it end by itself; absent when somebody ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<DenialCause>,
    },
}

/// The errors that an authorization request can end in after it was found valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DenialError {
    /// The person said no (RFC 6749 §4.1.2.1).
    AccessDenied,
    /// `prompt=none` and nobody is logged in (OIDC Core §3.1.2.6).
    LoginRequired,
    /// `prompt=none` and an account must be chosen.
    AccountSelectionRequired,
    /// `prompt=none` and consent must be asked.
    ConsentRequired,
    /// `prompt=none` and something else must be asked.
    InteractionRequired,
    /// The wanted authentication context can't be met (OIDC Core Unmet Authentication Requirements).
    UnmetAuthenticationRequirements,
}

impl DenialError {
    /// What the client's developer is told.
    pub fn description(self) -> &'static str {
        match self {
            Self::AccessDenied => "the request was denied",
            Self::LoginRequired => "nobody who suffices is logged in",
            Self::AccountSelectionRequired => "an account must be chosen",
            Self::ConsentRequired => "consent must be asked",
            Self::InteractionRequired => "the person must be asked",
            Self::UnmetAuthenticationRequirements => "the wanted authentication context can't be met",
        }
    }
}
