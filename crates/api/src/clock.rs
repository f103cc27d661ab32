//! The system's clocks behind the `Clock` port.

use rustix::time::{ClockId, clock_gettime};
use sloth_core::clock::{Clock, Timestamp};

/// Wall clock and time since boot, as the kernel tells them.
#[derive(Debug, Default)]
pub struct SystemClock;

fn nanos(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(nanos(ClockId::Realtime))
    }
    fn boottime(&self) -> i64 {
        nanos(ClockId::Boottime)
    }
    fn boot_id(&self) -> String {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        id.map(|text| text.trim().to_owned()).unwrap_or_default()
    }
}
