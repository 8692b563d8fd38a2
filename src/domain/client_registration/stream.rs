use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};

use crate::{
    domain::{StreamId, StreamKind},
    protocol::ClientMetadata,
};

/// The stream in which it is decided which client has this metadata: named by a hash of its canonical form (RFC 8785),
/// in which the order of redirect URIs and of grant types means nothing.
pub fn stream_of(metadata: &ClientMetadata) -> StreamId {
    let mut metadata = metadata.clone();
    metadata.redirect_uris.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    metadata.grant_types.sort_by_key(|grant_type| *grant_type as u8);
    let canonical = serde_json_canonicalizer::to_vec(&metadata).expect("metadata has a canonical form");
    let mut key = String::with_capacity(64);
    for byte in digest(&SHA256, &canonical).as_ref() {
        write!(key, "{byte:02x}").expect("a string takes everything");
    }
    StreamId::new(StreamKind::ClientRegistration, &key)
}
