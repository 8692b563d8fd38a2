use std::fmt::Write as _;

use aws_lc_rs::digest;

use crate::domain::{ClientId, StreamId, StreamKind};

/// The stream of the assertion with this `jti` of this client: two clients may choose the same one.
///
/// Its key is a hash, since a `jti` may be of any length and hold anything. The client's id goes in with its length
/// in front, so that no two pairs are the same bytes.
pub fn stream_of(client_id: &ClientId, jti: &str) -> StreamId {
    let client = client_id.as_str();
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&(client.len() as u64).to_be_bytes());
    context.update(client.as_bytes());
    context.update(&(jti.len() as u64).to_be_bytes());
    context.update(jti.as_bytes());
    StreamId::new(StreamKind::ClientAssertion, &hexadecimal(context.finish().as_ref()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
