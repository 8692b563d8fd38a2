//! The log itself, event by event and then stream by stream.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet},
    future::ready,
};

use futures::TryStreamExt;
use grantlog_core::{
    domain::{
        Decider, Event, StreamId, StreamKind, Timestamp,
        api_key::ApiKeyDecider,
        audit::AuditDecider,
        authorization::AuthorizationDecider,
        client::ClientDecider,
        client_assertion::ClientAssertionDecider,
        client_registration::ClientRegistrationDecider,
        grant::GrantDecider,
        grant_reservation::GrantReservationDecider,
        idempotency_key::IdempotencyKeyDecider,
        initial_access_token::InitialAccessTokenDecider,
        machine_token::MachineTokenDecider,
        organization::OrganizationDecider,
        policy::PolicyDecider,
        resource_server::ResourceServerDecider,
        segment::{Gaps, Positions, SegmentDecider, SegmentEvent},
        signing_key::SigningKeyDecider,
        subject::SubjectDecider,
        trusted_issuer::TrustedIssuerDecider,
        trusted_token::TrustedTokenDecider,
    },
    store::{EventStore, Position, Recorded, StoreError},
};
use uuid::Uuid;

use super::{Finding, Summary, fits_its_place, unreadable};

/// What is remembered of a stream while the log is read.
#[derive(Clone, Copy, Default)]
struct Seen {
    events: u64,
    /// The revision that its next event should have.
    next: u64,
    /// The ids of its events, so that they can be told from others without keeping them all.
    ids: u128,
}

#[derive(Default)]
struct Reader {
    last: Option<Position>,
    ids: HashSet<Uuid>,
    streams: HashMap<StreamId, Seen>,
    gaps: Gaps,
    /// How many events are not there.
    dropped: u64,
    segments: Vec<(Positions, String)>,
    /// Those that are not dropped yet.
    pending: HashSet<StreamId>,
}

/// Reads the log up to where it ends now.
pub(super) async fn check(store: &dyn EventStore, mut progress: impl FnMut(u64, u64)) -> Result<Summary, Finding> {
    let head = store.head().await.map_err(unreadable)?;
    let mut reader = Reader::default();
    let mut events = store.read_all(None);
    while reader.last < head {
        let next = events.try_next().await;
        let Some(event) = next.map_err(|error| after(reader.last, &error))? else { break };
        reader.take(&event)?;
        progress(event.position.0, head.unwrap_or_default().0);
    }
    if reader.last != head {
        return Err(Finding { position: head, ..Finding::new("the log ends before its last event") });
    }
    reader.dropped = reader.gaps.count();
    // A server may have sealed and dropped some while the log was read.
    while let Some(event) = events.try_next().await.map_err(|error| after(reader.last, &error))? {
        if let Ok(Event::Segment(SegmentEvent::Sealed { positions, .. })) = event.decode() {
            reader.gaps.explain(&positions);
        }
    }
    if let Some(missing) = std::mem::take(&mut reader.gaps).unexplained() {
        let what = format!("position {missing} is missing, and no sealed segment names it");
        return Err(Finding { position: Some(Position(missing)), ..Finding::new(what) });
    }
    let mut thinned = 0;
    for (stream, seen) in &reader.streams {
        match check_stream(store, stream, *seen).await? {
            Same::Yes => {}
            Same::Fewer if is_dropping(store, &reader).await? => thinned += 1,
            Same::Fewer | Same::No => {
                let what = Finding::new("loading it gives other events than reading the log");
                return Err(Finding { stream: Some(stream.clone()), ..what });
            }
        }
    }
    let mut summary = reader.summary();
    if thinned > 0 {
        summary.notes.push(format!("{thinned} streams of which the server dropped events meanwhile"));
    }
    Ok(summary)
}

/// Whether a server may be dropping events: a segment was sealed and is not dropped yet, or was dropped since.
async fn is_dropping(store: &dyn EventStore, reader: &Reader) -> Result<bool, Finding> {
    let mut later = store.read_all(reader.last).try_filter(|event| ready(event.stream.kind() == StreamKind::Segment));
    Ok(!reader.pending.is_empty() || later.try_next().await.map_err(unreadable)?.is_some())
}

/// What the store can't read stands after what it could.
fn after(last: Option<Position>, error: &StoreError) -> Finding {
    let last = last.map_or_else(|| "at the log's beginning".to_owned(), |last| format!("after position {}", last.0));
    Finding::new(format!("{last}: {error}"))
}

impl Reader {
    fn take(&mut self, event: &Recorded) -> Result<(), Finding> {
        let finding = |what: String| Finding { position: Some(event.position), stream: Some(event.stream.clone()), what };
        let expected = self.last.map_or(1, |last| last.0.saturating_add(1));
        if event.position.0 < expected {
            return Err(finding(format!("it stands behind position {}", expected - 1)));
        }
        if event.position.0 > expected {
            // Whether a segment says why is known at the end.
            self.gaps.miss(expected, event.position.0 - 1);
        }
        let seen = self.streams.entry(event.stream.clone()).or_default();
        // A stream loses places only with positions; that they are those that were dropped is seen when it is loaded.
        if event.revision.0 != seen.next && (event.revision.0 < seen.next || self.gaps.is_empty()) {
            return Err(finding(format!("revision {} stands where revision {} belongs", event.revision.0, seen.next)));
        }
        if !self.ids.insert(event.event.id) {
            return Err(finding(format!("the event id {} was used before", event.event.id)));
        }
        match check_content(event).map_err(finding)? {
            Event::Segment(SegmentEvent::Sealed { positions, sha256, .. }) => {
                self.gaps.explain(&positions);
                self.segments.push((positions, sha256));
                self.pending.insert(event.stream.clone());
            }
            Event::Segment(SegmentEvent::Dropped {}) => drop(self.pending.remove(&event.stream)),
            _ => {}
        }
        seen.events += 1;
        seen.next = event.revision.0.saturating_add(1);
        seen.ids ^= event.event.id.as_u128();
        self.last = Some(event.position);
        Ok(())
    }

    fn summary(self) -> Summary {
        let mut summary = Summary { head: self.last, dropped: self.dropped, segments: self.segments, ..Summary::default() };
        for (stream, seen) in self.streams {
            summary.events += seen.events;
            *summary.streams.entry(stream.kind()).or_default() += 1;
        }
        summary
    }
}

fn check_content(recorded: &Recorded) -> Result<Event, String> {
    let event = recorded.decode().map_err(|error| error.to_string())?;
    // What was written is the canonical form of what was decided, so anything else was not written by this program.
    let encoded = event.encode();
    if encoded.data != recorded.event.data {
        return Err(format!("the payload of {} is not in its canonical form", recorded.event.kind));
    }
    if recorded.event.actor.is_empty() {
        return Err("it has no actor".to_owned());
    }
    recorded.canonical().map_err(|error| format!("it has no canonical form: {error}"))?;
    fits_its_place(&event, &recorded.event.kind, recorded.revision.0)?;
    Ok(event)
}

/// Whether a stream is what stands in the log.
enum Same {
    Yes,
    /// It has lost events since.
    Fewer,
    No,
}

/// The stream, loaded the way decisions load it, is what stands in the log; and it folds.
async fn check_stream(store: &dyn EventStore, stream: &StreamId, seen: Seen) -> Result<Same, Finding> {
    let finding = |what: String| Finding { position: None, stream: Some(stream.clone()), what };
    let loaded = store.load(stream, None).await.map_err(|error| finding(error.to_string()))?;
    let events: Vec<Recorded> = loaded.events.into_iter().take_while(|event| event.revision.0 < seen.next).collect();
    let ids = events.iter().fold(0, |ids, event| ids ^ event.event.id.as_u128());
    let same = match (events.len() as u64).cmp(&seen.events) {
        Ordering::Equal if ids == seen.ids => Same::Yes,
        Ordering::Less => Same::Fewer,
        Ordering::Equal | Ordering::Greater => Same::No,
    };
    fold(stream.kind(), events).map_err(|what| finding(what.to_owned()))?;
    Ok(same)
}

fn fold(kind: StreamKind, events: Vec<Recorded>) -> Result<(), &'static str> {
    match kind {
        StreamKind::Client => fold_with::<ClientDecider>(events),
        StreamKind::ClientRegistration => fold_with::<ClientRegistrationDecider>(events),
        StreamKind::InitialAccessToken => fold_with::<InitialAccessTokenDecider>(events),
        StreamKind::Authorization => fold_with::<AuthorizationDecider>(events),
        StreamKind::Grant => fold_with::<GrantDecider>(events),
        StreamKind::GrantReservation => fold_with::<GrantReservationDecider>(events),
        StreamKind::Audit => fold_with::<AuditDecider>(events),
        StreamKind::Policy => fold_with::<PolicyDecider>(events),
        StreamKind::MachineToken => fold_with::<MachineTokenDecider>(events),
        StreamKind::SigningKey => fold_with::<SigningKeyDecider>(events),
        StreamKind::ApiKey => fold_with::<ApiKeyDecider>(events),
        StreamKind::ResourceServer => fold_with::<ResourceServerDecider>(events),
        StreamKind::IdempotencyKey => fold_with::<IdempotencyKeyDecider>(events),
        StreamKind::Organization => fold_with::<OrganizationDecider>(events),
        StreamKind::Subject => fold_with::<SubjectDecider>(events),
        StreamKind::TrustedIssuer => fold_with::<TrustedIssuerDecider>(events),
        StreamKind::TrustedToken => fold_with::<TrustedTokenDecider>(events),
        StreamKind::ClientAssertion => fold_with::<ClientAssertionDecider>(events),
        StreamKind::Segment => fold_with::<SegmentDecider>(events),
    }
}

fn fold_with<D: Decider>(events: Vec<Recorded>) -> Result<(), &'static str>
where
    D::Event: TryFrom<Event>,
{
    let fold = |state: D::State, recorded: Recorded| {
        let at: Timestamp = recorded.event.time;
        let event = recorded.decode().map_err(|_| "an event does not decode")?;
        let event = D::Event::try_from(event).map_err(|_| "an event belongs to another kind of stream")?;
        Ok(D::evolve(state, &event, at))
    };
    events.into_iter().try_fold(D::State::default(), fold).map(drop)
}
