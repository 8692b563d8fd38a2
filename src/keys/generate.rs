//! Making signing keys.

use aws_lc_rs::{
    rsa::KeySize,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RsaKeyPair},
};
use zeroize::Zeroizing;

use crate::jose::{Algorithm, SigningKey};

/// The library could not make a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no {0} key could be made")]
pub struct GenerateError(pub Algorithm);

/// Makes a signing key. The seed of an Ed25519 key comes from `random`; the other kinds need primes or numbers below an
/// order, and `aws-lc-rs` draws those from its own source alone. An RSA key takes some 100 ms: not on an async thread.
pub fn generate_signing_key(algorithm: Algorithm, random: &dyn Fn(&mut [u8])) -> Result<SigningKey, GenerateError> {
    let failed = GenerateError(algorithm);
    match algorithm {
        Algorithm::EdDsa => {
            let mut seed = Zeroizing::new([0; 32]);
            random(seed.as_mut_slice());
            Ok(SigningKey::from_ed25519_seed(&seed))
        }
        Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(SigningKey::from_p256).map_err(|_| failed),
        Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048).map(SigningKey::from_rsa).map_err(|_| failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_every_kind_is_made() {
        for algorithm in Algorithm::ALL {
            let key = generate_signing_key(algorithm, &|seed| seed.fill(5)).expect("a key");
            assert_eq!(key.algorithm(), algorithm);
        }
    }
}
