use std::fmt::Write as _;

use aws_lc_rs::digest;

use crate::domain::{StreamId, StreamKind, TrustedIssuerId};

/// The stream of a token of this issuer: by its `jti`, or by the whole of it when it has none.
///
/// Its key is a hash: a `jti` may be of any length and hold anything, and a token does not enter the log. The lengths go
/// in, so that no two tokens are the same bytes.
pub fn stream_of(issuer: TrustedIssuerId, jti: Option<&str>, token: &str) -> StreamId {
    let (kind, name) = jti.map_or(("jwt", token), |jti| ("jti", jti));
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [issuer.0.as_bytes().as_slice(), kind.as_bytes(), name.as_bytes()] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    StreamId::new(StreamKind::TrustedToken, &hexadecimal(context.finish().as_ref()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
