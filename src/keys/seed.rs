//! What a request with an idempotency key draws its ids and secrets from: not chance, but a MAC over who sent it, its
//! key and the moment of its first use. Its repetition draws the same ones, although none was written down.

use std::{
    fmt,
    sync::atomic::{AtomicU32, Ordering},
};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::{Builder, Uuid};

use crate::domain::{ApiKeyId, StreamId, Timestamp};

const DRAWN: u8 = 0;
const EVENT: u8 = 1;

/// Makes seeds, and what is kept of a request to know it again.
#[derive(Clone)]
pub struct SeedMaker {
    seeds: hmac::Key,
    requests: hmac::Key,
}

impl SeedMaker {
    /// Those of the same keys agree.
    pub fn new(seeds: &[u8; 32], requests: &[u8; 32]) -> Self {
        let key = |octets| hmac::Key::new(hmac::HMAC_SHA256, octets);
        Self { seeds: key(seeds), requests: key(requests) }
    }

    /// The seed of a request.
    pub fn seed(&self, caller: ApiKeyId, key: &str, first_used_at: Timestamp) -> Seed {
        let mut context = hmac::Context::with_key(&self.seeds);
        context.update(caller.0.as_bytes());
        context.update(&first_used_at.0.to_be_bytes());
        context.update(key.as_bytes());
        Seed { key: hmac::Key::new(hmac::HMAC_SHA256, context.sign().as_ref()), time: first_used_at, drawn: AtomicU32::new(0) }
    }

    /// What is kept of a request: a keyed hash, since its body may hold something personal that could be guessed. The
    /// request's own key goes in, which is kept nowhere: so whoever has our key can't try guesses either.
    pub fn request_hash<'a>(&self, caller: ApiKeyId, key: &'a str, parts: impl IntoIterator<Item = &'a [u8]>) -> String {
        let mut context = hmac::Context::with_key(&self.requests);
        context.update(caller.0.as_bytes());
        for part in std::iter::once(key.as_bytes()).chain(parts) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        URL_SAFE_NO_PAD.encode(context.sign())
    }
}

/// What one request draws from, in order.
pub struct Seed {
    key: hmac::Key,
    time: Timestamp,
    drawn: AtomicU32,
}

impl Seed {
    /// When the request came for the first time.
    pub fn first_used_at(&self) -> Timestamp {
        self.time
    }

    /// The next 32 octets.
    pub fn octets(&self) -> [u8; 32] {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        self.mac(DRAWN, &drawn.to_be_bytes())
    }

    /// The next UUIDv7, of the moment of the first use.
    pub fn uuid_v7(&self) -> Uuid {
        self.uuid_of(&self.octets())
    }

    /// The id of the event that this request begins its work on a stream with: where it stands, the work was done.
    pub fn event_id(&self, stream: &StreamId) -> Uuid {
        self.uuid_of(&self.mac(EVENT, stream.as_str().as_bytes()))
    }

    fn uuid_of(&self, octets: &[u8; 32]) -> Uuid {
        // RFC 9562 §5.7: a moment in milliseconds, and behind it what nobody can guess.
        let mut random = [0; 10];
        random.copy_from_slice(&octets[..10]);
        Builder::from_unix_timestamp_millis(u64::try_from(self.time.0).unwrap_or(0), &random).into_uuid()
    }

    fn mac(&self, purpose: u8, about: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&[purpose]);
        context.update(about);
        let mut octets = [0; 32];
        octets.copy_from_slice(context.sign().as_ref());
        octets
    }
}

impl fmt::Debug for SeedMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeedMaker(redacted)")
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::StreamKind;

    const CALLER: ApiKeyId = ApiKeyId(Uuid::from_u128(1));
    const NOW: Timestamp = Timestamp(1_772_546_400_000);

    fn maker(octet: u8) -> SeedMaker {
        SeedMaker::new(&[octet; 32], &[octet; 32])
    }

    fn drawn(seed: &Seed) -> (Uuid, [u8; 32], Uuid) {
        (seed.uuid_v7(), seed.octets(), seed.event_id(&StreamId::new(StreamKind::Client, "a")))
    }

    #[test]
    fn a_repetition_draws_the_same_in_the_same_order() {
        assert_eq!(drawn(&maker(1).seed(CALLER, "k", NOW)), drawn(&maker(1).seed(CALLER, "k", NOW)));
        let seed = maker(1).seed(CALLER, "k", NOW);
        assert_ne!(seed.octets(), seed.octets());
        assert_eq!(seed.event_id(&CALLER.stream()), seed.event_id(&CALLER.stream()));
    }

    #[test]
    fn rfc9562_5_7_an_id_is_of_the_moment_of_the_first_use() {
        let id = maker(1).seed(CALLER, "k", Timestamp(0x0193_2d5e_aabb)).uuid_v7();
        assert!(id.to_string().starts_with("01932d5e-aabb-7"), "{id}");
        assert_eq!(id.get_version_num(), 7);
    }

    #[test]
    fn debug_output_holds_no_seed() {
        assert_eq!(format!("{:?} {:?}", maker(1), maker(1).seed(CALLER, "k", NOW)), "SeedMaker(redacted) Seed(redacted)");
    }

    proptest! {
        #[test]
        fn every_request_draws_for_itself(a in any::<(u8, u128, String, u32)>(), b in any::<(u8, u128, String, u32)>()) {
            let draw = |(master, caller, key, time): &(u8, u128, String, u32)| {
                maker(*master).seed(ApiKeyId(Uuid::from_u128(*caller)), key, Timestamp(i64::from(*time))).octets()
            };
            prop_assert_eq!(draw(&a) == draw(&b), a == b);
        }

        #[test]
        fn no_two_requests_have_one_hash(a in any::<(u128, String, Vec<Vec<u8>>)>(), b in any::<(u128, String, Vec<Vec<u8>>)>()) {
            let hash = |(caller, key, parts): &(u128, String, Vec<Vec<u8>>)| {
                maker(1).request_hash(ApiKeyId(Uuid::from_u128(*caller)), key, parts.iter().map(Vec::as_slice))
            };
            prop_assert_eq!(hash(&a) == hash(&b), a == b);
        }
    }
}
