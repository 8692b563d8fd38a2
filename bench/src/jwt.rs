//! Reading a JWT and checking its signature, without any code of the server's.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, de::DeserializeOwned};

/// A header, as far as it is checked.
#[derive(Debug, Deserialize)]
pub struct Header {
    /// The algorithm.
    pub alg: String,
    /// The key.
    pub kid: String,
}

/// The claims of an access token, as far as they are checked.
#[derive(Debug, Deserialize)]
pub struct Claims {
    /// Who made it.
    pub iss: String,
    /// Whom it is about.
    pub sub: String,
    /// For which client it was made.
    pub client_id: Option<String>,
}

/// A published key, as far as it is used.
#[derive(Debug, Deserialize)]
pub struct Key {
    /// Its name.
    pub kid: String,
    /// The public key of an Edwards curve (RFC 8037 §2).
    pub x: Option<String>,
}

/// The published keys.
#[derive(Debug, Deserialize)]
pub struct KeySet {
    /// All of them.
    pub keys: Vec<Key>,
}

/// Header and claims; nothing when it is no JWT.
pub fn read(token: &str) -> Option<(Header, Claims)> {
    let mut parts = token.split('.');
    let (header, claims, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some(())?;
    Some((part(header)?, part(claims)?))
}

fn part<T: DeserializeOwned>(encoded: &str) -> Option<T> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}

/// Whether the key it names has signed it with Ed25519.
pub fn is_signed(token: &str, keys: &KeySet) -> bool {
    let check = || {
        let (header, _) = read(token)?;
        let (signed, signature) = token.rsplit_once('.')?;
        let x = keys.keys.iter().find(|key| key.kid == header.kid)?.x.as_deref()?;
        let key = UnparsedPublicKey::new(&ED25519, BASE64_URL_SAFE_NO_PAD.decode(x).ok()?);
        key.verify(signed.as_bytes(), &BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?).ok()
    };
    check().is_some()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

    use super::*;

    #[test]
    fn a_signature_is_checked_with_the_key_it_names() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let signed = format!("{}.{}", encode(br#"{"alg":"EdDSA","kid":"k"}"#), encode(br#"{"iss":"i","sub":"s"}"#));
        let token = format!("{signed}.{}", encode(pair.sign(signed.as_bytes()).as_ref()));
        let keys = |kid: &str| KeySet { keys: vec![Key { kid: kid.to_owned(), x: Some(encode(pair.public_key().as_ref())) }] };
        assert!(is_signed(&token, &keys("k")));
        assert!(!is_signed(&token, &keys("other")));
        assert!(!is_signed(&format!("{signed}.{}", encode(&[0; 64])), &keys("k")));
        assert!(!is_signed("a.b", &keys("k")));
        assert_eq!(read(&token).unwrap().1.sub, "s");
    }
}
