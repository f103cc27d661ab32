//! Goroutines: what overlaps, what waits, what fails.

use std::sync::atomic::Ordering;

use crate::rig::body;

/// Statements, and what they print.
fn prints(code: &str, expected: &[&str]) {
    let ran = body(code);
    ran.all_good();
    let said: Vec<String> =
        ran.said().iter().filter_map(|l| l.strip_prefix("print: ").map(str::to_owned)).collect();
    assert_eq!(said, expected, "{code}");
}

#[test]
fn map_overlaps_calls_and_keeps_the_order() {
    let ran = body(
        r#"
local all = goroutine.map({ "a", "b", "c", "d" }, function(name, i)
	local r = pkg.install({ name = "slow-" .. name, delegate_to = name })
	return name .. i .. (r.changed and "+" or "-")
end)
print(table.concat(all, " "))
"#,
    );
    ran.all_good();
    assert_eq!(ran.said().last().unwrap(), "print: a1+ b2+ c3+ d4+");
    assert_eq!(ran.world.most.load(Ordering::SeqCst), 4);
}

#[test]
fn map_can_be_bounded_and_raises_the_first_error_after_all_ended() {
    let ran = body(r#"goroutine.map({ 1, 2, 3, 4 }, function(i) exec.run("echo slow " .. i) end, 2)"#);
    ran.all_good();
    assert_eq!(ran.world.most.load(Ordering::SeqCst), 2);
    prints(
        r#"
local ended = 0
local ok, e = pcall(goroutine.map, { 1, 2, 3 }, function(i)
	if i == 2 then error("two") end
	time.sleep(0.01)
	ended += 1
end)
print(ok, e.message, ended)
"#,
        &["false\ttwo\t2"],
    );
}

#[test]
fn spawn_await_and_errors() {
    prints(
        r#"
local h = goroutine.async(function(a, b) time.sleep(0.01) return a + b end, 1, 2)
print(goroutine.await(h))
print(goroutine.await(goroutine.async(function() error("x") end)))
local all = goroutine.await_all({ goroutine.async(function() return 7 end), goroutine.async(function() error("y") end) })
print(all[1].success, all[1].value, all[2].success, all[2].error.message)
print(goroutine.spawn(function() time.sleep(0.05) end):wait(0.01))
"#,
        &["true\t3", "false\ttest.sloth:5: x", "true\t7\tfalse\ty", "false\ttimeout"],
    );
}

#[test]
fn a_task_ends_with_its_goroutines_and_fails_with_them() {
    prints(
        r#"goroutine.spawn(function() time.sleep(0.02) print("late") end) print("early")"#,
        &["early", "late"],
    );
    let ran = body(r#"goroutine.spawn(function() time.sleep(0.01) error("nobody looked") end)"#);
    assert!(ran.failure("t").starts_with("nobody looked"), "{}", ran.failure("t"));
}

#[test]
fn channels_and_wait_groups() {
    prints(
        r#"
local jobs, results = goroutine.channel(2), goroutine.channel()
local wg = goroutine.wait_group()
for w = 1, 3 do
	wg:add(1)
	goroutine.spawn(function()
		for job in jobs:range() do
			results:send(job * 10)
		end
		wg:done()
	end)
end
goroutine.spawn(function()
	for i = 1, 6 do jobs:send(i) end
	jobs:close()
	wg:wait()
	results:close()
end)
local sum = 0
for r in results do sum += r end
print(sum, results:receive())
local c = goroutine.channel(1)
print(c:try_send(1), c:try_send(2), c:try_receive(), c:is_closed())
c:close()
print(pcall(c.send, c, 1))
print(goroutine.channel():receive(0.01))
"#,
        &[
            "210\tnil\tfalse",
            "true\tfalse\t1\tfalse",
            "false\ttest.sloth:26: send on a closed channel",
            "nil\tfalse",
        ],
    );
}

#[test]
fn select_takes_what_is_ready_or_times_out() {
    prints(
        r#"
local a, b = goroutine.channel(), goroutine.channel()
goroutine.spawn(function() time.sleep(0.01) b:send("from b") end)
print(goroutine.select({ a, b }))
print(goroutine.select({ a, b, default = "none" }))
print(goroutine.select({ a, b }, 0.01))
print(goroutine.select({ { channel = a, receive = function(v) return v end }, timeout = 0.01 }))
"#,
        &["2\tfrom b", "0\tnone", "nil\ttimeout", "nil\ttimeout"],
    );
}

#[test]
fn mutexes_semaphores_and_pools() {
    prints(
        r#"
local m, inside, most = goroutine.mutex(), 0, 0
goroutine.map({ 1, 2, 3 }, function()
	m:with(function()
		inside += 1
		most = math.max(most, inside)
		time.sleep(0.002)
		inside -= 1
	end)
end)
print(most)
local pool = goroutine.pool(2)
local now, peak = 0, 0
for i = 1, 6 do
	pool:submit(function()
		now += 1
		peak = math.max(peak, now)
		time.sleep(0.002)
		now -= 1
	end)
end
pool:wait()
print(peak)
"#,
        &["1", "2"],
    );
}

#[test]
fn waiting_for_ever_is_noticed() {
    let ran = body("goroutine.channel():receive()");
    assert!(
        ran.failure("t").contains("it waits for something that cannot happen any more"),
        "{}",
        ran.failure("t")
    );
    // A goroutine that nobody can wake does not keep the task.
    body("goroutine.spawn(function() goroutine.channel():receive() end)").all_good();
}

#[test]
fn waiting_works_inside_coroutines_and_pcall_and_not_inside_comparators() {
    prints(
        r#"
local co = coroutine.wrap(function()
	coroutine.yield(exec.run("echo one").stdout)
	time.sleep(0.005)
	return "two"
end)
print(co(), co())
print(pcall(function() time.sleep(0.005) return "slept" end))
goroutine.spawn(function() time.sleep(0.02) end)
local c = coroutine.create(function() return exec.run("echo slow inside").stdout end)
print(coroutine.resume(c))
local list = { 3, 1, 2 }
table.sort(list, function(a, b) exec.run("echo inside") return a < b end)
print(table.concat(list, ","))
print(pcall(table.sort, list, function(a, b) goroutine.channel():receive() end))
"#,
        &[
            "one\n\ttwo",
            "true\tslept",
            "true\tslow inside\n",
            "1,2,3",
            "false\ttest.sloth:16: cannot wait here",
        ],
    );
}

#[test]
fn a_thousand_goroutines() {
    prints(
        r#"
local list = {}
for i = 1, 1000 do list[i] = i end
local sum = 0
for _, v in goroutine.map(list, function(i) time.sleep(0.001) return i end) do sum += v end
print(sum)
"#,
        &["500500"],
    );
}

#[test]
fn an_error_from_a_worker_knows_its_line() {
    let ran = body(
        r#"
goroutine.spawn(function() time.sleep(0.02) end)
local ok, e = pcall(function()
	file.copy({ dest = "/etc/fail-slow", content = "x" })
end)
print(e.line, e.address)
goroutine.spawn(function()
	file.copy({ dest = "/etc/fail-slow", content = "x" })
end)
"#,
    );
    assert!(ran.said().contains(&"print: 5\tfile:/etc/fail-slow".to_owned()), "{:?}", ran.said());
    assert!(ran.failure("t").contains("test.sloth:9"), "{}", ran.failure("t"));
}
