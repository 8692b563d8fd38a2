//! Reading a body no further than its limit.

use std::{fmt::Display, pin::pin};

use bytes::{Buf, Bytes, BytesMut};
use futures::{Stream, StreamExt};
use http::{HeaderMap, header::CONTENT_LENGTH};

use crate::problem::{Problem, ProblemCode};

/// What a request may hold unless its route says otherwise.
pub(crate) const DEFAULT_LIMIT: usize = 64 * 1024;

/// Collects the body. The limit holds while it arrives, so a body that does not tell its length is bounded as well.
pub(crate) async fn read<S, B, E>(stream: S, headers: &HeaderMap, limit: usize) -> Result<Bytes, Problem>
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
    E: Display,
{
    // Refuse before reading: a client that waits for `100 Continue` then never sends the body.
    if declared_length(headers).is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let mut stream = pin!(stream);
    let mut body = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        let mut chunk = chunk.map_err(|cause| Problem::new(ProblemCode::MalformedRequest, "The body broke off.").caused_by(cause))?;
        if chunk.remaining() > limit - body.len() {
            return Err(too_large(limit));
        }
        let bytes = chunk.copy_to_bytes(chunk.remaining());
        body.extend_from_slice(&bytes);
    }
    Ok(body.freeze())
}

fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(limit: usize) -> Problem {
    Problem::new(ProblemCode::BodyTooLarge, format!("The body may have {limit} bytes."))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::{FutureExt, stream};
    use http::HeaderValue;

    use super::*;

    fn read_chunks(chunks: &[&'static [u8]], headers: &HeaderMap) -> Result<Bytes, ProblemCode> {
        let stream = stream::iter(chunks.iter().map(|chunk| Ok::<_, Infallible>(Bytes::from_static(chunk))));
        read(stream, headers, 4).now_or_never().unwrap().map_err(|problem| problem.code())
    }

    #[test]
    fn the_limit_is_on_the_sum_of_the_chunks() {
        assert_eq!(read_chunks(&[b"ab", b"cd"], &HeaderMap::new()), Ok(Bytes::from_static(b"abcd")));
        assert_eq!(read_chunks(&[b"ab", b"cd", b"e"], &HeaderMap::new()), Err(ProblemCode::BodyTooLarge));
    }

    #[test]
    fn a_declared_length_beyond_the_limit_is_refused_unread() {
        let headers = HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from_static("5"))]);
        assert_eq!(read_chunks(&[], &headers), Err(ProblemCode::BodyTooLarge));
    }
}
