//! Scripts that do not want to end. Each is stopped by its limit, and stays stopped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sloth_core::body::{Program, UnitEnding};
use sloth_lua::Limits;

use crate::rig::{World, execute, request};

const CPU: Duration = Duration::from_millis(150);
/// What a loaded machine may take on top.
const SLACK: Duration = Duration::from_secs(6);

const ENDLESS: &[(&str, &str)] = &[
    ("plain loop", "while true do end"),
    ("repeat loop", "repeat until false"),
    ("for loop", "for i = 1, math.huge do end"),
    ("pcall loop", "while true do pcall(function() while true do end end) end"),
    ("nested pcall", "local function f() pcall(f) while true do end end f() while true do pcall(f) end"),
    ("pcall of error", "while true do pcall(error, 'x') end"),
    (
        "xpcall handler",
        "while true do xpcall(function() error('x') end, function() while true do end end) end",
    ),
    (
        "xpcall handler that fails",
        "local function h() xpcall(error, h) return h() end while true do xpcall(error, h) end",
    ),
    (
        "coroutine loop",
        "while true do local c = coroutine.create(function() while true do end end) coroutine.resume(c) end",
    ),
    ("coroutine wrap", "while true do pcall(coroutine.wrap(function() while true do end end)) end"),
    (
        "coroutine ping-pong",
        "local c = coroutine.wrap(function() while true do coroutine.yield() end end) while true do c() end",
    ),
    ("new coroutines for ever", "while true do coroutine.wrap(function() end)() end"),
    ("pattern", "string.find(string.rep('a', 300000), '.-.-.-.-b')"),
    ("pattern in a loop", "while true do pcall(string.find, string.rep('a', 100000), '.-.-.-.-b') end"),
    ("gsub", "string.gsub(string.rep('a', 100000), '(.-)(.-)(.-)b', '')"),
    ("gmatch", "for _ in string.gmatch(string.rep('a', 200000), '.-.-.-b') do end"),
    ("balance", "string.find(string.rep('(', 400000), '%b()')"),
    (
        "plain find",
        "local a = string.rep('a', 20000000) a:find(string.rep('a', 10000000) .. 'b', 1, true) while true do end",
    ),
    (
        "plain find without saying so",
        "local a = string.rep('a', 20000000) a:find(string.rep('a', 10000000) .. 'b') while true do end",
    ),
    (
        "split",
        "local a = string.rep('a', 20000000) a:split(string.rep('a', 10000000) .. 'b') while true do end",
    ),
    (
        "__index loop",
        "local t = setmetatable({}, { __index = function(t, k) return t[k .. 'x'] end }) while true do pcall(function() return t.a end) end",
    ),
    (
        "__index chain",
        "local t = setmetatable({}, { __index = function() while true do end end }) return t.x",
    ),
    (
        "__eq",
        "local m = { __eq = function() while true do end end } return setmetatable({}, m) == setmetatable({}, m)",
    ),
    (
        "__concat",
        "local t = setmetatable({}, { __concat = function() while true do end end }) return t .. 'x'",
    ),
    ("__tostring", "print(setmetatable({}, { __tostring = function() while true do end end }))"),
    (
        "__tostring of a returned value",
        "return true, setmetatable({}, { __tostring = function() while true do end end })",
    ),
    (
        "__tostring of a reason",
        "return false, setmetatable({}, { __tostring = function() while true do end end })",
    ),
    ("__index of a result", "return setmetatable({}, { __index = function() while true do end end })"),
    ("__call", "local t = setmetatable({}, { __call = function(t) while true do end end }) t()"),
    (
        "__iter",
        "for _ in setmetatable({}, { __iter = function() return function() return 1 end end }) do end",
    ),
    ("__len", "local t = setmetatable({}, { __len = function() while true do end end }) return #t"),
    ("__newindex", "local t = setmetatable({}, { __newindex = function() while true do end end }) t.x = 1"),
    (
        "sort comparator",
        "local t = {} for i = 1, 100 do t[i] = i end table.sort(t, function() while true do end end)",
    ),
    (
        "sort of much",
        "local t = {} for i = 1, 4000000 do t[i] = i * 7919 % 4000037 end table.sort(t) while true do end",
    ),
    (
        "sort again and again",
        "local t = {} for i = 1, 4000 do t[i] = -i end while true do pcall(table.sort, t) end",
    ),
    ("recursion", "local function f() return f() + 1 end while true do pcall(f) end"),
    ("recursion through pcall", "local function f() return (pcall(f)) end while true do f() end"),
    (
        "recursion through tostring",
        "local t = setmetatable({}, {}) getmetatable(t).__tostring = function() return tostring(t) end while true do pcall(tostring, t) end",
    ),
    (
        "recursion through sort",
        "local function f() table.sort({ 3, 2, 1 }, function() f() end) end while true do pcall(f) end",
    ),
    (
        "recursion through gsub",
        "local function f() return (string.gsub('a', 'a', f)) end while true do pcall(f) end",
    ),
    ("load in a loop", "while true do load('while true do end')() end"),
    ("busy wait", "local t = os.clock() while os.clock() < t + 60 do end"),
    (
        "memory, again and again",
        "while true do pcall(function() local t = {} while true do t[#t + 1] = string.rep('x', 1000) end end) end",
    ),
    ("goroutine", "goroutine.spawn(function() while true do end end)"),
    (
        "goroutines",
        "goroutine.map({ 1, 2, 3 }, function() pcall(function() while true do end end) while true do end end)",
    ),
    (
        "error objects",
        "while true do local ok, e = pcall(error, setmetatable({}, { __index = function() while true do end end })) local _ = e.message end",
    ),
    ("string.rep in a loop", "while true do local s = string.rep('x', 50000000) end"),
    ("format", "while true do local s = string.format('%99.99f', 1e308) end"),
    ("table.concat", "local t = {} for i = 1, 1000000 do t[i] = 'x' end while true do table.concat(t) end"),
];

const HUGE: &[(&str, &str)] = &[
    ("string.rep", "return #string.rep('x', 2000000000)"),
    ("string.rep twice", "return #string.rep(string.rep('x', 100000000), 100)"),
    ("doubling", "local s = 'x' while true do s = s .. s end"),
    ("table.create", "return #table.create(1000000000, 1)"),
    ("table growth", "local t = {} while true do t[#t + 1] = { 1, 2, 3 } end"),
    (
        "table with a hole",
        "local t = {} t[1] = 1 t[1000000000] = 1 return table.concat(t, ',', 1, 1000000000)",
    ),
    ("buffer", "return buffer.create(1000000000)"),
    ("format width", "return string.format('%999999999d', 1)"),
    ("unpack", "return select('#', table.unpack({}, 1, 100000000))"),
    ("pack", "return string.pack('i100', 1)"),
];

fn limits() -> Limits {
    Limits { cpu: CPU, load: CPU, memory: 128 << 20, ..Limits::default() }
}

fn stopped(name: &str, text: &str) -> String {
    let mut req = request("t.sloth", &format!("task('t', {{ run = function()\n{text}\nend }})"));
    req.limits = limits();
    let mut program = sloth_lua::load(req).unwrap_or_else(|e| panic!("{name}: {e}"));
    let started = Instant::now();
    let ran = execute(&mut program, &Arc::new(World::default()), 1);
    let took = started.elapsed();
    assert!(took < CPU + SLACK, "{name} took {took:?}");
    ran.failure("t")
}

#[test]
fn endless_tasks_are_stopped() {
    for (name, text) in ENDLESS {
        let started = Instant::now();
        let message = stopped(name, text);
        println!("{name}: {:?}", started.elapsed());
        assert!(
            message.contains("it computed for more than 150ms") || message.contains("more memory than"),
            "{name}: {message}"
        );
    }
}

#[test]
fn endless_files_are_stopped_while_loading() {
    for (name, text) in ENDLESS.iter().filter(|(n, _)| !n.contains("__tostring") && !n.contains("result")) {
        let mut req = request("t.sloth", text);
        req.limits = limits();
        let started = Instant::now();
        let error = sloth_lua::load(req).map(|_| ()).unwrap_err();
        assert!(started.elapsed() < CPU + SLACK, "{name} took {:?}", started.elapsed());
        let message = error.to_string();
        assert!(message.contains("150ms") || message.contains("more memory than"), "{name}: {message}");
    }
}

#[test]
fn huge_values_are_refused() {
    for (name, text) in HUGE {
        let message = stopped(name, text);
        println!("{name}: {message}");
        assert!(!message.is_empty());
    }
}

#[test]
fn a_stopped_script_stays_stopped() {
    let mut req = request(
        "t.sloth",
        r#"
task("t", { run = function()
	pcall(function() while true do end end)
	file.copy{ dest = "/etc/after", content = "x" }
	log.info("still here")
end })
task("next", { run = function() log.info("next") end })
"#,
    );
    req.limits = limits();
    let mut program = sloth_lua::load(req).unwrap();
    let world = Arc::new(World::default());
    let ran = execute(&mut program, &world, 1);
    assert!(ran.failure("t").contains("t.sloth:3"), "{}", ran.failure("t"));
    assert!(matches!(ran.ending("next"), UnitEnding::Succeeded { .. }));
    assert_eq!(world.lines(), ["info: next"]);
}

#[test]
fn time_spent_in_calls_does_not_count() {
    let mut req = request(
        "t.sloth",
        "task('t', { run = function() for i = 1, 12 do file.copy{ dest = '/etc/slow' .. i, content = 'x' } end end })",
    );
    req.limits = limits();
    let mut program = sloth_lua::load(req).unwrap();
    execute(&mut program, &Arc::new(World::default()), 1).all_good();
}

#[test]
fn the_sandbox_has_no_way_out() {
    for (text, expected) in [
        ("return load('\\27Lua')", "nil"),
        ("return string.dump", "nil"),
        ("return debug.getregistry", "nil"),
        ("return debug.info", "nil"),
        ("return debug.sethook", "nil"),
        ("return package", "nil"),
        ("return getfenv", "nil"),
        ("return setfenv", "nil"),
        ("return newproxy", "nil"),
        ("return rawset(string, 'upper', 1)", "error"),
        ("string.upper = 1", "error"),
        ("getmetatable('').__index = {}", "error"),
        ("getmetatable(_G).__index = nil", "error"),
        ("getmetatable(_G).__index.file = nil", "error"),
        ("file.copy = nil", "error"),
        ("getmetatable(file).__index = nil", "error"),
        ("values.x = 1", "error"),
        ("getmetatable(task('x')).__index = {}", "error"),
        ("os.exit(0)", "error"),
        ("require('/etc/passwd')", "error"),
        ("import('/etc/passwd')", "error"),
        ("coroutine.close(coroutine.running())", "error"),
        ("string.rep('x', -1)", "''"),
    ] {
        let code = format!(
            "local ok, v = pcall(function() {text} end) SEEN = if ok then (if v == nil then 'nil' else type(v)) else 'error' task('t', {{ run = function() print(SEEN) end }})"
        );
        let mut program =
            sloth_lua::load(request("t.sloth", &code)).unwrap_or_else(|e| panic!("{text}: {e}"));
        let world = Arc::new(World::default());
        execute(&mut program, &world, 1);
        let seen = world.lines().join("");
        if expected != "''" {
            assert_eq!(seen, format!("print: {expected}"), "{text}");
        }
    }
}

#[test]
fn timeouts_stop_what_waits_and_what_computes() {
    for body in [
        "while true do end",
        "time.sleep(60)",
        "goroutine.channel():receive() time.sleep(60)",
        "exec.run('hang')",
    ] {
        let text = format!(
            "task('t', {{ timeout = '100ms', run = function() goroutine.spawn(function() time.sleep(50) end) {body} end }})"
        );
        let mut program = sloth_lua::load(request("t.sloth", &text)).unwrap();
        let started = Instant::now();
        let ran = execute(&mut program, &Arc::new(World::default()), 1);
        assert!(started.elapsed() < Duration::from_secs(3), "{body}: {:?}", started.elapsed());
        assert!(ran.failure("t").contains("timed out after 100ms"), "{body}: {}", ran.failure("t"));
    }
}

#[test]
fn a_run_that_is_stopped_stops_its_scripts() {
    for body in
        ["while true do end", "time.sleep(60)", "while true do pcall(function() time.sleep(60) end) end"]
    {
        let text = format!("task('t', {{ retries = 5, run = function() {body} end }})");
        let mut program = sloth_lua::load(request("t.sloth", &text)).unwrap();
        let world = Arc::new(World::default());
        let other = Arc::clone(&world);
        let stopper = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            other.stopping.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        let started = Instant::now();
        let ran = execute(&mut program, &world, 1);
        stopper.join().unwrap();
        assert!(started.elapsed() < Duration::from_secs(3), "{body}: {:?}", started.elapsed());
        assert!(ran.failure("t").contains("the run is being stopped"), "{body}: {}", ran.failure("t"));
        let _ = program.workflow();
    }
}
