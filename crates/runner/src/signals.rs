//! SIGINT, SIGTERM and SIGHUP ask a run to stop: what runs is cancelled after a grace, or at once when asked twice.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

use sloth_engine::Stop;

static STOP: OnceLock<Stop> = OnceLock::new();
static LAST: AtomicI32 = AtomicI32::new(0);

extern "C" fn on_signal(number: libc::c_int) {
    // Atomics only: this runs between any two instructions.
    LAST.store(number, Ordering::SeqCst);
    if let Some(stop) = STOP.get() {
        stop.ask();
    }
}

/// The switch that signals turn. From the first call on, signals no longer end the process by themselves.
pub fn watch() -> Stop {
    let stop = STOP.get_or_init(Stop::new).clone();
    for number in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        install(number);
    }
    stop
}

fn install(number: libc::c_int) {
    // SAFETY: both structures are plain data that the kernel reads and fills in; the handler only touches atomics.
    unsafe {
        let mut old: libc::sigaction = std::mem::zeroed();
        // Who starts us with `nohup` wants us to outlive the terminal.
        if number == libc::SIGHUP
            && libc::sigaction(number, std::ptr::null(), &raw mut old) == 0
            && old.sa_sigaction == libc::SIG_IGN
        {
            return;
        }
        let mut new: libc::sigaction = std::mem::zeroed();
        new.sa_sigaction = on_signal as *const () as libc::sighandler_t;
        new.sa_flags = libc::SA_RESTART;
        libc::sigaction(number, &raw const new, std::ptr::null_mut());
    }
}

/// The signal that asked last, as the shell counts it: SIGHUP counts as SIGTERM.
pub fn caught() -> Option<u8> {
    match LAST.load(Ordering::SeqCst) {
        0 => None,
        libc::SIGINT => Some(2),
        _ => Some(15),
    }
}
