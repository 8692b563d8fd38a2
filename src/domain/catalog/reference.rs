//! What every event means, for people: `docs/events.md` is made of it, and `fsck` knows from it what a stream begins with.

use crate::domain::StreamKind;

/// One type of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventType {
    /// The kind of the streams that it stands in.
    pub stream: StreamKind,
    /// The wire name.
    pub name: &'static str,
    /// Where in its streams it stands.
    pub place: PlaceInStream,
    /// The release that wrote it first.
    pub since: &'static str,
    /// What has happened.
    pub meaning: &'static str,
}

/// Where in a stream an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceInStream {
    /// At the beginning and nowhere else.
    First,
    /// Anywhere but at the beginning.
    Later,
    /// Anywhere.
    Any,
}

const fn begins(stream: StreamKind, name: &'static str, meaning: &'static str) -> EventType {
    EventType { stream, name, place: PlaceInStream::First, since: "0.1.0", meaning }
}

const fn follows(stream: StreamKind, name: &'static str, meaning: &'static str) -> EventType {
    EventType { stream, name, place: PlaceInStream::Later, since: "0.1.0", meaning }
}

const fn anywhere(stream: StreamKind, name: &'static str, meaning: &'static str) -> EventType {
    EventType { stream, name, place: PlaceInStream::Any, since: "0.1.0", meaning }
}

/// Every type there is, in the order of the catalog.
pub const EVENT_TYPES: &[EventType] = &[
    begins(StreamKind::Client, "client.registered", "The client exists."),
    follows(StreamKind::Client, "client.updated", "What is registered about it changed; the event has all of it, as it is now."),
    follows(StreamKind::Client, "client.document_changed", "The metadata document that it is read from says something else."),
    follows(StreamKind::Client, "client.withdrawn", "Its metadata document is gone: nothing is issued to it and nothing of its is valid."),
    follows(StreamKind::Client, "client.reinstated", "Its metadata document is back."),
    follows(StreamKind::Client, "client.secret_rotation_started", "A second secret is good beside the first."),
    follows(StreamKind::Client, "client.secret_rotation_completed", "The next secret is the only one."),
    follows(StreamKind::Client, "client.secret_rotation_cancelled", "The next secret is forgotten."),
    follows(StreamKind::Client, "client.suspended", "Nothing is issued to it and nothing of its is valid, until it is resumed."),
    follows(StreamKind::Client, "client.resumed", "The suspension is over."),
    follows(StreamKind::Client, "client.used", "It was used for the first time: its lease is of no matter any more."),
    follows(StreamKind::Client, "client.lease_extended", "It may go unused for longer: it was registered again."),
    follows(StreamKind::Client, "client.verified", "An administrator vouches for it."),
    follows(StreamKind::Client, "client.verification_withdrawn", "Nobody vouches for it any more."),
    follows(StreamKind::Client, "client.deleted", "It is gone for good, with everything it held."),
    // Made anew when the client that was registered with it is gone.
    EventType {
        stream: StreamKind::ClientRegistration,
        name: "client_registration.assigned",
        place: PlaceInStream::Any,
        since: "0.1.0",
        meaning: "From here on this is the client that registers itself with this description.",
    },
    begins(StreamKind::InitialAccessToken, "initial_access_token.created", "It exists."),
    follows(StreamKind::InitialAccessToken, "initial_access_token.used", "It let one client register."),
    follows(StreamKind::InitialAccessToken, "initial_access_token.revoked", "It is good for nothing any more."),
    begins(StreamKind::Authorization, "authorization.requested", "A valid authorization request arrived."),
    follows(StreamKind::Authorization, "authorization.subject_attested", "The application said who the person is."),
    follows(StreamKind::Authorization, "authorization.approved", "The person agreed, or did not have to be asked."),
    follows(StreamKind::Authorization, "authorization.completed", "The code was issued under a grant: the answer is complete."),
    follows(
        StreamKind::Authorization,
        "authorization.denied",
        "The request ended without a grant, with the error that the client is told.",
    ),
    begins(StreamKind::Grant, "grant.opened", "The grant of a subject to a client exists; nothing is agreed yet."),
    follows(StreamKind::Grant, "grant.consented", "The subject agreed to this scope, beside what they agreed to before."),
    follows(StreamKind::Grant, "grant.code_issued", "A code was issued. The code itself is derived, not stored."),
    follows(StreamKind::Grant, "grant.code_redeemed", "The code was redeemed: a token family began."),
    follows(StreamKind::Grant, "grant.code_replayed", "The code was presented again."),
    follows(StreamKind::Grant, "grant.access_token_issued", "An access token was issued."),
    follows(StreamKind::Grant, "grant.refresh_token_issued", "The first refresh token of a family was issued. It is derived, not stored."),
    follows(StreamKind::Grant, "grant.refresh_token_rotated", "A refresh token was used: its successor took its place."),
    follows(StreamKind::Grant, "grant.refresh_token_replayed", "A refresh token was presented after its grace window."),
    follows(StreamKind::Grant, "grant.access_token_revoked", "One access token is dead."),
    follows(StreamKind::Grant, "grant.family_ended", "Everything of one token family is dead."),
    follows(
        StreamKind::Grant,
        "grant.narrowed",
        "Nothing more is left of the grant than this: consent, families and codes are cut back to it.",
    ),
    follows(
        StreamKind::Grant,
        "grant.sessions_ended",
        "Every token family is dead, and no code that was issued can be redeemed; the consent stays.",
    ),
    follows(StreamKind::Grant, "grant.revoked", "The grant is over, with everything under it, for good."),
    // Made anew for each grant that follows a revoked one.
    anywhere(StreamKind::GrantReservation, "grant_reservation.made", "From here on this is the grant of the subject to the client."),
    anywhere(StreamKind::Audit, "audit.read", "Somebody asked the history something; recorded before they were answered."),
    // Each version is all of it.
    anywhere(StreamKind::Policy, "policy.published", "From here on this is the RBAC policy, as a whole."),
    begins(StreamKind::MachineToken, "machine_token.issued", "A machine client got an access token."),
    follows(StreamKind::MachineToken, "machine_token.revoked", "It is dead."),
    begins(StreamKind::SigningKey, "signing_key.generated", "The key was made and is published; it signs from a moment on."),
    follows(StreamKind::SigningKey, "signing_key.retired", "It signs no more from a moment on, and is published until another."),
    follows(StreamKind::SigningKey, "signing_key.revoked", "It is neither used nor published any more, and what it signed is void."),
    begins(StreamKind::ApiKey, "api_key.created", "The API key exists."),
    follows(StreamKind::ApiKey, "api_key.revoked", "It is good for nothing any more."),
    // Made anew when what was deleted is registered again.
    EventType {
        stream: StreamKind::ResourceServer,
        name: "resource_server.registered",
        place: PlaceInStream::Any,
        since: "0.1.0",
        meaning: "The resource server exists: clients may ask for tokens for it.",
    },
    follows(
        StreamKind::ResourceServer,
        "resource_server.updated",
        "What is registered about it changed; the event has all of it, as it is now.",
    ),
    follows(StreamKind::ResourceServer, "resource_server.deleted", "No more tokens are issued for it, unless it is registered again."),
    // Used anew after it has expired.
    anywhere(StreamKind::IdempotencyKey, "idempotency_key.used", "A request came with this key, and for a day the key means this request."),
    anywhere(StreamKind::Organization, "organization.policy_set", "From here on this says which clients may work in it."),
    anywhere(
        StreamKind::Organization,
        "organization.client_disconnected",
        "What anybody allowed the client here is over; they may allow it anew.",
    ),
    follows(StreamKind::Organization, "organization.enforced", "The grants that were cut off by a change, or one before it, are revoked."),
    begins(StreamKind::Subject, "subject.registered", "The person was attested for the first time."),
    follows(StreamKind::Subject, "subject.roles_set", "From here on these are their roles in an organization, or where there is none."),
    follows(StreamKind::Subject, "subject.left_organization", "They are no member of the organization any more."),
    follows(
        StreamKind::Subject,
        "subject.enforced",
        "What a change of roles or memberships, or one before it, took away is gone from their grants.",
    ),
    follows(
        StreamKind::Subject,
        "subject.erased",
        "The person is to be forgotten: nothing that they allowed is good from here on, and whoever comes under their name is somebody else.",
    ),
    follows(
        StreamKind::Subject,
        "subject.erasure_completed",
        "Their key is destroyed and their grants are revoked: nobody can tell any more who they were.",
    ),
    begins(StreamKind::TrustedIssuer, "trusted_issuer.registered", "The tokens of a login system are trusted."),
    follows(
        StreamKind::TrustedIssuer,
        "trusted_issuer.updated",
        "What is registered about it changed; the event has all of it, as it is now.",
    ),
    follows(StreamKind::TrustedIssuer, "trusted_issuer.deleted", "Its tokens are not trusted any more."),
    begins(
        StreamKind::TrustedToken,
        "trusted_token.bound",
        "A trusted token was presented for an authorization request, and is good for no other.",
    ),
    begins(StreamKind::ClientAssertion, "client_assertion.used", "A client assertion authenticated its client, and can't do so again."),
    begins(StreamKind::Segment, "segment.sealed", "Issuance facts were written to a file: they may be dropped from the log."),
    follows(StreamKind::Segment, "segment.dropped", "They are in the log no more."),
];

/// What issues and uses up: of no more consequence once it has expired. Every other fact is kept for ever.
const ISSUANCE: &[&str] = &[
    "grant.code_issued",
    "grant.code_redeemed",
    "grant.access_token_issued",
    "grant.refresh_token_issued",
    "grant.refresh_token_rotated",
    "machine_token.issued",
    "idempotency_key.used",
    "trusted_token.bound",
    "client_assertion.used",
];

/// Whether an event of this name is an issuance fact: one that retention may drop.
pub fn is_issuance(name: &str) -> bool {
    ISSUANCE.contains(&name)
}

/// What is known of the type of this name.
pub fn event_type(name: &str) -> Option<&'static EventType> {
    EVENT_TYPES.iter().find(|known| known.name == name)
}

/// The page `docs/events.md`.
pub fn events_markdown() -> String {
    let mut page = String::from(
        "# Events\n\n<!-- Generated from src/domain/catalog/reference.rs by `grantlog generate`; a test is red when this file is stale. -->\n\n\
         Every event that the log can hold. The kind of a stream is the part of its name before the first dash; the first event \
         of each table begins a stream.\nThe members of each payload are in `src/domain/<stream>/event.rs`, an example in \
         `tests/golden/events/`. [event-envelope.md](event-envelope.md) describes what stands around it.\n",
    );
    page.extend([
        "\nOf these, issuance facts may be [dropped when they are old](operating/retention.md): `",
        &ISSUANCE.join("`, `"),
        "`. All others are kept for ever.\n",
    ]);
    for &stream in StreamKind::ALL {
        page.extend(["\n## ", stream.as_str(), "\n\n| event | since | what has happened |\n|---|---|---|\n"]);
        for event in EVENT_TYPES.iter().filter(|event| event.stream == stream) {
            page.extend(["| `", event.name, "` | ", event.since, " | ", event.meaning, " |\n"]);
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_fresh() {
        assert_eq!(include_str!("../../../docs/events.md"), events_markdown(), "run `make generate`");
    }

    #[test]
    fn issuance_facts_are_events_that_there_are() {
        assert!(ISSUANCE.iter().all(|name| event_type(name).is_some()));
        // What a person agreed to, what ended and what happened to evidence is none.
        let kept = ["consented", "revoked", "ended", "narrowed", "replayed", "opened", "approved", "denied", "sealed", "dropped"];
        assert!(ISSUANCE.iter().all(|name| !kept.iter().any(|word| name.ends_with(word))));
    }

    #[test]
    fn each_stream_begins_with_the_types_at_the_head_of_its_table() {
        for &stream in StreamKind::ALL {
            let places: Vec<_> = EVENT_TYPES.iter().filter(|event| event.stream == stream).map(|event| event.place).collect();
            let heads = places.iter().take_while(|place| **place != PlaceInStream::Later).count();
            assert!(heads > 0, "{stream:?} begins with nothing");
            assert!(places[heads..].iter().all(|place| *place == PlaceInStream::Later), "{stream:?} has a beginning in its middle");
            // Either one type that stands nowhere else, or types that stand anywhere.
            let first = places.iter().filter(|place| **place == PlaceInStream::First).count();
            assert_eq!(first, usize::from(places[0] == PlaceInStream::First), "{stream:?}");
            assert!(first == 0 || heads == 1, "{stream:?}");
        }
    }
}
