//! Time as a port. Wall time is for people; order comes from versions and sequence numbers.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

/// A point in wall-clock time: nanoseconds since 1970-01-01 UTC.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From nanoseconds since the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }
    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }
    /// Nanoseconds from `earlier` to `self`; zero when the clock went backwards.
    #[must_use]
    pub fn since(self, earlier: Self) -> std::time::Duration {
        std::time::Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
    /// This time plus a duration, saturating.
    #[must_use]
    pub fn plus(self, d: std::time::Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)))
    }
    /// Earlier by this much.
    #[must_use]
    pub fn minus(self, d: std::time::Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)))
    }
    /// The beginning of its minute. Time zones have differed by whole minutes since 1972, so that both are in the same minute everywhere.
    #[must_use]
    pub const fn whole_minute(self) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(60_000_000_000)))
    }
    /// RFC 3339 in UTC with as many fraction digits as needed, for machine output.
    #[must_use]
    pub fn rfc3339(self) -> String {
        self.jiff().to_string()
    }
    /// Reads what [`Timestamp::rfc3339`] writes, in any time zone; `None` when it is no time.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let nanos = text.parse::<jiff::Timestamp>().ok()?.as_nanosecond();
        i64::try_from(nanos).ok().map(Self::from_nanos)
    }
    /// `2025-10-10 14:41:31` in the system's time zone, for people.
    #[must_use]
    pub fn local(self) -> String {
        self.jiff().to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }
    /// `2025-10-10 14:41` in the system's time zone, for tables.
    #[must_use]
    pub fn local_minutes(self) -> String {
        self.jiff().to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
    }
    fn jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Wall-clock time, for display and records only.
    fn now(&self) -> Timestamp;
    /// Nanoseconds since boot, suspended time included (`CLOCK_BOOTTIME`). Never goes backwards within a boot.
    fn boottime(&self) -> i64;
    /// Identifies this boot of this host; times of [`Clock::boottime`] compare only within one boot.
    fn boot_id(&self) -> String;
    /// Does it stand for every clock there is, those of servers among them? So it is in tests; elsewhere a store that many
    /// hosts share measures leases on a clock of its own.
    fn is_alone(&self) -> bool {
        false
    }
}

/// A clock that moves only when told to.
#[derive(Debug, Default)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    /// A clock standing at `now`.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.as_nanos()))
    }
    /// Moves both wall and boot time forward.
    pub fn advance(&self, by: std::time::Duration) {
        self.0.fetch_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
    /// Sets both back, as only the wall clock of a real host can be.
    pub fn set_back(&self, by: std::time::Duration) {
        self.0.fetch_sub(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
    fn boottime(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
    fn boot_id(&self) -> String {
        "fixed-boot".to_owned()
    }
    fn is_alone(&self) -> bool {
        true
    }
}
