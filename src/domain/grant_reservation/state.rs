use std::fmt::Write;

use aws_lc_rs::digest::{Context, SHA256};

use super::GrantReservationEvent;
use crate::domain::{ClientId, GrantId, OrganizationId, StreamId, StreamKind, SubjectId};

/// A reservation as its events have made it.
#[derive(Clone, Debug, Default)]
pub struct GrantReservation {
    grant_id: Option<GrantId>,
}

impl GrantReservation {
    /// The grant that it is for now.
    pub fn grant_id(&self) -> Option<GrantId> {
        self.grant_id
    }

    /// Folds one event into the state.
    pub(super) fn evolve(mut self, event: &GrantReservationEvent) -> Self {
        match event {
            GrantReservationEvent::Made { grant_id } => self.grant_id = Some(*grant_id),
        }
        self
    }
}

/// The stream in which it is decided which grant these have. The key is a hash, so that it has one length and says
/// nothing; each part goes in with its length, so that no two triples look the same.
pub fn stream_of(subject: SubjectId, client_id: &ClientId, organization_id: Option<&OrganizationId>) -> StreamId {
    let mut hash = Context::new(&SHA256);
    let mut part = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(subject.0.as_bytes());
    part(client_id.as_str().as_bytes());
    // No organization is one part less, not an empty one.
    if let Some(organization_id) = organization_id {
        part(organization_id.0.as_bytes());
    }
    let mut key = String::with_capacity(64);
    for byte in hash.finish().as_ref() {
        write!(key, "{byte:02x}").expect("a string takes everything");
    }
    StreamId::new(StreamKind::GrantReservation, &key)
}
