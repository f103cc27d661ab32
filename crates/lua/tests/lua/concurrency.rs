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
fn locks_are_handed_over_in_order_and_misuse_is_said() {
    prints(
        r#"
local m, order = goroutine.mutex(), {}
m:lock()
local wg = goroutine.wait_group()
for i = 1, 4 do
	wg:go(function()
		m:lock()
		table.insert(order, i)
		goroutine.sleep(1)
		m:unlock()
	end)
end
goroutine.yield()
print(m:try_lock(), m:lock(0.001), m:available())
m:unlock()
wg:wait()
print(table.concat(order, " "), m:try_lock(), m:try_lock())
m:unlock()
print(pcall(m.unlock, m))
local s = goroutine.semaphore(2)
print(s:capacity(), s:try_acquire(), s:try_acquire(), s:try_acquire(), s:available())
s:release() s:release()
print(pcall(s.release, s))
print(pcall(goroutine.semaphore, 0))
print(pcall(m.with, m, function() error("inside") end), m:available())
"#,
        &[
            "false\tfalse\t0",
            "1 2 3 4\ttrue\tfalse",
            "false\ttest.sloth:20: unlock of a mutex that is not locked",
            "2\ttrue\ttrue\tfalse\t0",
            "false\ttest.sloth:24: release of a semaphore that nobody has acquired",
            "false\ttest.sloth:25: the size of a semaphore must be a whole number of at least 1",
            "false\t1",
        ],
    );
}

#[test]
fn readers_share_and_writers_are_alone_and_not_starved() {
    prints(
        r#"
local m, log = goroutine.rwmutex(), {}
local function note(x) table.insert(log, x) end
m:rlock()
local wg = goroutine.wait_group()
wg:go(function() m:lock() note("write") goroutine.sleep(2) m:unlock() end)
goroutine.yield()
-- Who comes after a waiting writer waits behind it.
for i = 1, 2 do wg:go(function() m:with_read(function() note("read" .. i) goroutine.sleep(2) end) end) end
goroutine.yield()
print(m:try_rlock(), m:try_lock(), #log)
note("first")
m:runlock()
wg:wait()
print(table.concat(log, " "))
print(m:try_rlock(), m:try_rlock(), m:try_lock())
m:runlock() m:runlock()
print(m:try_lock(), m:try_rlock(), m:rlock(0.001))
m:unlock()
-- A writer that gives up lets the readers behind it go on.
m:rlock()
goroutine.spawn(function() print("writer", m:lock("5ms")) end)
goroutine.yield()
local done = goroutine.wait_group() done:go(function() m:rlock() print("reader") m:runlock() end)
done:wait()
m:runlock()
print(pcall(m.runlock, m))
print(pcall(m.unlock, m))
"#,
        &[
            "false\tfalse\t0",
            "first write read1 read2",
            "true\ttrue\tfalse",
            "true\tfalse\tfalse",
            "writer\tfalse",
            "reader",
            "false\ttest.sloth:28: runlock of a mutex that nobody reads under",
            "false\ttest.sloth:29: unlock of a mutex that is not locked",
        ],
    );
}

#[test]
fn conditions_once_and_counters() {
    prints(
        r#"
local cond = goroutine.cond()
local mu, full = cond:get_mutex(), false
local seen = 0
local wg = goroutine.wait_group()
for _ = 1, 3 do
	wg:go(function()
		mu:lock()
		while not full do cond:wait() end
		seen += 1
		mu:unlock()
	end)
end
goroutine.sleep(1)
mu:lock() full = true cond:signal() mu:unlock()
goroutine.sleep(1)
print(seen)
mu:lock() cond:broadcast() mu:unlock()
wg:wait()
print(seen, pcall(cond.wait, cond))
mu:lock()
print(cond:wait("1ms"), mu:available())
mu:unlock()
local once, calls = goroutine.once(), 0
local slow = function() calls += 1 goroutine.sleep(2) return "made" end
goroutine.map({ 1, 2, 3 }, function() once:call(slow) end)
print(calls, once(slow), goroutine.once()(function(x) return x end, 7))
local n = goroutine.atomic_int(5)
print(n:add(2), n:load(), n:swap(1), n:compare_and_swap(2, 9), n:compare_and_swap(1, 9), n:get(), n:increment(), n:decrement())
n:store(3)
print(n:load())
"#,
        &[
            "1",
            "3\tfalse\ttest.sloth:21: wait on a condition whose mutex is not locked",
            "false\t0",
            "1\tnil\t7",
            "7\t7\t7\tfalse\ttrue\t9\t10\t9",
            "3",
        ],
    );
}

#[test]
fn contexts_end_by_hand_by_time_and_with_their_parent() {
    prints(
        r#"
local ctx, cancel = goroutine.context()
local child, cancel_child = ctx:with_cancel()
local timed = child:with_timeout(5)
print(ctx:err(), child:is_cancelled(), timed:deadline() > os.time() * 1000, select(2, timed:deadline()), ctx:deadline())
print(timed:wait(), timed:err(), child:err())
cancel_child()
print(child:err(), child:with_timeout(1000):is_cancelled(), ctx:is_cancelled())
local channel = goroutine.channel()
goroutine.spawn(function() goroutine.sleep(2) cancel() end)
print(channel:receive(ctx))
print(ctx:err(), ctx:done():receive())
local late = goroutine.context():with_deadline(os.time() * 1000 - 5000)
print(late:err(), goroutine.mutex():lock(late), goroutine.wait_group():wait(late))
local m = goroutine.mutex()
m:lock()
local c2, stop = goroutine.context()
goroutine.spawn(function() goroutine.sleep(1) stop() end)
print(m:lock(c2), goroutine.spawn(function() goroutine.sleep(20) end):wait(c2))
-- What waited for a context is not woken by it later.
goroutine.spawn(function() goroutine.sleep(1) m:unlock() end)
local c3, stop3 = goroutine.context()
print(m:lock(c3))
goroutine.spawn(function() stop3() end)
print(goroutine.channel():receive(0.005))
print(goroutine.select({ goroutine.channel(), c3 }))
"#,
        &[
            "nil\tfalse\ttrue\ttrue\tnil\tfalse",
            "true\tcontext deadline exceeded\tnil",
            "context canceled\ttrue\tfalse",
            "nil\tfalse",
            "context canceled\tnil\tfalse",
            "context deadline exceeded\ttrue\ttrue",
            "false\tfalse\tcontext canceled",
            "true",
            "nil\tfalse",
            "2\tcontext canceled",
        ],
    );
}

#[test]
fn the_select_of_the_original() {
    prints(
        r#"
local a, b = goroutine.channel(1), goroutine.channel(1)
local function say(what) return function(v) print(what, v) return what end end
goroutine.select({ { channel = a, receive = true, handler = say("a") }, { default = true, handler = say("nothing") } })
print(goroutine.select({ { channel = a, send = "x", handler = say("sent") }, { default = true, handler = say("full") } }))
goroutine.select({ { channel = a, send = "y", handler = say("sent") }, { default = true, handler = say("full") } })
print(goroutine.select_timeout(1000, { { channel = b, receive = true, handler = say("b") }, { channel = a, receive = true, handler = say("a") } }))
print(goroutine.select_timeout(2, { { channel = a, receive = true, handler = say("a") } }))
-- A send waits in a select until somebody receives.
local c = goroutine.channel()
goroutine.spawn(function() goroutine.sleep(1) print("received", (c:receive())) end)
print(goroutine.select({ { channel = c, send = "z" } }))
goroutine.yield()
-- Two selects that send and receive meet.
goroutine.spawn(function() print("one", goroutine.select({ { channel = c, send = 1 } })) end)
print("other", goroutine.select({ c }))
-- A value that woke a select which took another one is not lost on others.
local d = goroutine.channel(4)
goroutine.spawn(function() print("select", goroutine.select({ b, d })) end)
goroutine.spawn(function() print("plain", (d:receive())) end)
goroutine.yield() goroutine.yield()
d:send("d") b:send("b")
goroutine.sleep(1)
d:close()
print(goroutine.select({ d }), goroutine.channel_len(d), goroutine.channel_cap(d), goroutine.channel_close(d))
print(pcall(goroutine.select, { 1 }))
print(pcall(goroutine.channel_send, 5, 1))
print(pcall(goroutine.channel_send, goroutine.channel(1, "receive"), 1))
"#,
        &[
            "nothing\tnil",
            "sent\tnil",
            "1\tsent",
            "full\tnil",
            "a\tx",
            "false\t2\ta",
            "true\tnil",
            "1\tnil",
            "received\tz",
            "one\t1\tnil",
            "other\t1\t1",
            "select\t1\tb",
            "plain\td",
            "nil\t0\t4\tfalse",
            "false\ttest.sloth:27: goroutine.select needs a list of channels",
            "false\ttest.sloth:28: a channel is needed, not a number",
            "false\ttest.sloth:29: cannot send on a channel that is only there to receive",
        ],
    );
}

#[test]
fn streams() {
    prints(
        r#"
local input = goroutine.channel(100)
local output = goroutine.pipeline(input, {
	{ workers = 2, fn = function(x) goroutine.sleep(1) return x * 2 end },
	{ workers = 3, fn = function(x) if x % 4 ~= 0 then return x end end },
	function(x) return x + 1 end,
})
for i = 1, 10 do input:send(i) end
input:close()
local all = {}
output:range(function(v) table.insert(all, v) end)
table.sort(all)
print(table.concat(all, " "))
local jobs, done = goroutine.channel(), {}
local outputs = goroutine.fan_out(jobs, 3)
local wg = goroutine.wait_group()
for _, out in ipairs(outputs) do
	wg:go(function() out:range(function(job) table.insert(done, job) end) end)
end
for i = 1, 9 do jobs:send(i) end
jobs:close()
wg:wait()
table.sort(done)
print(table.concat(done, " "))
local sources = { goroutine.channel(5), goroutine.channel(5) }
for i, s in sources do for j = 1, 3 do s:send(i * 10 + j) end s:close() end
local merged = {}
for v in goroutine.fan_in(sources) do table.insert(merged, v) end
table.sort(merged)
print(table.concat(merged, " "), goroutine.fan_in({}):receive())
print(pcall(goroutine.pipeline, jobs, { { workers = 1 } }))
"#,
        &[
            "3 7 11 15 19",
            "1 2 3 4 5 6 7 8 9",
            "11 12 13 21 22 23\tnil\tfalse",
            "false\ttest.sloth:32: stage 1 of goroutine.pipeline has no function",
        ],
    );
    // A stage that fails is the task's failure, whatever waits for it.
    let ran = body(
        r#"
local input = goroutine.channel()
local output = goroutine.pipeline(input, { function(x) error("stage " .. x) end, function(x) return x end })
input:send("one")
input:send("two")
"#,
    );
    assert!(ran.failure("t").starts_with("stage one"), "{}", ran.failure("t"));
}

#[test]
fn the_pools_of_the_original() {
    prints(
        r#"
print(goroutine.pool_create("p", { workers = 2 }))
local id = goroutine.pool_submit("p", function(a) goroutine.sleep(1) return a end, 5)
print("submitted: " .. id)
goroutine.pool_submit("p", function() end)
goroutine.pool_submit("p", function() end)
goroutine.yield()
local s = goroutine.pool_stats("p")
print(s.name, s.workers, s.active, s.completed, s.queued)
print(goroutine.pool_wait("p"), goroutine.await(id))
goroutine.pool_submit("p", function() error("no luck") end)
print(pcall(goroutine.pool_wait, "p"))
s = goroutine.pool_stats("p")
print(s.completed, s.failed, s.active, s.queued, goroutine.pool_close("p"))
print(pcall(goroutine.pool_submit, "p", function() end))
print(goroutine.timeout(1, function() goroutine.sleep(10) end))
print(goroutine.timeout("1s", function() return "in time" end))
"#,
        &[
            "true",
            "submitted: task-1",
            "p\t2\t1\t2\t0",
            "true\ttrue\t5",
            "false\ttest.sloth:12: no luck",
            "3\t1\t0\t0\ttrue",
            "false\ttest.sloth:16: there is no pool \"p\"",
            "false\ttimeout",
            "true\tin time",
        ],
    );
}

#[test]
fn a_deadlock_is_told_with_its_lines() {
    let ran = body(
        r#"
local a, b = goroutine.mutex(), goroutine.mutex()
a:lock()
goroutine.spawn(function()
	b:lock()
	a:lock()
end)
goroutine.yield()
pcall(function()
	b:lock()
end)
"#,
    );
    let said = ran.failure("t");
    assert!(said.contains("it waits for something that cannot happen any more"), "{said}");
    assert!(said.contains("test.sloth:11"), "{said}");
    assert!(said.contains("goroutines wait at test.sloth:7"), "{said}");
    // A goroutine that failed is why everything waits.
    let ran = body(
        r#"
local wg = goroutine.wait_group()
wg:add(1)
goroutine.spawn(function() error("no disk") wg:done() end)
wg:wait()
"#,
    );
    assert!(ran.failure("t").starts_with("no disk"), "{}", ran.failure("t"));
}

#[test]
fn many_senders_and_waiters_take_their_turn() {
    prints(
        r#"
local c, wg, sum = goroutine.channel(), goroutine.wait_group(), 0
for i = 1, 3000 do wg:go(function() c:send(i) end) end
goroutine.spawn(function() wg:wait() c:close() end)
for v in c do sum += v end
print(sum)
local m, n = goroutine.mutex(), 0
for i = 1, 3000 do wg:go(function() m:with(function() n += 1 goroutine.yield() end) end) end
wg:wait()
print(n)
"#,
        &["4501500", "3000"],
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
