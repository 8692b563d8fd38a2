//! Rate limits per client, per API key and per address; and per address that registers clients.
//!
//! The keys are hashed into a fixed number of slots with a random hash, so a caller who varies its name can't grow our
//! memory, and can't choose whose slot it shares. Limit by client only after the client proved who it is: before that,
//! anyone could use up another's quota by naming it.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::NoOpMiddleware,
    state::keyed::DefaultKeyedStateStore,
};
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::problem::{Problem, ProblemCode};

/// With ten thousand busy callers, one in a hundred shares its slot with another.
const SLOTS: u64 = 1 << 20;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// So many requests per second, and so many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// The rate that can be kept up.
    pub per_second: NonZeroU32,
    /// How many may come at once.
    pub burst: NonZeroU32,
}

/// The rates; `None` sets no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Per client that authenticated.
    pub client: Option<Rate>,
    /// Per API key.
    pub api_key: Option<Rate>,
    /// Per address: one IPv4 address, or one IPv6 network of 64 bits.
    pub address: Option<Rate>,
    /// Per address, for clients that register themselves.
    pub registration: Option<Rate>,
}

/// The limiters of this process. Several processes each count for themselves.
pub struct Limits<C: Clock = DefaultClock> {
    client: Option<Limiter<C>>,
    api_key: Option<Limiter<C>>,
    address: Option<Limiter<C>>,
    registration: Option<Limiter<C>>,
    slots: RandomState,
}

struct Limiter<C: Clock> {
    policy: &'static str,
    rate: Rate,
    governor: RateLimiter<u32, DefaultKeyedStateStore<u32>, C, NoOpMiddleware<C::Instant>>,
}

impl Limits {
    /// Limiters with these rates.
    pub fn new(rates: Rates) -> Self {
        Self::with_clock(rates, &DefaultClock::default())
    }
}

impl<C: Clock + Clone> Limits<C> {
    /// Limiters that read this clock.
    pub fn with_clock(rates: Rates, clock: &C) -> Self {
        let limiter = |policy, rate: Option<Rate>| rate.map(|rate| Limiter::new(policy, rate, clock.clone()));
        Self {
            client: limiter("client", rates.client),
            api_key: limiter("api-key", rates.api_key),
            address: limiter("address", rates.address),
            registration: limiter("registering-address", rates.registration),
            slots: RandomState::new(),
        }
    }

    /// Counts a request of a client that proved who it is.
    pub fn check_client(&self, client_id: &str) -> Result<(), Problem> {
        self.check(self.client.as_ref(), client_id)
    }

    /// Counts a request that was made with this API key.
    pub fn check_api_key(&self, id: impl Hash) -> Result<(), Problem> {
        self.check(self.api_key.as_ref(), id)
    }

    /// Counts a request from this address. Routes do so themselves before they read the body.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Problem> {
        self.check(self.address.as_ref(), network(address))
    }

    /// Counts a client that registers itself from this address.
    pub fn check_registration(&self, address: IpAddr) -> Result<(), Problem> {
        self.check(self.registration.as_ref(), network(address))
    }

    /// Forgets callers that have been silent long enough to have their whole burst again.
    pub fn tend(&self) {
        for limiter in [&self.client, &self.api_key, &self.address, &self.registration].into_iter().flatten() {
            limiter.governor.retain_recent();
            limiter.governor.shrink_to_fit();
        }
    }

    fn check(&self, limiter: Option<&Limiter<C>>, key: impl Hash) -> Result<(), Problem> {
        let Some(limiter) = limiter else { return Ok(()) };
        // The remainder is below 2^20, so the conversion can't fail.
        let slot = u32::try_from(self.slots.hash_one(key) % SLOTS).unwrap_or_default();
        limiter.check(slot)
    }
}

/// Calls [`Limits::tend`] again and again. To be spawned by whoever owns the limits.
pub async fn housekeeping(limits: Arc<Limits>, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    loop {
        ticks.tick().await;
        limits.tend();
    }
}

impl<C: Clock + Clone> Limiter<C> {
    fn new(policy: &'static str, rate: Rate, clock: C) -> Self {
        let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
        Self { policy, rate, governor: RateLimiter::new(quota, DefaultKeyedStateStore::default(), clock) }
    }

    fn check(&self, slot: u32) -> Result<(), Problem> {
        self.governor.check_key(&slot).map_err(|refusal| self.exceeded(refusal.wait_time_from(self.governor.clock().now())))
    }

    /// draft-ietf-httpapi-ratelimit-headers-10 §3, §4: `q` quota and `w` window in the policy, `r` remaining and `t`
    /// seconds to wait in the limit. The burst is the quota, the time in which it grows back the window.
    fn exceeded(&self, wait: Duration) -> Problem {
        let seconds = whole_seconds(wait);
        let Rate { per_second, burst } = self.rate;
        let window = burst.get().div_ceil(per_second.get());
        let policy = self.policy;
        let detail = format!("The limit is {per_second} per second per {}.", policy.replace('-', " "));
        let headers =
            [(RATE_LIMIT, format!("\"{policy}\";r=0;t={seconds}")), (RATE_LIMIT_POLICY, format!("\"{policy}\";q={burst};w={window}"))];
        let problem = Problem::new(ProblemCode::TooManyRequests, detail).retry_after(seconds);
        headers.into_iter().fold(problem, |problem, (name, value)| match HeaderValue::try_from(value) {
            Ok(value) => problem.header(name, value),
            Err(_) => problem,
        })
    }
}

/// Rounded up, and never zero: a client that returns at once would be refused again.
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// Who has one IPv6 address usually has all of its /64.
fn network(address: IpAddr) -> [u8; 9] {
    let mut key = [0; 9];
    match address.to_canonical() {
        IpAddr::V4(address) => {
            key[0] = 4;
            key[1..5].copy_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            key[0] = 6;
            key[1..].copy_from_slice(&address.octets()[..8]);
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;
    use crate::{
        reply::{Context, IntoResponse},
        trace::RequestId,
    };

    fn rate(per_second: u32, burst: u32) -> Option<Rate> {
        Some(Rate { per_second: NonZeroU32::new(per_second)?, burst: NonZeroU32::new(burst)? })
    }

    fn limits(rates: Rates) -> (Limits<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Limits::with_clock(rates, &clock), clock)
    }

    #[test]
    fn a_burst_is_used_up_and_grows_back() {
        let (limits, clock) = limits(Rates { client: rate(1, 2), ..Rates::default() });
        assert!(limits.check_client("a").is_ok());
        assert!(limits.check_client("a").is_ok());
        assert!(limits.check_client("a").is_err());
        assert!(limits.check_client("b").is_ok());
        clock.advance(Duration::from_secs(1));
        assert!(limits.check_client("a").is_ok());
        assert!(limits.check_client("a").is_err());
    }

    #[test]
    fn a_429_tells_the_policy_and_the_wait() {
        let (limits, _) = limits(Rates { api_key: rate(2, 5), ..Rates::default() });
        let refused = (0..6).find_map(|_| limits.check_api_key(7).err()).unwrap();
        let response = refused.into_response(&Context::new(RequestId::new(), "".into()));
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(response.headers()["ratelimit"], "\"api-key\";r=0;t=1");
        assert_eq!(response.headers()["ratelimit-policy"], "\"api-key\";q=5;w=3");
    }

    #[test]
    fn an_ipv6_network_is_one_caller() {
        let (limits, _) = limits(Rates { address: rate(1, 1), ..Rates::default() });
        let check = |text: &str| limits.check_address(text.parse().unwrap()).is_ok();
        assert!(check("2001:db8:1:2::1"));
        assert!(!check("2001:db8:1:2:ffff::9"));
        assert!(check("2001:db8:1:3::1"));
        assert!(check("192.0.2.1"));
        assert!(!check("::ffff:192.0.2.1"));
        assert!(check("192.0.2.2"));
    }

    #[test]
    fn registrations_are_counted_apart() {
        let (limits, _) = limits(Rates { address: rate(1, 3), registration: rate(1, 1), ..Rates::default() });
        let address = [192, 0, 2, 1].into();
        assert!(limits.check_registration(address).is_ok());
        assert!(limits.check_registration(address).is_err());
        assert!(limits.check_address(address).is_ok());
    }

    #[test]
    fn silent_callers_are_forgotten() {
        let (limits, clock) = limits(Rates { client: rate(1, 1), ..Rates::default() });
        for name in 0..100 {
            let _ = limits.check_client(&name.to_string());
        }
        let governor = &limits.client.as_ref().unwrap().governor;
        assert!(governor.len() > 90);
        clock.advance(Duration::from_secs(10));
        limits.tend();
        assert_eq!(governor.len(), 0);
    }

    #[test]
    fn without_a_rate_nothing_is_refused() {
        let (limits, _) = limits(Rates::default());
        assert!((0..1000).all(|_| limits.check_client("a").is_ok()));
    }
}
