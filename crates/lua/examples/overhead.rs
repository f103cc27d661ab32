//! Prints what one call costs on the language's side: `cargo run --release -p sloth-lua --example overhead`.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement")]

#[path = "../tests/lua/rig.rs"]
mod rig;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rig::{World, execute, request};

const COUNT: u32 = 10_000;

fn measure(title: &str, line: &str, parallel: bool) {
    let spawn = if parallel {
        "DONE = false goroutine.spawn(function() while not DONE do time.sleep(0.001) end end)"
    } else {
        ""
    };
    let text = format!(
        "task('t', {{ run = function() {spawn} local t = os.clock() for i = 1, {COUNT} do {line} end DONE = true print(os.clock() - t) end }})"
    );
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let mut program = sloth_lua::load(request("bench.sloth", &text)).unwrap();
        let world = Arc::new(World::default());
        world.quiet.store(true, Ordering::Relaxed);
        let started = Instant::now();
        execute(&mut program, &world, 1).all_good();
        best = best.min(started.elapsed().as_secs_f64());
    }
    println!("{title:<42} {:8.3} µs", best * 1e6 / f64::from(COUNT));
}

fn copy() {
    measure(
        "file.copy{src, dest, mode}",
        "file.copy{ src = '/a/b', dest = '/etc/same' .. i, mode = '0644' }",
        false,
    );
}

fn main() {
    let five: String = (0..5)
        .map(|i| match i {
            0 => "task('t0', { command = 'true' })\n".to_owned(),
            i => format!("task('t{i}', {{ depends_on = 't{}', command = 'true' }})\n", i - 1),
        })
        .collect();
    let started = Instant::now();
    let program = sloth_lua::load(request("bench.sloth", &five)).unwrap();
    let took = started.elapsed();
    println!("{:<42} {:8.1} µs", "load of five chained shell tasks, first", took.as_secs_f64() * 1e6);
    drop(program);
    // For profilers: many first loads, or one kind of call.
    match std::env::args().nth(1).as_deref() {
        Some("once") => return,
        Some("copy") => {
            for _ in 0..20 {
                copy();
            }
            return;
        }
        _ => {}
    }
    for (title, text) in [
        ("load of an almost empty file, best", "task('t', { command = 'true' })"),
        ("load of five chained shell tasks, best", &five),
    ] {
        let best = (0..500).map(|_| {
            let started = Instant::now();
            let program = sloth_lua::load(request("bench.sloth", text)).unwrap();
            let took = started.elapsed();
            drop(program);
            took
        });
        let best = best.min().unwrap_or_default();
        println!("{title:<42} {:8.1} µs", best.as_secs_f64() * 1e6);
    }
    let tasks: String = (0..50)
        .map(|i| {
            let needs = if i == 0 { String::new() } else { format!("depends_on = 't{}', ", i - 1) };
            format!("task('t{i}', {{ {needs}run = function() end }})\n")
        })
        .collect();
    let started = Instant::now();
    let mut program = sloth_lua::load(request("bench.sloth", &tasks)).unwrap();
    let loaded = started.elapsed();
    execute(&mut program, &Arc::new(World::default()), 1).all_good();
    println!("{:<42} {:8.1} µs", "load of 50 chained tasks", loaded.as_secs_f64() * 1e6);
    println!(
        "{:<42} {:8.1} µs",
        "load and run of 50 chained empty tasks",
        started.elapsed().as_secs_f64() * 1e6
    );
    measure("empty loop", "", false);
    copy();
    measure(
        "file.copy{src, dest, mode, owner, group}",
        "file.copy{ src = '/a/b', dest = '/etc/same' .. i, mode = '0644', owner = 'root', group = 'root' }",
        false,
    );
    measure(
        "file.copy handed to a worker",
        "file.copy{ src = '/a/b', dest = '/etc/same' .. i, mode = '0644' }",
        true,
    );
    measure("state.get", "state.get('k')", false);
    measure("exec.run", "exec.run('true')", false);
}
