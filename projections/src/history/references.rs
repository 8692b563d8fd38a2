//! What an event is about: the names it is found by, beside its stream, its type and who caused it.

use grantlog_core::domain::{
    AuthorizationId, ClientId, Event, GrantId, OrganizationId, StreamId, StreamKind, SubjectId, audit::AuditEvent,
    authorization::AuthorizationEvent, client::ClientEvent, client_assertion::ClientAssertionEvent,
    client_registration::ClientRegistrationEvent, grant::GrantEvent, grant_reservation::GrantReservationEvent,
    initial_access_token::InitialAccessTokenEvent, machine_token::MachineTokenEvent, organization::OrganizationEvent,
    subject::SubjectEvent, trusted_token::TrustedTokenEvent,
};

/// What a name in the index is the name of. The numbers stand in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A stream.
    Stream = 0,
    /// The type of an event.
    Type = 1,
    /// Who caused it.
    Actor = 2,
    /// A person, by our id.
    Subject = 3,
    /// A client.
    Client = 4,
    /// An organization.
    Organization = 5,
    /// A grant.
    Grant = 6,
    /// An authorization request.
    Authorization = 7,
}

impl Kind {
    /// The kinds that an event carries in its payload or inherits from its stream.
    pub(super) const REFERENCES: [Self; 5] = [Self::Subject, Self::Client, Self::Organization, Self::Grant, Self::Authorization];

    pub(super) fn number(self) -> i64 {
        self as i64
    }
}

/// What one event is about.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct References {
    pub(super) names: Vec<(Kind, String)>,
    /// Of which kinds it says all: what follows in the stream is about the same, and what came before it is not asked.
    pub(super) lasting: &'static [Kind],
}

impl References {
    fn subject(self, subject: SubjectId) -> Self {
        self.with(Kind::Subject, subject.to_string())
    }

    fn client(self, client_id: &ClientId) -> Self {
        self.with(Kind::Client, client_id.to_string())
    }

    fn organization(self, organization_id: Option<&OrganizationId>) -> Self {
        match organization_id {
            Some(organization) => self.with(Kind::Organization, organization.0.to_string()),
            None => self,
        }
    }

    fn grant(self, grant_id: GrantId) -> Self {
        self.with(Kind::Grant, grant_id.to_string())
    }

    fn authorization(self, id: AuthorizationId) -> Self {
        self.with(Kind::Authorization, id.to_string())
    }

    fn with(mut self, kind: Kind, name: String) -> Self {
        if !name.is_empty() {
            self.names.push((kind, name));
        }
        self
    }

    /// What follows in the stream is about the same things of these kinds.
    fn lasting(self, lasting: &'static [Kind]) -> Self {
        Self { lasting, ..self }
    }
}

/// What every event of a stream is about, whatever it says.
fn of_stream(stream: &StreamId) -> References {
    let none = References::default();
    let key = stream.key();
    match stream.kind() {
        StreamKind::Client => none.with(Kind::Client, key.to_owned()),
        StreamKind::Authorization => none.with(Kind::Authorization, key.to_owned()),
        StreamKind::Grant => none.with(Kind::Grant, key.to_owned()),
        StreamKind::Subject => none.with(Kind::Subject, key.to_owned()),
        StreamKind::Organization => none.with(Kind::Organization, key.to_owned()),
        StreamKind::GrantReservation
        | StreamKind::Audit
        | StreamKind::IdempotencyKey
        | StreamKind::MachineToken
        | StreamKind::SigningKey
        | StreamKind::ApiKey
        | StreamKind::ResourceServer
        | StreamKind::Policy
        | StreamKind::ClientRegistration
        | StreamKind::InitialAccessToken
        | StreamKind::TrustedIssuer
        | StreamKind::TrustedToken
        | StreamKind::Segment
        | StreamKind::ClientAssertion => none,
    }
}

/// What an event is about; None: it can't be read, and only its envelope tells.
pub(super) fn of(stream: &StreamId, event: Option<&Event>) -> References {
    let own = of_stream(stream);
    let Some(event) = event else { return own };
    match event {
        Event::Authorization(event) => of_authorization(own, event),
        Event::Grant(event) => of_grant(own, event),
        Event::GrantReservation(GrantReservationEvent::Made { grant_id }) => own.grant(*grant_id),
        Event::Audit(AuditEvent::Read { filters, .. }) => {
            let own = filters.subject.into_iter().fold(own, References::subject);
            let own = filters.client_id.iter().fold(own, References::client);
            let own = filters.grant_id.into_iter().fold(own, References::grant);
            let own = filters.authorization_id.into_iter().fold(own, References::authorization);
            own.organization(filters.organization_id.as_ref())
        }
        Event::MachineToken(event) => match event {
            MachineTokenEvent::Issued { client_id, .. } => own.client(client_id).lasting(&[Kind::Client]),
            MachineTokenEvent::Revoked {} => own,
        },
        Event::ClientAssertion(ClientAssertionEvent::Used { client_id, .. })
        | Event::ClientRegistration(ClientRegistrationEvent::Assigned { client_id }) => own.client(client_id),
        Event::TrustedToken(TrustedTokenEvent::Bound { authorization_id, .. }) => own.authorization(*authorization_id),
        Event::InitialAccessToken(event) => match event {
            InitialAccessTokenEvent::Used { client_id } => own.client(client_id),
            InitialAccessTokenEvent::Created { .. } | InitialAccessTokenEvent::Revoked {} => own,
        },
        Event::Organization(event) => match event {
            OrganizationEvent::ClientDisconnected { client_id } => own.client(client_id),
            OrganizationEvent::PolicySet { .. } | OrganizationEvent::Enforced { .. } => own,
        },
        Event::Subject(event) => match event {
            SubjectEvent::RolesSet { organization_id, .. } => own.organization(organization_id.as_ref()),
            SubjectEvent::LeftOrganization { organization_id, .. } => own.organization(Some(organization_id)),
            SubjectEvent::Registered {}
            | SubjectEvent::Enforced { .. }
            | SubjectEvent::Erased { .. }
            | SubjectEvent::ErasureCompleted { .. } => own,
        },
        Event::Client(event) => of_client(own, event),
        Event::SigningKey(_)
        | Event::ApiKey(_)
        | Event::IdempotencyKey(_)
        | Event::Policy(_)
        | Event::ResourceServer(_)
        | Event::Segment(_)
        | Event::TrustedIssuer(_) => own,
    }
}

/// A client of an organization belongs to it for good.
fn of_client(own: References, event: &ClientEvent) -> References {
    match event {
        ClientEvent::Registered { metadata, .. } | ClientEvent::Updated { metadata } | ClientEvent::DocumentChanged { metadata, .. } => {
            own.organization(metadata.organization_id.as_ref()).lasting(&[Kind::Organization])
        }
        ClientEvent::Withdrawn {}
        | ClientEvent::Reinstated {}
        | ClientEvent::SecretRotationStarted { .. }
        | ClientEvent::SecretRotationCompleted {}
        | ClientEvent::SecretRotationCancelled {}
        | ClientEvent::Suspended {}
        | ClientEvent::Resumed {}
        | ClientEvent::Used {}
        | ClientEvent::LeaseExtended { .. }
        | ClientEvent::Verified {}
        | ClientEvent::VerificationWithdrawn {}
        | ClientEvent::Deleted {} => own,
    }
}

fn of_authorization(own: References, event: &AuthorizationEvent) -> References {
    match event {
        AuthorizationEvent::Requested { parameters, .. } => own.client(&parameters.client_id).lasting(&[Kind::Client]),
        AuthorizationEvent::SubjectAttested { subject, organization_id, .. } => {
            own.subject(*subject).organization(organization_id.as_ref()).lasting(&[Kind::Subject, Kind::Organization])
        }
        AuthorizationEvent::Completed { grant_id } => own.grant(*grant_id),
        AuthorizationEvent::Approved { .. } | AuthorizationEvent::Denied { .. } => own,
    }
}

fn of_grant(own: References, event: &GrantEvent) -> References {
    match event {
        GrantEvent::Opened { subject, client_id, organization_id } => own
            .subject(*subject)
            .client(client_id)
            .organization(organization_id.as_ref())
            .lasting(&[Kind::Subject, Kind::Client, Kind::Organization]),
        GrantEvent::Consented { authorization_id, .. }
        | GrantEvent::CodeIssued { authorization_id, .. }
        | GrantEvent::CodeRedeemed { authorization_id, .. }
        | GrantEvent::CodeReplayed { authorization_id } => own.authorization(*authorization_id),
        GrantEvent::AccessTokenIssued { .. }
        | GrantEvent::RefreshTokenIssued { .. }
        | GrantEvent::RefreshTokenRotated { .. }
        | GrantEvent::RefreshTokenReplayed { .. }
        | GrantEvent::AccessTokenRevoked { .. }
        | GrantEvent::FamilyEnded { .. }
        | GrantEvent::Narrowed { .. }
        | GrantEvent::SessionsEnded { .. }
        | GrantEvent::Revoked { .. } => own,
    }
}
