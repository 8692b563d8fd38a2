//! An authorization request from its arrival to the answer: start, attest, decide, look at.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{Authority, Context, Trouble, UseCaseError, metadata_documents::DocumentRefusal, trusted_tokens::PresentedToken};
use crate::{
    domain::{
        AuthorizationId, ClientId, GrantId, OrganizationId, StreamId, SubjectId,
        authorization::{
            AttestedSubject, Authentication, Authorization, AuthorizationCommand, AuthorizationRefusal, AuthorizationState, Basis,
            Conclusion, ConsentReason, Decision, DenialCause, DenialError, Judgement, Known, Next, Person, ResponseMode, Shown, conclude,
            judge, next,
        },
        client::{Client, Registration, Standing},
        grant::{CodeBinding, EarlierConsent, GrantCommand, GrantRefusal, RecordConsent, RevocationReason},
        grant_reservation::{self, Reserve},
        organization::OrganizationReason,
        policy::PublishedPolicy,
        subject::SubjectCommand,
    },
    keys::CodeRef,
    protocol::{
        ClientMetadata, RedirectUri, Scope,
        authorization_request::{AnswerTo, AuthorizationError, AuthorizationErrorCode, AuthorizationRequest, ClientAndRedirect},
        metadata_document::DocumentUrl,
        params::Params,
        parse_client_id,
    },
};

/// What the application says about the person in front of the browser.
#[derive(Clone, Debug)]
pub struct SubjectAttestation {
    /// The application's own id of the person: it becomes `sub`.
    pub id: String,
    /// The organization they act in.
    pub organization_id: Option<OrganizationId>,
    /// How and when they were authenticated.
    pub authentication: Authentication,
    /// Their roles.
    pub roles: Vec<String>,
    /// Claims about them.
    pub claims: Map<String, Value>,
}

/// Where a request came in, and what ties it to its browser.
#[derive(Clone, Debug)]
pub enum Entry {
    /// The application passed it on.
    Headless {
        /// What the application keeps in the browser's session.
        browser_binding: Option<String>,
        /// Who is logged in, if the application said so.
        subject: Option<SubjectAttestation>,
    },
    /// A page without a backend passed it on.
    Page {
        /// What the page keeps in its browser.
        browser_binding: String,
        /// Who is logged in, if somebody is.
        token: Option<Box<PresentedToken>>,
    },
    /// It came in at our own authorization endpoint.
    Hosted {
        /// The value of the cookie that the browser is given.
        cookie: String,
    },
}

/// What the person decided.
#[derive(Clone, Debug)]
pub enum DecisionInput {
    /// Yes, to this scope; None: to all that can be granted.
    Approve {
        /// To what.
        scope: Option<Scope>,
        /// What they saw.
        shown: Option<Shown>,
    },
    /// No; or the application can't go on.
    Deny {
        /// What the client is told.
        error: DenialError,
    },
}

/// A request that was refused at the door. Nothing was recorded.
#[derive(Debug)]
pub struct RejectedRequest {
    /// A code of RFC 6749 §4.1.2.1 or OIDC Core §3.1.2.6.
    pub code: &'static str,
    /// What is wrong, in words.
    pub description: String,
    /// Why, where programs are to tell it from other reasons of this code.
    pub reason: Option<&'static str>,
    /// Where the client is told so; None when the client or its redirect URI are not proven (RFC 6749 §4.1.2.1).
    pub answer: Option<Answer>,
}

impl RejectedRequest {
    fn unproven(description: String) -> Self {
        Self { code: AuthorizationErrorCode::InvalidRequest.as_str(), description, reason: None, answer: None }
    }

    /// Nothing that the client says of itself can be had: so it is not proven that answers may go anywhere.
    fn of_document(why: &DocumentRefusal) -> Self {
        Self { reason: Some(why.code()), ..Self::unproven(why.to_string()) }
    }
}

/// The authorization response: what the client is told, and where (RFC 6749 §4.1.2, RFC 9207).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Where.
    pub redirect_uri: RedirectUri,
    /// How.
    pub response_mode: ResponseMode,
    /// What.
    pub parameters: Vec<(&'static str, String)>,
}

/// An authorization request as the application sees it.
pub struct AuthorizationView {
    /// Its id.
    pub id: AuthorizationId,
    /// All that is recorded of it.
    pub authorization: Arc<Authorization>,
    /// How far it has come.
    pub state: AuthorizationState,
    /// What the page has to do now.
    pub next: Next,
    /// Who asks.
    pub client: ClientMetadata,
    /// How the client came to be, and whether anybody vouches for it.
    pub standing: Standing,
    /// The policy that it was judged by.
    pub policy: Arc<PublishedPolicy>,
    /// What follows from all that is known.
    pub judgement: Judgement,
    /// Why the client may not work where the person acts; nothing while nobody is attested.
    pub organization_reasons: Vec<OrganizationReason>,
    /// The host of the client's id, when the id is the URL of its metadata document.
    pub client_id_host: Option<String>,
    /// Whether consent must be asked and why; None while the subject is unknown.
    pub consent: Option<Option<ConsentReason>>,
    /// The application's id of the attested person.
    pub subject: Option<Arc<str>>,
    /// Whom the client expects to log in, as it put it.
    pub login_hint: Option<String>,
    /// The answer, when there is one.
    pub answer: Option<Answer>,
}

/// All that is known of a request, gathered to be judged. Whatever else a request is to be judged by is loaded in
/// [`Authority::gather`], kept here and handed to the domain by [`Gathered::judge`].
struct Gathered {
    authorization: Arc<Authorization>,
    client: Arc<Client>,
    client_sha256: String,
    policy: Arc<PublishedPolicy>,
    earlier: EarlierConsent,
    organization_reasons: Vec<OrganizationReason>,
    is_erased: bool,
    remember_offline_access: bool,
}

impl Gathered {
    /// What follows from all this; None when the client is gone, so that nothing can come of the request.
    fn judge(&self) -> Option<Judgement> {
        Some(judge(&Known {
            parameters: self.authorization.parameters()?,
            client: self.client.metadata()?,
            client_sha256: &self.client_sha256,
            policy: self.policy.policy(),
            person: self.authorization.attested().map(|attested| Person {
                roles: &attested.roles,
                earlier: &self.earlier,
                organization_reasons: &self.organization_reasons,
                is_erased: self.is_erased,
            }),
            remember_offline_access: self.remember_offline_access,
        }))
    }

    /// What a decision that is made now rests on.
    fn basis(&self) -> Basis {
        Basis { policy_version: Some(self.policy.version()), client_sha256: Some(self.client_sha256.clone()) }
    }
}

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizeRefusal {
    /// There is no such request.
    #[error("there is no such authorization request")]
    NotFound,
    /// The request was refused at the door.
    #[error("the authorization request is not valid")]
    Rejected(Box<RejectedRequest>),
    /// RFC 9700 §4.15: the person would have the id of a client.
    #[error("the id of the subject is the id of a client")]
    SubjectIsAClient,
    /// The client was suspended or deleted since it asked.
    #[error("the client is suspended or deleted")]
    ClientInactive,
    /// The token that the page presented belongs to another request.
    #[error("the trusted token was used for another authorization request")]
    TokenUsedElsewhere,
    /// Somebody else decided the request.
    #[error("the authorization request was decided by somebody else")]
    AnotherPerson,
    /// The request itself says no.
    #[error(transparent)]
    Authorization(AuthorizationRefusal),
}

impl Authority {
    /// Takes in an authorization request (RFC 6749 §4.1.1).
    pub async fn start_authorization(
        &self,
        context: &Context,
        query: &[u8],
        entry: Entry,
    ) -> Result<AuthorizationView, UseCaseError<AuthorizeRefusal>> {
        let unproven = |why: String| UseCaseError::Refused(AuthorizeRefusal::Rejected(Box::new(RejectedRequest::unproven(why))));
        let params = Params::parse(query).map_err(|error| unproven(error.to_string()))?;
        let asked = ClientAndRedirect::parse(&params).map_err(|error| unproven(error.to_string()))?;
        let client = self
            .client_asking(context, &asked.client_id)
            .await
            .map_err(|error| error.map(|why| AuthorizeRefusal::Rejected(Box::new(RejectedRequest::of_document(&why)))))?
            .ok_or_else(|| unproven("the parameter client_id names no active client".to_owned()))?;
        let answer_to = asked.prove(&client, &params).map_err(|error| unproven(error.to_string()))?;
        let refused =
            |error: AuthorizationError| UseCaseError::Refused(AuthorizeRefusal::Rejected(Box::new(self.rejected(&answer_to, &error))));
        let default_scope = self
            .default_scope_of_request(&client, &params)
            .await
            .map_err(|error| error.map(|error| AuthorizeRefusal::Rejected(Box::new(self.rejected(&answer_to, &error)))))?;
        let request = AuthorizationRequest::parse(&params, &answer_to, &client, &default_scope).map_err(refused)?;
        let mut parameters = request.parameters;
        if let Some(id_token) = &request.id_token_hint {
            let not_ours = || {
                refused(AuthorizationError::new(AuthorizationErrorCode::InvalidRequest, "id_token_hint is not an ID token of this issuer"))
            };
            parameters.expected_subject = Some(self.subject_of_id_token(id_token.expose()).await?.ok_or_else(not_ours)?);
        }
        let now = self.now();
        let id = AuthorizationId(self.new_id(context));
        let expires_at = now.plus(self.settings.authorization_request_lifetime);
        if let Some(hint) = &request.login_hint {
            self.vault.hold_hint(id, hint, expires_at).await?;
        }
        let shows_nothing = parameters.shows_nothing();
        let (hosted, browser_binding, subject) = match entry {
            Entry::Headless { browser_binding, subject } => (false, browser_binding, Some(subject)),
            Entry::Page { browser_binding, token } => {
                // Before the request is there: a token that was used elsewhere leaves nothing behind.
                if let Some(token) = &token {
                    self.bind_token(context, token, id).await.map_err(|error| error.map(|_| AuthorizeRefusal::TokenUsedElsewhere))?;
                }
                (false, Some(browser_binding), Some(token.map(|token| token.subject)))
            }
            Entry::Hosted { cookie } => (true, Some(cookie), None),
        };
        let binding = browser_binding.as_deref().map(hash_browser_binding);
        let command = AuthorizationCommand::Request { parameters, browser_binding: binding.clone(), hosted, expires_at };
        let executed = self.authorizations.execute_once(&self.outside, context, &id.stream(), &command).await;
        let authorization = executed.map_err(|error| error.map(AuthorizeRefusal::Authorization))?.state;
        match subject {
            // A repetition: what was said of the person is recorded, perhaps not what follows from it.
            Some(_) if authorization.attested().is_some() => self.go_on(context, id, authorization, browser_binding).await,
            Some(subject) if (subject.is_some() || shows_nothing) && authorization.can_be_decided(now) => {
                self.attest(context, id, subject, true, browser_binding).await
            }
            _ => self.authorization(context, id).await,
        }
    }

    /// Records who the person is; None: nobody is logged in.
    pub async fn attest_subject(
        &self,
        context: &Context,
        id: AuthorizationId,
        subject: Option<SubjectAttestation>,
        browser_binding: Option<String>,
    ) -> Result<AuthorizationView, UseCaseError<AuthorizeRefusal>> {
        self.require_authorization(id).await?;
        self.attest(context, id, subject, false, browser_binding).await
    }

    /// Records what the person decided.
    pub async fn decide_authorization(
        &self,
        context: &Context,
        id: AuthorizationId,
        decision: DecisionInput,
        subject: Option<SubjectAttestation>,
        browser_binding: Option<String>,
    ) -> Result<AuthorizationView, UseCaseError<AuthorizeRefusal>> {
        let mut authorization = self.require_authorization(id).await?;
        if let Some(subject) = subject {
            authorization = self.record_attestation(context, id, Some(subject), false, browser_binding.clone()).await?;
        }
        let binding = browser_binding.as_deref().map(hash_browser_binding);
        let command = match decision {
            DecisionInput::Deny { error } => AuthorizationCommand::Deny { error, cause: None, browser_binding: binding },
            DecisionInput::Approve { scope, shown } => {
                self.require_active_client(&authorization).await?;
                let gathered = self.gather(authorization).await?;
                let judgement = gathered.judge().ok_or(UseCaseError::Refused(AuthorizeRefusal::ClientInactive))?;
                if judgement.hopeless.is_some() {
                    self.conclude(context, id, &gathered, &judgement, binding.clone()).await?;
                }
                self.approve(&gathered, judgement, scope, shown, binding)
            }
        };
        self.execute_authorization(context, id, command).await?;
        self.authorization(context, id).await
    }

    /// The request as it stands. What a crash left half done is completed first.
    pub async fn authorization(&self, context: &Context, id: AuthorizationId) -> Result<AuthorizationView, UseCaseError<AuthorizeRefusal>> {
        let authorization = self.require_authorization(id).await?;
        let authorization = self.complete(context, id, authorization).await?;
        let now = self.now();
        let gone = || UseCaseError::Refused(AuthorizeRefusal::NotFound);
        let gathered = self.gather(authorization.clone()).await?;
        let judgement = gathered.judge().ok_or_else(gone)?;
        let client = gathered.client.metadata().cloned().ok_or_else(gone)?;
        let consent = match (authorization.decision(), authorization.attested()) {
            // Why consent was asked was settled when it was decided.
            (Some(Decision::Approved { consent_reason, .. }), _) => Some(*consent_reason),
            (Some(Decision::Denied { .. }) | None, attested) => attested.map(|_| judgement.consent),
        };
        let subject = match authorization.attested() {
            Some(attested) => self.vault.external_id(attested.subject).await?,
            None => None,
        };
        let state = authorization.state_at(now, &self.settings.acr_values_supported);
        // Only a page that still has to log somebody in needs it.
        let login_hint = if state == AuthorizationState::AwaitingSubject { self.vault.hint(id).await? } else { None };
        Ok(AuthorizationView {
            id,
            state,
            next: next(&authorization, now, &self.settings.acr_values_supported, consent.flatten()),
            client,
            client_id_host: authorization.parameters().and_then(|asked| document_host(&asked.client_id, gathered.client.standing())),
            standing: gathered.client.standing(),
            policy: gathered.policy,
            judgement,
            organization_reasons: gathered.organization_reasons,
            consent,
            subject,
            login_hint,
            answer: self.answer(id, &authorization),
            authorization,
        })
    }

    async fn attest(
        &self,
        context: &Context,
        id: AuthorizationId,
        subject: Option<SubjectAttestation>,
        at_creation: bool,
        browser_binding: Option<String>,
    ) -> Result<AuthorizationView, UseCaseError<AuthorizeRefusal>> {
        let authorization = self.record_attestation(context, id, subject, at_creation, browser_binding.clone()).await?;
        self.go_on(context, id, authorization, browser_binding).await
    }

    /// Does what follows from an attestation without asking anybody.
    async fn go_on(
        &self,
        context: &Context,
        id: AuthorizationId,
        authorization: Arc<Authorization>,
        browser_binding: Option<String>,
    ) -> Result<AuthorizationView, UseCaseError<AuthorizeRefusal>> {
        let gathered = self.gather(authorization).await?;
        if let Some(judgement) = gathered.judge() {
            let browser_binding = browser_binding.as_deref().map(hash_browser_binding);
            self.conclude(context, id, &gathered, &judgement, browser_binding).await?;
        }
        self.authorization(context, id).await
    }

    /// Gathers all that is known of a request.
    async fn gather(&self, authorization: Arc<Authorization>) -> Result<Gathered, UseCaseError<AuthorizeRefusal>> {
        let parameters = authorization.parameters().ok_or(UseCaseError::Refused(AuthorizeRefusal::NotFound))?;
        let client = self.client(&parameters.client_id).await?;
        let client_sha256 = client.metadata().map(ClientMetadata::material_sha256).unwrap_or_default();
        let policy = self.policy().await?;
        let earlier = self.earlier_consent(&authorization).await?;
        let organization_reasons = match (client.metadata(), authorization.attested()) {
            (Some(metadata), Some(attested)) => {
                self.organization_reasons(attested.organization_id.as_ref(), &parameters.client_id, metadata).await?
            }
            _ => Vec::new(),
        };
        let is_erased = match authorization.attested() {
            Some(attested) => self.subjects.load(&self.outside, &attested.subject.stream()).await?.erased().is_some(),
            None => false,
        };
        Ok(Gathered {
            client,
            client_sha256,
            policy,
            earlier,
            organization_reasons,
            is_erased,
            remember_offline_access: self.settings.remember_offline_access,
            authorization,
        })
    }

    /// Does what follows by itself, if anything does.
    async fn conclude(
        &self,
        context: &Context,
        id: AuthorizationId,
        gathered: &Gathered,
        judgement: &Judgement,
        browser_binding: Option<String>,
    ) -> Result<(), UseCaseError<AuthorizeRefusal>> {
        let authorization = &gathered.authorization;
        let next = next(authorization, self.now(), &self.settings.acr_values_supported, judgement.consent);
        let command = match conclude(authorization, next, judgement) {
            None => return Ok(()),
            Some(Conclusion::Deny { error, cause }) => AuthorizationCommand::Deny { error, cause, browser_binding },
            Some(Conclusion::Approve) => {
                self.require_active_client(authorization).await?;
                self.approve(gathered, judgement.clone(), None, None, browser_binding)
            }
        };
        self.execute_authorization(context, id, command).await.map(drop)
    }

    fn approve(
        &self,
        gathered: &Gathered,
        judgement: Judgement,
        scope: Option<Scope>,
        shown: Option<Shown>,
        browser_binding: Option<String>,
    ) -> AuthorizationCommand {
        AuthorizationCommand::Approve {
            scope,
            bounds: judgement.bounds,
            consent_reason: judgement.consent,
            shown,
            basis: gathered.basis(),
            browser_binding,
            acr_values_supported: self.settings.acr_values_supported.clone(),
        }
    }

    async fn record_attestation(
        &self,
        context: &Context,
        id: AuthorizationId,
        subject: Option<SubjectAttestation>,
        at_creation: bool,
        browser_binding: Option<String>,
    ) -> Result<Arc<Authorization>, UseCaseError<AuthorizeRefusal>> {
        let attested = match subject {
            None => None,
            Some(said) => {
                let subject = self.register_subject(context, &said.id).await?;
                let claims = self.seal_claims(subject, &said.claims).await?;
                let SubjectAttestation { organization_id, authentication, roles, .. } = said;
                self.note_roles(context, subject, organization_id.clone(), &roles).await?;
                Some(AttestedSubject { subject, organization_id, authentication, roles, claims })
            }
        };
        let browser_binding = browser_binding.as_deref().map(hash_browser_binding);
        let acr_values_supported = self.settings.acr_values_supported.clone();
        self.execute_authorization(
            context,
            id,
            AuthorizationCommand::Attest { attested, at_creation, browser_binding, acr_values_supported },
        )
        .await
    }

    async fn register_subject(&self, context: &Context, external_id: &str) -> Result<SubjectId, UseCaseError<AuthorizeRefusal>> {
        // RFC 9700 §4.15: in a token `sub` may be a client, and nobody may pass for one, whatever form its id has.
        if self.vault.find_subject(external_id).await?.is_none() && self.was_ever_a_client(external_id).await? {
            return Err(UseCaseError::Refused(AuthorizeRefusal::SubjectIsAClient));
        }
        loop {
            let candidate = SubjectId(self.outside.entropy.uuid_v7(self.now()));
            // The vault's row is durable before the first event that needs its key.
            let id = self.vault.register_subject(external_id, candidate).await?.id;
            let subject = self.execute_subject(context, id, SubjectCommand::Register).await?;
            if subject.erased().is_none() {
                return Ok(id);
            }
            // They are being erased, and their key is not destroyed yet: it is now, and who comes is somebody new.
            self.vault.forget_subject(id).await?;
        }
    }

    async fn was_ever_a_client(&self, id: &str) -> Result<bool, Trouble> {
        let Some(id) = parse_client_id(id) else { return Ok(false) };
        Ok(self.client(&id).await?.registered_at().is_some())
    }

    /// Opens or extends the grant of an approved request and issues its code. Repeating it is harmless: the grant
    /// issues one code per request, and the code is derived.
    async fn complete(
        &self,
        context: &Context,
        id: AuthorizationId,
        authorization: Arc<Authorization>,
    ) -> Result<Arc<Authorization>, UseCaseError<AuthorizeRefusal>> {
        let (Some(Decision::Approved { scope, consent_reason, shown, basis }), None) = (authorization.decision(), authorization.grant_id())
        else {
            return Ok(authorization);
        };
        let (Some(parameters), Some(attested)) = (authorization.parameters(), authorization.attested()) else {
            return Err(UseCaseError::Refused(AuthorizeRefusal::NotFound));
        };
        if let Some((cause, _)) = self.forbidden_since(&authorization).await? {
            return self.execute_authorization(context, id, AuthorizationCommand::Withdraw { cause }).await;
        }
        // Before there is a code: the lease of a client that somebody said yes to must not run out any more.
        if !self.use_client(context, &parameters.client_id).await? {
            return Err(UseCaseError::Refused(AuthorizeRefusal::ClientInactive));
        }
        let consent = RecordConsent {
            subject: attested.subject,
            client_id: parameters.client_id.clone(),
            organization_id: attested.organization_id.clone(),
            authorization_id: id,
            scope: scope.clone(),
            reason: *consent_reason,
            shown: shown.clone(),
            basis: basis.clone(),
            binding: CodeBinding {
                redirect_uri: parameters.redirect_uri.clone(),
                redirect_uri_given: parameters.redirect_uri_given,
                code_challenge: parameters.code_challenge.clone(),
                scope: scope.clone(),
                nonce: parameters.nonce.clone(),
                authentication: attested.authentication.clone(),
                roles: attested.roles.clone(),
                claims: attested.claims.clone(),
                resources: parameters.resources.clone(),
            },
            code_expires_at: self.now().plus(self.settings.code_lifetime),
            cut_off: self.cut_off(attested.subject, &parameters.client_id, attested.organization_id.as_ref()).await?,
        };
        let grant_id = self.record_consent(context, consent).await?;
        // What was tightened while this was under way may not have found the grant: it is looked at again, now that it is
        // there. Whatever is tightened from here on finds it.
        if let Some((cause, reason)) = self.forbidden_since(&authorization).await? {
            self.end_grant(context, grant_id, reason).await?;
            return self.execute_authorization(context, id, AuthorizationCommand::Withdraw { cause }).await;
        }
        self.narrow_to_current_roles(context, grant_id, attested, scope).await?;
        self.execute_authorization(context, id, AuthorizationCommand::Complete { grant_id }).await
    }

    /// Why what was approved may not be granted any more, and how a grant of it ends.
    async fn forbidden_since(&self, authorization: &Authorization) -> Result<Option<(DenialCause, RevocationReason)>, Trouble> {
        let (Some(parameters), Some(attested)) = (authorization.parameters(), authorization.attested()) else { return Ok(None) };
        let client = self.client(&parameters.client_id).await?;
        let organization_id = attested.organization_id.as_ref();
        if let Some(metadata) = client.metadata()
            && let Some(reason) = self.organization_reasons(organization_id, &parameters.client_id, metadata).await?.first()
        {
            return Ok(Some((DenialCause::from(*reason), RevocationReason::OrganizationPolicy)));
        }
        let cut_off = self.cut_off(attested.subject, &parameters.client_id, organization_id).await?;
        // Whoever agreed before the end of all that was allowed agreed to what ended.
        let cut_off = cut_off.filter(|cut_off| authorization.decided_at().is_some_and(|decided| decided <= cut_off.at));
        Ok(cut_off.map(|cut_off| {
            let cause = match cut_off.reason {
                RevocationReason::SubjectErased => DenialCause::SubjectErased,
                RevocationReason::LeftOrganization => DenialCause::NotAMember,
                _ => DenialCause::ClientDisconnected,
            };
            (cause, cut_off.reason)
        }))
    }

    async fn record_consent(&self, context: &Context, consent: RecordConsent) -> Result<GrantId, UseCaseError<AuthorizeRefusal>> {
        let slot = grant_reservation::stream_of(consent.subject, &consent.client_id, consent.organization_id.as_ref());
        let mut grant_id = self.reserve_grant(context, &slot, None).await?;
        for _ in 0..4 {
            let command = GrantCommand::RecordConsent(Box::new(consent.clone()));
            match self.grants.execute(&self.outside, context, &grant_id.stream(), &command).await {
                Ok(_) => return Ok(grant_id),
                // A revoked grant stays revoked: the next consent opens another.
                Err(UseCaseError::Refused(GrantRefusal::Revoked)) => grant_id = self.reserve_grant(context, &slot, Some(grant_id)).await?,
                // Disconnected for everyone, or left, since it was opened: what was allowed then is not taken up again.
                Err(UseCaseError::Refused(GrantRefusal::CutOff)) => {
                    if let Some(cut_off) = consent.cut_off {
                        self.end_grant(context, grant_id, cut_off.reason).await?;
                    }
                }
                // Interrupted long ago: its code would have expired since.
                Err(UseCaseError::Refused(_)) => {
                    return Err(UseCaseError::Refused(AuthorizeRefusal::Authorization(AuthorizationRefusal::Expired)));
                }
                Err(UseCaseError::Trouble(trouble)) => return Err(trouble.into()),
            }
        }
        Err(Trouble::Contended(slot).into())
    }

    async fn reserve_grant(&self, context: &Context, slot: &StreamId, replaces: Option<GrantId>) -> Result<GrantId, Trouble> {
        let candidate = GrantId(self.outside.entropy.uuid_v7(self.now()));
        let command = Reserve { candidate, replaces };
        match self.reservations.execute(&self.outside, context, slot, &command).await {
            Ok(executed) => Ok(executed.state.grant_id().unwrap_or(candidate)),
            Err(UseCaseError::Refused(never)) => match never {},
            Err(UseCaseError::Trouble(trouble)) => Err(trouble),
        }
    }

    /// What the attested subject agreed to before; nothing while nobody is attested.
    async fn earlier_consent(&self, authorization: &Authorization) -> Result<EarlierConsent, Trouble> {
        let (Some(parameters), Some(attested)) = (authorization.parameters(), authorization.attested()) else {
            return Ok(EarlierConsent::default());
        };
        let slot = grant_reservation::stream_of(attested.subject, &parameters.client_id, attested.organization_id.as_ref());
        let Some(grant_id) = self.reservations.load(&self.outside, &slot).await?.grant_id() else { return Ok(EarlierConsent::default()) };
        let grant = self.grants.load(&self.outside, &grant_id.stream()).await?;
        let cut_off = self.cut_off(attested.subject, &parameters.client_id, attested.organization_id.as_ref()).await?;
        if cut_off.is_some_and(|cut_off| grant.was_opened_by(cut_off.at)) {
            return Ok(EarlierConsent { revoked: true, ..EarlierConsent::default() });
        }
        Ok(grant.earlier_consent(self.settings.consent_lifetime, self.now()))
    }

    fn answer(&self, id: AuthorizationId, authorization: &Authorization) -> Option<Answer> {
        let parameters = authorization.parameters()?;
        match authorization.decision()? {
            Decision::Denied { error, cause: _ } => Some(self.error_answer(
                parameters.redirect_uri.clone(),
                parameters.response_mode,
                parameters.state.as_deref(),
                AuthorizationErrorCode::from(*error).as_str(),
                error.description(),
            )),
            Decision::Approved { .. } => {
                let code = self.codec.code(CodeRef { grant_id: authorization.grant_id()?, authorization_id: id });
                let told = vec![("code", code.expose().to_owned())];
                Some(self.respond(parameters.redirect_uri.clone(), parameters.response_mode, parameters.state.as_deref(), told))
            }
        }
    }

    fn rejected(&self, answer_to: &AnswerTo, error: &AuthorizationError) -> RejectedRequest {
        let (code, description) = (error.code().as_str(), error.description());
        let answer =
            self.error_answer(answer_to.redirect_uri.clone(), answer_to.response_mode, answer_to.state.as_deref(), code, description);
        RejectedRequest { code, description: description.to_owned(), reason: None, answer: Some(answer) }
    }

    fn error_answer(
        &self,
        redirect_uri: RedirectUri,
        response_mode: ResponseMode,
        state: Option<&str>,
        code: &str,
        description: &str,
    ) -> Answer {
        self.respond(redirect_uri, response_mode, state, vec![("error", code.to_owned()), ("error_description", description.to_owned())])
    }

    fn respond(
        &self,
        redirect_uri: RedirectUri,
        response_mode: ResponseMode,
        state: Option<&str>,
        mut parameters: Vec<(&'static str, String)>,
    ) -> Answer {
        parameters.extend(state.map(|state| ("state", state.to_owned())));
        // RFC 9207 §2: every authorization response names the issuer.
        parameters.push(("iss", self.settings.issuer.clone()));
        Answer { redirect_uri, response_mode, parameters }
    }

    /// Nothing is granted to a client that may not use it.
    async fn require_active_client(&self, authorization: &Authorization) -> Result<(), UseCaseError<AuthorizeRefusal>> {
        let Some(parameters) = authorization.parameters() else { return Err(UseCaseError::Refused(AuthorizeRefusal::NotFound)) };
        match self.active_client(&parameters.client_id).await? {
            Some(_) => Ok(()),
            None => Err(UseCaseError::Refused(AuthorizeRefusal::ClientInactive)),
        }
    }

    pub(super) async fn require_authorization(&self, id: AuthorizationId) -> Result<Arc<Authorization>, UseCaseError<AuthorizeRefusal>> {
        let authorization = self.authorizations.load(&self.outside, &id.stream()).await?;
        if authorization.parameters().is_none() {
            return Err(UseCaseError::Refused(AuthorizeRefusal::NotFound));
        }
        Ok(authorization)
    }

    async fn execute_authorization(
        &self,
        context: &Context,
        id: AuthorizationId,
        command: AuthorizationCommand,
    ) -> Result<Arc<Authorization>, UseCaseError<AuthorizeRefusal>> {
        let executed = self.authorizations.execute(&self.outside, context, &id.stream(), &command).await;
        executed.map(|executed| executed.state).map_err(|error| error.map(AuthorizeRefusal::Authorization))
    }

    /// A value for the cookie that ties a request of the hosted way to its browser.
    pub fn new_browser_binding(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.random())
    }

    /// The token that the last hop of an answer carries in its URL: only whom we gave the URL can fetch the answer.
    pub fn response_token(&self, id: AuthorizationId) -> String {
        self.codec.response_token(id)
    }

    /// Whether this is that token.
    pub fn check_response_token(&self, id: AuthorizationId, presented: &str) -> bool {
        self.codec.check_response_token(id, presented)
    }
}

/// The host of a client's id, when the id is the URL of the document that the client was read from.
fn document_host(client_id: &ClientId, standing: Standing) -> Option<String> {
    let of_document = standing.registration() == Registration::MetadataDocument;
    DocumentUrl::parse(client_id).ok().filter(|_| of_document).map(|url| url.host().to_owned())
}

/// What the log keeps of a browser binding: its SHA-256, base64url.
pub fn hash_browser_binding(binding: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, binding.as_bytes()))
}
