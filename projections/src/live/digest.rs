//! One number for a whole state.

use std::{fmt, io};

use aws_lc_rs::digest::{Context, SHA256};
use serde::Serialize;

/// SHA-256 over the deterministic encoding of a state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Everything in a state is sorted, so equal states are encoded in equal bytes.
    pub(super) fn of(state: &impl Serialize) -> Self {
        let hasher = postcard::to_io(state, Hashing::new(io::sink())).expect("a state of our own types encodes, and a sink takes it");
        hasher.finish().1
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A writer that knows the SHA-256 of what went through it.
pub(crate) struct Hashing<W> {
    inner: W,
    context: Context,
}

impl<W> Hashing<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, context: Context::new(&SHA256) }
    }

    pub(crate) fn finish(self) -> (W, Digest) {
        let mut digest = [0; 32];
        digest.copy_from_slice(self.context.finish().as_ref());
        (self.inner, Digest(digest))
    }
}

impl<W: io::Write> io::Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.context.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
