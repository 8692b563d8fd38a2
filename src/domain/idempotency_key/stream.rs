use std::fmt::Write as _;

use aws_lc_rs::digest;

use crate::domain::{ApiKeyId, StreamId, StreamKind};

/// The stream of this key of this caller: two callers may choose the same one.
///
/// Its name is a hash, since a key may hold anything. The caller's id has a fixed length, so no two pairs are the same
/// bytes.
pub fn stream_of(caller: ApiKeyId, key: &str) -> StreamId {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(caller.0.as_bytes());
    context.update(key.as_bytes());
    let hexadecimal = context.finish().as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    StreamId::new(StreamKind::IdempotencyKey, &hexadecimal)
}
