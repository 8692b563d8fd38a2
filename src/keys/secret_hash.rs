//! What is kept of secrets. A secret that the server made has 256 random bits, so a fast keyed hash is enough; the key
//! makes a stolen log worthless for trying guesses. One that was brought along may have been made up by a person: it is
//! kept as Argon2id, or under the slow hash that it came with.

use std::{fmt, num::NonZeroU32};

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac, pbkdf2};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What is kept of a secret. The text says how it was made: one that begins with `$` is a slow hash in the form of its
/// scheme, any other is HMAC-SHA-256 under a key derived from the master key, base64url.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretHash(pub(crate) String);

/// A text that is no hash of a scheme that can be verified here, or one that would take too long to verify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownSecretHash {
    /// Of no scheme that is known.
    #[error("is not a hash of a known scheme: argon2id, bcrypt ($2a$, $2b$, $2x$, $2y$), pbkdf2-sha256 or pbkdf2-sha512")]
    Scheme,
    /// Of a known scheme, and malformed.
    #[error("is a malformed {0} hash")]
    Malformed(&'static str),
    /// It costs more than a request may.
    #[error("is a {0} hash whose cost is too high to be verified for every request")]
    TooCostly(&'static str),
}

/// OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB of memory, two iterations, one lane.
const ARGON2_MEMORY_KIB: u32 = 19 * 1024;
const ARGON2_ITERATIONS: u32 = 2;
const ARGON2_LANES: u32 = 1;
const HASH_LENGTH: usize = 32;

/// A hash that was brought along may cost more than ours, within reason: each of these takes about a second.
const MOST_ARGON2_KIB_ITERATIONS: u64 = 1024 * 1024;
const MOST_BCRYPT_COST: u32 = 14;
const MOST_PBKDF2_ITERATIONS: u32 = 2_000_000;

/// A slow hash, read.
enum Slow<'a> {
    Argon2id { argon2: Argon2<'static>, salt: Vec<u8>, hash: Vec<u8> },
    Bcrypt(&'a str),
    Pbkdf2 { algorithm: pbkdf2::Algorithm, iterations: NonZeroU32, salt: Vec<u8>, hash: Vec<u8> },
}

impl SecretHash {
    /// Takes a hash over that another server made: in the form of the PHC strings for Argon2id and PBKDF2, in the form of
    /// `crypt` for bcrypt.
    pub fn imported(text: &str) -> Result<Self, UnknownSecretHash> {
        Slow::parse(text).map(|_| Self(text.to_owned()))
    }

    /// What is kept of a secret that a person may have made up. Takes some 20 ms and 19 MiB: not on an async thread.
    pub fn slow(secret: &str, salt: [u8; 16]) -> Self {
        let mut hash = Zeroizing::new([0; HASH_LENGTH]);
        let argon2 = argon2(ARGON2_MEMORY_KIB, ARGON2_ITERATIONS, ARGON2_LANES).expect("the parameters are in range");
        argon2.hash_password_into(secret.as_bytes(), &salt, hash.as_mut_slice()).expect("the salt and the hash have lengths in range");
        let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash.as_slice()));
        Self(format!("$argon2id$v=19$m={ARGON2_MEMORY_KIB},t={ARGON2_ITERATIONS},p={ARGON2_LANES}${salt}${hash}"))
    }

    /// Whether a text looks like a hash and not like a secret: whoever exports either puts it into the same member.
    pub fn looks_like_one(text: &str) -> bool {
        ["$argon2", "$2a$", "$2b$", "$2x$", "$2y$", "$pbkdf2"].iter().any(|prefix| text.starts_with(prefix))
    }

    /// Whether verifying takes so long that it does not belong on an async thread.
    pub fn is_slow(&self) -> bool {
        self.0.starts_with('$')
    }
}

impl<'a> Slow<'a> {
    fn parse(text: &'a str) -> Result<Self, UnknownSecretHash> {
        let scheme = text.strip_prefix('$').and_then(|rest| rest.split_once('$'));
        match scheme {
            Some(("argon2id", rest)) => Self::argon2id(rest),
            Some(("2a" | "2b" | "2x" | "2y", _)) => Self::bcrypt(text),
            Some(("pbkdf2-sha256", rest)) => Self::pbkdf2("pbkdf2-sha256", pbkdf2::PBKDF2_HMAC_SHA256, 32, rest),
            Some(("pbkdf2-sha512", rest)) => Self::pbkdf2("pbkdf2-sha512", pbkdf2::PBKDF2_HMAC_SHA512, 64, rest),
            Some(_) | None => Err(UnknownSecretHash::Scheme),
        }
    }

    fn argon2id(rest: &str) -> Result<Self, UnknownSecretHash> {
        const NAME: &str = "argon2id";
        let malformed = || UnknownSecretHash::Malformed(NAME);
        let [version, parameters, salt, hash] = parts(rest).ok_or_else(malformed)?;
        if version != "v=19" {
            return Err(malformed());
        }
        let [memory, iterations, lanes] = numbers(parameters, ["m", "t", "p"]).ok_or_else(malformed)?;
        if u64::from(memory) * u64::from(iterations) > MOST_ARGON2_KIB_ITERATIONS {
            return Err(UnknownSecretHash::TooCostly(NAME));
        }
        let argon2 = argon2(memory, iterations, lanes).ok_or_else(malformed)?;
        let (salt, hash) = (decoded(salt, 8..=64), decoded(hash, 16..=64));
        Ok(Self::Argon2id { argon2, salt: salt.ok_or_else(malformed)?, hash: hash.ok_or_else(malformed)? })
    }

    fn bcrypt(text: &'a str) -> Result<Self, UnknownSecretHash> {
        const NAME: &str = "bcrypt";
        let malformed = UnknownSecretHash::Malformed(NAME);
        let parts: bcrypt::HashParts = text.parse().map_err(|_| malformed.clone())?;
        if text.len() != 60 || parts.get_cost() < 4 {
            return Err(malformed);
        }
        if parts.get_cost() > MOST_BCRYPT_COST { Err(UnknownSecretHash::TooCostly(NAME)) } else { Ok(Self::Bcrypt(text)) }
    }

    /// `$i=<iterations>,l=<length>$<salt>$<hash>`, as Ory Hydra writes it; the length may be left out.
    fn pbkdf2(name: &'static str, algorithm: pbkdf2::Algorithm, longest: usize, rest: &str) -> Result<Self, UnknownSecretHash> {
        let malformed = || UnknownSecretHash::Malformed(name);
        let [parameters, salt, hash] = parts(rest).ok_or_else(malformed)?;
        let hash = decoded(hash, 16..=longest).ok_or_else(malformed)?;
        let iterations = match (numbers(parameters, ["i", "l"]), numbers(parameters, ["i"])) {
            (Some([iterations, length]), _) if usize::try_from(length) == Ok(hash.len()) => iterations,
            (None, Some([iterations])) => iterations,
            _ => return Err(malformed()),
        };
        if iterations > MOST_PBKDF2_ITERATIONS {
            return Err(UnknownSecretHash::TooCostly(name));
        }
        let salt = decoded(salt, 8..=128).ok_or_else(malformed)?;
        Ok(Self::Pbkdf2 { algorithm, iterations: NonZeroU32::new(iterations).ok_or_else(malformed)?, salt, hash })
    }

    fn verify(&self, secret: &str) -> bool {
        match self {
            Self::Argon2id { argon2, salt, hash } => {
                let mut computed = Zeroizing::new(vec![0; hash.len()]);
                argon2.hash_password_into(secret.as_bytes(), salt, &mut computed).is_ok()
                    && verify_slices_are_equal(&computed, hash).is_ok()
            }
            // Of longer secrets bcrypt looks at the first 72 octets only, here as where the hash was made.
            Self::Bcrypt(text) => bcrypt::verify(secret, text).unwrap_or(false),
            Self::Pbkdf2 { algorithm, iterations, salt, hash } => {
                pbkdf2::verify(*algorithm, *iterations, salt, secret.as_bytes(), hash).is_ok()
            }
        }
    }
}

fn argon2(memory: u32, iterations: u32, lanes: u32) -> Option<Argon2<'static>> {
    let parameters = Params::new(memory, iterations, lanes, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters))
}

/// The parts between dollar signs, if there are just so many.
fn parts<const N: usize>(text: &str) -> Option<[&str; N]> {
    text.split('$').collect::<Vec<_>>().try_into().ok()
}

/// The numbers of `m=1,t=2`, which have these names in this order.
fn numbers<const N: usize>(text: &str, names: [&str; N]) -> Option<[u32; N]> {
    let pairs: Vec<&str> = text.split(',').collect();
    let number = |(pair, name): (&&str, &str)| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok();
    (pairs.len() == N).then(|| pairs.iter().zip(names).map(number).collect::<Option<Vec<u32>>>())??.try_into().ok()
}

fn decoded(text: &str, lengths: std::ops::RangeInclusive<usize>) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text).ok().filter(|octets| lengths.contains(&octets.len()))
}

/// Hashes secrets, and compares them with their hashes.
#[derive(Clone)]
pub struct SecretHasher {
    key: hmac::Key,
    proofs: hmac::Key,
}

impl SecretHasher {
    /// A hasher; those of one key agree.
    pub fn new(key: &[u8; 32]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let proofs = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, b"grantlog secret proof").as_ref());
        Self { key, proofs }
    }

    /// What to keep of a secret that the server made.
    pub fn hash(&self, secret: &str) -> SecretHash {
        SecretHash(URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, secret.as_bytes())))
    }

    /// Whether the hash is this secret's; takes the same time wherever they differ. Where the hash is slow it takes long.
    pub fn verify(&self, secret: &str, hash: &SecretHash) -> bool {
        if hash.is_slow() {
            return Slow::parse(&hash.0).is_ok_and(|slow| slow.verify(secret));
        }
        URL_SAFE_NO_PAD.decode(&hash.0).is_ok_and(|tag| hmac::verify(&self.key, secret.as_bytes(), &tag).is_ok())
    }

    /// What can be remembered, in memory, of a secret that a slow hash was found to be of: the next time it need not be
    /// found out again.
    pub fn proof(&self, secret: &str, hash: &SecretHash) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.proofs);
        context.update(&(hash.0.len() as u64).to_be_bytes());
        context.update(hash.0.as_bytes());
        context.update(secret.as_bytes());
        let mut proof = [0; 32];
        proof.copy_from_slice(context.sign().as_ref());
        proof
    }
}

impl fmt::Debug for SecretHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHasher(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hasher(octet: u8) -> SecretHasher {
        SecretHasher::new(&[octet; 32])
    }

    /// Each made of `correct horse`, by other programs than this one.
    const FOREIGN: [&str; 6] = [
        "$2a$04$saltSALTsaltSALTsaltSeOcfLwWNJU6G1KzrtKufNKgtJ2lyfXOq",
        "$2b$04$saltSALTsaltSALTsaltSeOcfLwWNJU6G1KzrtKufNKgtJ2lyfXOq",
        "$2y$04$saltSALTsaltSALTsaltSeOcfLwWNJU6G1KzrtKufNKgtJ2lyfXOq",
        "$pbkdf2-sha256$i=25000,l=32$c2FsdFNBTFRzYWx0U0FMVA$GzeDwF9pbywR4R5ujU7I4ydEFo+p7XT6qALg695Lg78",
        "$pbkdf2-sha256$i=10000$c2FsdFNBTFRzYWx0U0FMVA$zpb21KmD+omAI3nLoIthuUr+5Qpa/G8J4If7LBcwsGE",
        "$pbkdf2-sha512$i=10000,l=64$c2FsdFNBTFRzYWx0U0FMVA\
         $1LW1vmwwHxTpjnkSrc20UN5C/Tdxav0munb33zMLbz79fARqwbe7jWEGBXZzghBPKI1HoT6WSmY/7dLBnNihVQ",
    ];

    #[test]
    fn only_the_secret_and_the_key_give_the_hash() {
        let hash = hasher(1).hash("secret");
        assert!(!hash.is_slow());
        assert!(hasher(1).verify("secret", &hash));
        assert!(!hasher(1).verify("Secret", &hash));
        assert!(!hasher(2).verify("secret", &hash));
    }

    #[test]
    fn hashes_that_were_kept_before_stay_good() {
        // printf secret | openssl dgst -sha256 -mac HMAC -macopt hexkey:0101…01 -binary | basenc --base64url
        assert_eq!(hasher(1).hash("secret").0, "0PluDgkXPFLaXs0izWmsYC8pYxEbrgI61aWpURHqGgk");
    }

    #[test]
    fn what_is_no_hash_fits_no_secret() {
        for text in ["", "AA", "?", "$", "$x$", "$2a$10$", &hasher(1).hash("secret").0[1..]] {
            assert!(!hasher(1).verify("secret", &SecretHash(text.into())), "{text}");
        }
    }

    #[test]
    fn a_secret_that_was_made_up_is_kept_as_argon2id() {
        let hash = SecretHash::slow("correct horse", [7; 16]);
        assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.0);
        assert!(hash.is_slow() && SecretHash::looks_like_one(&hash.0));
        assert_eq!(SecretHash::imported(&hash.0), Ok(hash.clone()));
        assert_ne!(SecretHash::slow("correct horse", [8; 16]), hash);
        assert!(hasher(1).verify("correct horse", &hash) && !hasher(1).verify("correct horsf", &hash));
    }

    #[test]
    fn hashes_of_other_servers_are_verified_as_they_are() {
        for text in FOREIGN {
            let hash = SecretHash::imported(text).expect(text);
            assert!(hash.is_slow() && SecretHash::looks_like_one(text), "{text}");
            assert!(hasher(1).verify("correct horse", &hash), "{text}");
            assert!(!hasher(1).verify("correct horsf", &hash), "{text}");
            assert_eq!(serde_json::to_value(&hash).expect("text"), text);
        }
    }

    #[test]
    fn an_argon2id_hash_of_the_reference_program_is_verified() {
        let hash =
            SecretHash::imported("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4").expect("a hash");
        assert!(hasher(1).verify("password", &hash) && !hasher(1).verify("Password", &hash));
    }

    #[test]
    fn what_can_not_be_verified_is_refused_at_once() {
        let refused = |text: &str| SecretHash::imported(text).expect_err(text);
        for text in ["", "secret", "$", "$$", "$1$salt$hash", "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAA", "$scrypt$", "{SSHA}x"] {
            assert_eq!(refused(text), UnknownSecretHash::Scheme, "{text}");
        }
        for (from, to) in [("v=19", "v=16"), ("t=2", "t=0"), ("t=2", "x=2"), ("m=", "m=-"), ("$argon2id$", "$argon2id$$")] {
            let argon2 = SecretHash::slow("a", [7; 16]).0.replace(from, to);
            assert_eq!(refused(&argon2), UnknownSecretHash::Malformed("argon2id"), "{argon2}");
        }
        for end in [20, 59] {
            assert_eq!(refused(&FOREIGN[1][..end]), UnknownSecretHash::Malformed("bcrypt"));
        }
        for text in ["$pbkdf2-sha256$i=0,l=32", "$pbkdf2-sha256$i=1,l=31", "$pbkdf2-sha256$l=32,i=1", "$pbkdf2-sha256$"] {
            let text = format!("{text}$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
            assert_eq!(refused(&text), UnknownSecretHash::Malformed("pbkdf2-sha256"), "{text}");
        }
    }

    #[test]
    fn what_would_take_too_long_is_refused_at_once() {
        let costly = SecretHash::slow("a", [7; 16]).0.replace("m=19456", "m=4194304");
        assert_eq!(SecretHash::imported(&costly), Err(UnknownSecretHash::TooCostly("argon2id")));
        let costly = FOREIGN[3].replace("i=25000", "i=2000001");
        assert_eq!(SecretHash::imported(&costly), Err(UnknownSecretHash::TooCostly("pbkdf2-sha256")));
        let costly = format!("$2a$15${}", &FOREIGN[1][7..]);
        assert_eq!(SecretHash::imported(&costly), Err(UnknownSecretHash::TooCostly("bcrypt")));
    }

    #[test]
    fn a_proof_is_of_one_secret_and_one_hash() {
        let [one, other] = ["a", "b"].map(|text| SecretHash(text.to_owned()));
        assert_eq!(hasher(1).proof("s", &one), hasher(1).proof("s", &one));
        assert_ne!(hasher(1).proof("s", &one), hasher(1).proof("t", &one));
        assert_ne!(hasher(1).proof("s", &one), hasher(1).proof("s", &other));
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "\\PC{0,60}", rest in "\\$(argon2id|2b|pbkdf2-sha256)\\$[v=mtpil0-9,$A-Za-z+/.]{0,60}") {
            let _ = SecretHash::imported(&text);
            let _ = SecretHash::imported(&rest);
        }
    }
}
