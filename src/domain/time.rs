//! Time as the log knows it.

use serde::{Deserialize, Serialize};

/// A moment: milliseconds since 1970-01-01T00:00:00Z, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// A duration in whole seconds, as OAuth counts lifetimes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(format = "int64", maximum = 4_294_967_295_u32))]
#[serde(transparent)]
pub struct Seconds(pub u32);

impl Timestamp {
    /// The moment as JWTs write it: whole seconds since the epoch (RFC 7519 §2, NumericDate).
    pub fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The moment that a NumericDate names.
    pub fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Reads RFC 3339.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|moment| Self(moment.as_millisecond()))
    }

    /// The moment `duration` later.
    pub fn plus(self, duration: Seconds) -> Self {
        Self(self.0.saturating_add(i64::from(duration.0) * 1000))
    }

    /// Whole seconds from `earlier` until this moment; negative when it lies before.
    pub fn seconds_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0).div_euclid(1000)
    }

    /// RFC 3339 in UTC with milliseconds, for people: `2026-03-03T14:00:00.000Z`.
    pub fn to_rfc3339(self) -> String {
        jiff::Timestamp::from_millisecond(self.0).map_or_else(|_| format!("{} ms", self.0), |moment| format!("{moment:.3}"))
    }
}
