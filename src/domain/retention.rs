//! Which issuance facts are of no more consequence: what retention may drop from a stream.
//!
//! Pure, and on the safe side. Only facts that were decided before the cutoff may go, and only where every decision from
//! now on is the same without them. The last event of a stream stays unless all of them go, so that the stream does not
//! become shorter: places in it are never given out twice.

#[cfg(test)]
mod tests;

use super::{
    Event, Seconds, Timestamp, client_assertion::ClientAssertionEvent, grant, idempotency_key::IdempotencyKeyEvent,
    machine_token::MachineTokenEvent, trusted_token::TrustedTokenEvent,
};

/// How long something is remembered after it has expired: clocks differ, and a replay is to be told from nonsense.
pub const MEMORY: Seconds = Seconds(24 * 60 * 60);

/// The places of those events of a stream that may be dropped. `history` is all that there is of the stream.
pub fn dispensable(history: Vec<(Timestamp, Event)>, now: Timestamp, cutoff: Timestamp) -> Vec<usize> {
    match history.first() {
        Some((_, Event::Grant(_))) => {
            let events: Option<Vec<_>> =
                history.into_iter().map(|(at, event)| grant::GrantEvent::try_from(event).ok().map(|event| (at, event))).collect();
            events.map(|events| grant::dispensable(&events, now, cutoff)).unwrap_or_default()
        }
        // As long as the key means its last request, the ones before are of no consequence; but a stream of that many is rare.
        Some(_) if history.iter().all(|(at, event)| *at < cutoff && is_over(event, now)) => (0..history.len()).collect(),
        Some(_) | None => Vec::new(),
    }
}

/// Whether a stream of nothing but such events means nothing any more.
fn is_over(event: &Event, now: Timestamp) -> bool {
    let expires_at = match event {
        Event::MachineToken(MachineTokenEvent::Issued { expires_at, .. })
        | Event::ClientAssertion(ClientAssertionEvent::Used { expires_at, .. })
        | Event::TrustedToken(TrustedTokenEvent::Bound { expires_at, .. })
        | Event::IdempotencyKey(IdempotencyKeyEvent::Used { expires_at, .. }) => *expires_at,
        // That a token was revoked is kept, and with it what was revoked.
        Event::MachineToken(MachineTokenEvent::Revoked {})
        | Event::Grant(_)
        | Event::Client(_)
        | Event::ClientRegistration(_)
        | Event::InitialAccessToken(_)
        | Event::Authorization(_)
        | Event::GrantReservation(_)
        | Event::Policy(_)
        | Event::SigningKey(_)
        | Event::ApiKey(_)
        | Event::ResourceServer(_)
        | Event::Organization(_)
        | Event::Audit(_)
        | Event::Subject(_)
        | Event::TrustedIssuer(_)
        | Event::Segment(_) => return false,
    };
    expires_at.plus(MEMORY) <= now
}
