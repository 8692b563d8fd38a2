//! AES-256-GCM boxes: nonce (12 octets), ciphertext, tag (16 octets).

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use super::MasterKey;

/// A key that seals and opens. Nonces are random, so one key is good for 2^32 boxes (NIST SP 800-38D §8.3).
pub(crate) struct SealKey(Zeroizing<[u8; 32]>);

/// The cipher or its randomness failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SealFailed;

impl SealKey {
    /// The key of one purpose.
    pub(crate) fn derived(master: &MasterKey, label: &str) -> Self {
        Self(master.derive(label))
    }

    /// A new random key. The vault's randomness is the library's own: a key or nonce that could repeat would be worse
    /// than a test that can't foretell it.
    pub(crate) fn random() -> Result<Self, SealFailed> {
        let mut key = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(key.as_mut_slice()).map_err(|_| SealFailed)?;
        Ok(Self(key))
    }

    /// Seals this key under another.
    pub(crate) fn wrap(&self, under: &Self, about: &[u8]) -> Result<Vec<u8>, SealFailed> {
        under.seal(about, self.0.as_slice())
    }

    /// Opens a key that was sealed under another.
    pub(crate) fn unwrap(wrapped: &[u8], under: &Self, about: &[u8]) -> Option<Self> {
        let key = under.open(about, wrapped)?;
        Some(Self(Zeroizing::new(key.as_slice().try_into().ok()?)))
    }

    /// Seals octets. They open only with the same `about`.
    pub(crate) fn seal(&self, about: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealFailed> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, self.0.as_slice()).map_err(|_| SealFailed)?;
        // One allocation of the final size: no copy of the plain octets is left behind by growing.
        let mut sealed = vec![0; NONCE_LEN + plain.len() + AES_256_GCM.tag_len()];
        let (nonce_part, rest) = sealed.split_at_mut(NONCE_LEN);
        let (text_part, tag_part) = rest.split_at_mut(plain.len());
        text_part.copy_from_slice(plain);
        let (nonce, tag) = key.seal_in_place_separate_tag(Aad::from(about), text_part).map_err(|_| SealFailed)?;
        nonce_part.copy_from_slice(nonce.as_ref());
        tag_part.copy_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens a box; None if it was not sealed by this key with this `about`.
    pub(crate) fn open(&self, about: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, self.0.as_slice()).ok()?;
        let mut text = Zeroizing::new(text.to_vec());
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let length = key.open_in_place(nonce, Aad::from(about), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_opens_with_its_key_and_its_purpose_only() {
        let key = SealKey::random().expect("a key");
        let sealed = key.seal(b"about", b"plain").expect("a box");
        assert_eq!(sealed.len(), 12 + 5 + 16);
        assert_eq!(key.open(b"about", &sealed).expect("open").as_slice(), b"plain");
        assert_eq!(key.open(b"other", &sealed), None);
        assert_eq!(SealKey::random().expect("a key").open(b"about", &sealed), None);
        for end in 0..sealed.len() {
            assert_eq!(key.open(b"about", &sealed[..end]), None);
        }
    }

    #[test]
    fn the_same_octets_are_sealed_differently_each_time() {
        let key = SealKey::random().expect("a key");
        assert_ne!(key.seal(b"", b"plain"), key.seal(b"", b"plain"));
        assert_eq!(key.open(b"", &key.seal(b"", b"").expect("a box")).expect("open").as_slice(), b"");
    }

    #[test]
    fn a_key_is_wrapped_and_unwrapped() {
        let (key, under) = (SealKey::random().expect("a key"), SealKey::random().expect("a key"));
        let wrapped = key.wrap(&under, b"k").expect("a box");
        assert_eq!(SealKey::unwrap(&wrapped, &under, b"k").expect("open").0, key.0);
        assert!(SealKey::unwrap(&wrapped, &key, b"k").is_none());
        assert_eq!(format!("{key:?}"), "SealKey(redacted)");
    }
}
