//! What a response holds: all of it, or a way to make it while it is sent.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream::BoxStream};

/// An error that breaks a response off.
pub(crate) type Broken = Box<dyn Error + Send + Sync>;

/// The content of a response.
#[derive(Debug)]
pub(crate) enum Body {
    /// It is there.
    Whole(Bytes),
    /// It is made while it is sent.
    Parts(Parts),
}

impl Body {
    pub(super) fn parts<S, E>(parts: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Broken> + Send + 'static,
    {
        let logged = |error: E| {
            let error = error.into();
            tracing::error!(%error, "an answer breaks off");
            error
        };
        Self::Parts(Parts(Mutex::new(parts.map_err(logged).boxed())))
    }

    pub(super) fn whole(&self) -> &Bytes {
        static NOTHING: Bytes = Bytes::new();
        match self {
            Self::Whole(bytes) => bytes,
            Self::Parts(_) => &NOTHING,
        }
    }
}

/// The parts, one after another. Nobody ever waits for the lock: it only makes the stream one that threads may share.
pub(crate) struct Parts(Mutex<BoxStream<'static, Result<Bytes, Broken>>>);

impl Stream for Parts {
    type Item = Result<Bytes, Broken>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).poll_next_unpin(context)
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parts(…)")
    }
}
