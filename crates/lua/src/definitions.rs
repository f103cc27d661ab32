//! What the language offers, for people and for editors: one table of the functions of its own modules, and the
//! operations of the catalog.

use std::fmt::Write as _;

use sloth_core::kind::{COMMON, Catalog, Operation, Param, ParamType};

/// A function of one of the language's own modules.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Module.
    pub module: &'static str,
    /// Its names; the first is the one to use.
    pub names: &'static [&'static str],
    /// Its type, as Luau writes it.
    pub signature: &'static str,
    /// One sentence without a full stop.
    pub doc: &'static str,
}

const fn def(
    module: &'static str,
    names: &'static [&'static str],
    signature: &'static str,
    doc: &'static str,
) -> Definition {
    Definition { module, names, signature, doc }
}

/// Every function of the language's own modules, by module.
pub const DEFINITIONS: &[Definition] = &[
    def(
        "crypto",
        &["base64_decode"],
        "(text: string) -> string",
        "The bytes of a text in base64, the usual or the URL alphabet",
    ),
    def("crypto", &["base64_encode"], "(bytes: string) -> string", "Bytes in base64"),
    def(
        "crypto",
        &["equal", "constant_time_equal"],
        "(a: string, b: string) -> boolean",
        "Are two texts the same? Takes as long whether they are or not",
    ),
    def(
        "crypto",
        &["hash", "digest"],
        "(name: string, bytes: string) -> string",
        "A digest by its name, in hexadecimal digits",
    ),
    def("crypto", &["hex_decode"], "(text: string) -> string", "The bytes of hexadecimal digits"),
    def("crypto", &["hex_encode"], "(bytes: string) -> string", "Bytes in hexadecimal digits"),
    def(
        "crypto",
        &["hmac"],
        "(name: string, key: string, bytes: string) -> string",
        "A keyed digest by its name, in hexadecimal digits",
    ),
    def(
        "crypto",
        &["md5"],
        "(bytes: string) -> string",
        "MD5, for comparing with what others published; it protects nothing",
    ),
    def(
        "crypto",
        &["password_hash"],
        "(password: string, options: { [string]: any }?) -> string",
        "The hash of a password as shadow(5) has it; options are `salt`, `rounds` and `scheme`. Without `salt` it is another one each time",
    ),
    def(
        "crypto",
        &["password_verify", "password_check"],
        "(password: string, hash: string) -> boolean",
        "Is it the hash of this password?",
    ),
    def("crypto", &["random_bytes"], "(count: number) -> string", "Random bytes in hexadecimal digits"),
    def(
        "crypto",
        &["random_string", "random"],
        "(length: number?, alphabet: string?) -> string",
        "Random characters, letters and digits unless something else is said",
    ),
    def("crypto", &["sha1"], "(bytes: string) -> string", "SHA-1, for comparing with what others published"),
    def("crypto", &["sha256"], "(bytes: string) -> string", "SHA-256 in hexadecimal digits"),
    def("crypto", &["sha384"], "(bytes: string) -> string", "SHA-384 in hexadecimal digits"),
    def("crypto", &["sha512"], "(bytes: string) -> string", "SHA-512 in hexadecimal digits"),
    def("crypto", &["uuid"], "() -> string", "A random UUID"),
    def(
        "custom",
        &["type"],
        "(definition: { [string]: any }) -> (...any) -> (Result, Result)",
        "Makes a type of resources: `name`, `params` (a schema), `id` (the parameter that names one), `probe`, `apply`, `delete` and `expect`. Scripts read parameters as variables; functions get them as a table, and what was found",
    ),
    def(
        "data",
        &["csv_generate", "csv_encode", "to_csv"],
        "(rows: {any}, separator: any?) -> string",
        "Lists, or tables with the same names, as CSV",
    ),
    def(
        "data",
        &["csv_parse", "csv_decode", "parse_csv"],
        "(text: string, options: any?) -> ({any}, {any})",
        "Rows of CSV as lists, or as tables with `{ header = true }`",
    ),
    def(
        "data",
        &["deep_merge", "merge"],
        "(a: { [string]: any }, b: { [string]: any }) -> ({ [string]: any }, { [string]: any })",
        "The second table over the first, tables within tables too",
    ),
    def(
        "data",
        &["flatten"],
        "(value: any, separator: string?) -> { [string]: any }",
        "Values by their paths",
    ),
    def(
        "data",
        &["get_path", "get"],
        "(value: any, path: string, separator: string?) -> any",
        "The value at a path such as `a.b.2`",
    ),
    def("data", &["json_decode", "parse_json"], "(text: string) -> any", "A value from JSON"),
    def("data", &["json_encode", "to_json"], "(value: any) -> string", "A value as JSON"),
    def("data", &["json_pretty"], "(value: any) -> string", "A value as JSON with line breaks"),
    def("data", &["json_to_yaml"], "(text: string) -> string", "JSON as YAML"),
    def("data", &["json_validate"], "(text: string) -> (boolean, string?)", "Is it JSON? If not, why not"),
    def(
        "data",
        &["set_path"],
        "(value: any, path: string, new: any, separator: string?) -> any",
        "A copy with another value at a path",
    ),
    def(
        "data",
        &["toml_decode", "parse_toml"],
        "(text: string) -> { [string]: any }",
        "A table from TOML; times are texts",
    ),
    def("data", &["toml_encode", "to_toml"], "(value: { [string]: any }) -> string", "A table as TOML"),
    def(
        "data",
        &["unflatten"],
        "(flat: { [string]: any }, separator: string?) -> ({ [string]: any }, { [string]: any })",
        "A table from values by their paths",
    ),
    def("data", &["yaml_decode", "parse_yaml"], "(text: string) -> any", "A value from YAML"),
    def("data", &["yaml_encode", "to_yaml"], "(value: any) -> string", "A value as YAML"),
    def("data", &["yaml_to_json"], "(text: string) -> string", "YAML as JSON"),
    def(
        "event",
        &["dispatch", "emit"],
        "(name: string, payload: any?) -> boolean",
        "Sends an event `custom.NAME`, which hooks can be bound to",
    ),
    def("event", &["dispatch_custom"], "(name: string, message: any?) -> boolean", "The same with a message"),
    def(
        "event",
        &["dispatch_file"],
        "(kind: string, path: string, watcher: string?) -> boolean",
        "The same about a file",
    ),
    def(
        "exec",
        &["run", "command", "sh", "shell"],
        "(command: any, options: { [string]: any }?) -> (ExecResult, string, boolean)",
        "Runs a command. With `creates`, `removes`, `unless` or `onlyif` it is a resource. Does not raise when it fails, unless `raise = true`",
    ),
    def(
        "facts",
        &["get_all", "all"],
        "(options: { [string]: any }?) -> { [string]: any }",
        "Everything that can be known of a host",
    ),
    def(
        "facts",
        &["get_cpu"],
        "(options: { [string]: any }?) -> ({ [string]: any }?, string?)",
        "Processors",
    ),
    def(
        "facts",
        &["get_disk"],
        "(options: { [string]: any }?) -> (any, string?)",
        "File systems with their sizes, or the one at `mountpoint`",
    ),
    def(
        "facts",
        &["get_disks"],
        "(options: { [string]: any }?) -> ({any}?, string?)",
        "File systems with their sizes",
    ),
    def(
        "facts",
        &["get_hostname"],
        "(options: { [string]: any }?) -> (string?, string?)",
        "The host's own name",
    ),
    def(
        "facts",
        &["get_load"],
        "(options: { [string]: any }?) -> ({ [string]: any }?, string?)",
        "Load of the last 1, 5 and 15 minutes",
    ),
    def(
        "facts",
        &["get_memory"],
        "(options: { [string]: any }?) -> ({ [string]: any }?, string?)",
        "Memory in bytes",
    ),
    def(
        "facts",
        &["get_mounts"],
        "(options: { [string]: any }?) -> ({any}?, string?)",
        "What is mounted where",
    ),
    def(
        "facts",
        &["get_network"],
        "(options: { [string]: any }?) -> (any, string?)",
        "Interfaces with their addresses, or the one named `interface`",
    ),
    def(
        "facts",
        &["get_packages"],
        "(options: { [string]: any }?) -> ({ [string]: any }?, string?)",
        "Installed packages and their manager",
    ),
    def(
        "facts",
        &["get_platform"],
        "(options: { [string]: any }?) -> ({ [string]: any }?, string?)",
        "System, family, version, kernel and architecture",
    ),
    def(
        "facts",
        &["get_processes"],
        "(options: { [string]: any }?) -> ({ [string]: any }?, string?)",
        "Processes, counted and listed",
    ),
    def(
        "facts",
        &["get_services"],
        "(options: { [string]: any }?) -> ({any}?, string?)",
        "Services and their states",
    ),
    def(
        "facts",
        &["get_uptime"],
        "(options: { [string]: any }?) -> ({ [string]: any }?, string?)",
        "Since when the host runs, and its time zone",
    ),
    def(
        "facts",
        &["get_user"],
        "(options: { [string]: any }) -> (any, string?)",
        "The user named `username`",
    ),
    def("facts", &["get_users"], "(options: { [string]: any }?) -> ({any}?, string?)", "Users"),
    def(
        "facts",
        &["on"],
        "(host: string) -> any",
        "The facts of another host: `facts.on(\"web1\").os.family`",
    ),
    def(
        "facts",
        &["package", "get_package"],
        "(name: any, options: { [string]: any }?) -> ({ [string]: any }?, string?)",
        "One package: `installed`, `version`",
    ),
    def(
        "facts",
        &["path", "stat"],
        "(path: any, options: { [string]: any }?) -> ({ [string]: any }?, string?)",
        "What is at a path: `exists`, `is_dir`, `mode`, `owner`, `size`",
    ),
    def("facts", &["refresh"], "() -> ()", "Forgets what was read of hosts"),
    def(
        "facts",
        &["service", "get_service"],
        "(name: any, options: { [string]: any }?) -> ({ [string]: any }?, string?)",
        "One service: `active`, `enabled`, `status`",
    ),
    def(
        "file",
        &["stat"],
        "(path: any, options: { [string]: any }?) -> ({ [string]: any }?, any)",
        "What is at a path of a host: `exists`, `kind`, `size`, `mode`, `owner`, `group`, `mtime`, `checksum`, `target`",
    ),
    def(
        "fs",
        &["append"],
        "(path: string, content: string) -> boolean",
        "Adds to the end of a file of the controller",
    ),
    def("fs", &["basename"], "(path: string) -> string", "The last part of a path"),
    def("fs", &["copy"], "(from: string, to: string) -> boolean", "Copies a file of the controller"),
    def("fs", &["dirname"], "(path: string) -> string", "A path without its last part"),
    def("fs", &["exists"], "(path: string) -> boolean", "Is there something on the controller?"),
    def("fs", &["is_dir"], "(path: string) -> boolean", "Is it a directory?"),
    def("fs", &["is_file"], "(path: string) -> boolean", "Is it a file?"),
    def("fs", &["ls", "list"], "(path: string) -> {string}", "Names in a directory of the controller"),
    def(
        "fs",
        &["mkdir"],
        "(path: string) -> boolean",
        "Makes a directory of the controller, with those above it",
    ),
    def("fs", &["read", "read_file"], "(path: string) -> string", "The content of a file of the controller"),
    def("fs", &["rm"], "(path: string) -> boolean", "Removes a file or an empty directory of the controller"),
    def(
        "fs",
        &["rmr"],
        "(path: string) -> boolean",
        "Removes a path of the controller with everything in it",
    ),
    def("fs", &["size"], "(path: string) -> number", "Bytes of a file of the controller"),
    def("fs", &["tmpname"], "() -> string", "A name for a temporary file"),
    def(
        "fs",
        &["write", "write_file"],
        "(path: string, content: string) -> boolean",
        "Writes a file of the controller",
    ),
    def(
        "goroutine",
        &["async"],
        "(f: (...any) -> ...any, ...any) -> any",
        "Starts a function beside this one; `await` waits for it",
    ),
    def(
        "goroutine",
        &["atomic_int"],
        "(value: number?) -> any",
        "A counter with `add`, `load`, `store`, `swap` and `compare_and_swap`",
    ),
    def(
        "goroutine",
        &["await"],
        "(handle: any, seconds: any?) -> (boolean, ...any)",
        "Waits for what `async` or `spawn` started: `true` and its results, or `false` and its error",
    ),
    def(
        "goroutine",
        &["await_all"],
        "(handles: {any}) -> {any}",
        "Waits for all: `{ success, values, error }` each",
    ),
    def(
        "goroutine",
        &["channel"],
        "(capacity: number?, direction: string?) -> any",
        "A channel with `send`, `receive`, `try_send`, `try_receive`, `close` and `range`",
    ),
    def("goroutine", &["channel_cap"], "(channel: any) -> number", "How many values a channel keeps"),
    def("goroutine", &["channel_close"], "(channel: any) -> boolean", "Closes a channel"),
    def("goroutine", &["channel_len"], "(channel: any) -> number", "How many values a channel holds"),
    def(
        "goroutine",
        &["channel_receive"],
        "(channel: any, limit: any?) -> (any, boolean)",
        "Takes a value from a channel",
    ),
    def(
        "goroutine",
        &["channel_send"],
        "(channel: any, value: any) -> boolean",
        "Puts a value into a channel",
    ),
    def(
        "goroutine",
        &["cond"],
        "(mutex: any?) -> any",
        "A condition with `wait`, `signal`, `broadcast` and `get_mutex`",
    ),
    def(
        "goroutine",
        &["context"],
        "() -> (any, () -> ())",
        "A context with `with_cancel`, `with_timeout`, `with_deadline`, `cancel`, `err` and `wait`, and what cancels it",
    ),
    def("goroutine", &["fan_in"], "(channels: {any}) -> any", "One channel with the values of all"),
    def(
        "goroutine",
        &["fan_out"],
        "(channel: any, count: number) -> {any}",
        "Several channels that share the values of one",
    ),
    def(
        "goroutine",
        &["map"],
        "(list: {any}, f: (any, number) -> any, limit: number?) -> {any}",
        "The results of a function for every entry, called side by side; raises the first error when all have ended",
    ),
    def("goroutine", &["mutex"], "() -> any", "A lock with `lock`, `unlock`, `try_lock` and `with`"),
    def("goroutine", &["once"], "() -> any", "Calls a function only the first time"),
    def(
        "goroutine",
        &["pipeline"],
        "(input: any, stages: {any}) -> any",
        "Sends the values of a channel through stages `{ workers, fn }`; what comes out is a channel",
    ),
    def(
        "goroutine",
        &["pool"],
        "(workers: any?) -> any",
        "At most so many at once: `submit`, `wait`, `stats`, `close`",
    ),
    def(
        "goroutine",
        &["pool_close"],
        "(name: string) -> boolean",
        "Closes a pool when all it was given has ended",
    ),
    def(
        "goroutine",
        &["pool_create"],
        "(name: string, options: any?) -> boolean",
        "Makes a pool with a name; `workers` is 4 unless something else is said",
    ),
    def("goroutine", &["pool_stats"], "(name: string) -> { [string]: any }", "Counts of a pool"),
    def(
        "goroutine",
        &["pool_submit"],
        "(name: string, f: (...any) -> ...any, ...any) -> any",
        "Gives a pool something to do",
    ),
    def("goroutine", &["pool_wait"], "(name: string) -> boolean", "Waits for everything a pool was given"),
    def(
        "goroutine",
        &["rwmutex"],
        "() -> any",
        "A lock of many readers or one writer: `rlock`, `runlock`, `lock`, `unlock`",
    ),
    def(
        "goroutine",
        &["select"],
        "(cases: { [any]: any }, seconds: any?) -> (number?, any)",
        "Waits for the first of several channels: the number of the case, and what came",
    ),
    def(
        "goroutine",
        &["select_timeout"],
        "(milliseconds: any, cases: any) -> (boolean, any)",
        "The same for so long: was the time over, and the number of the case",
    ),
    def(
        "goroutine",
        &["semaphore"],
        "(count: number) -> any",
        "At most so many at once: `acquire`, `release`, `try_acquire`, `available`",
    ),
    def(
        "goroutine",
        &["sleep"],
        "(milliseconds: any) -> ()",
        "Waits for so many milliseconds, or for `\"2s\"`",
    ),
    def(
        "goroutine",
        &["spawn", "go"],
        "(f: (...any) -> ...any, ...any) -> any",
        "Starts a function beside this one; the task ends with it and fails with it",
    ),
    def(
        "goroutine",
        &["spawn_many"],
        "(count: number, f: (number) -> ...any) -> {any}",
        "Starts a function so many times",
    ),
    def(
        "goroutine",
        &["timeout"],
        "(milliseconds: any, f: (...any) -> ...any, ...any) -> (boolean, ...any)",
        "Waits for a function for at most so long; it goes on by itself",
    ),
    def("goroutine", &["wait_group"], "() -> any", "A count with `add`, `done`, `wait` and `go`"),
    def("goroutine", &["yield"], "() -> ()", "Lets others run"),
    def(
        "http",
        &["delete"],
        "(url: any, options: { [string]: any }?) -> (HttpResponse?, string?)",
        "Sends DELETE",
    ),
    def(
        "http",
        &["get"],
        "(url: any, options: { [string]: any }?) -> (HttpResponse?, string?)",
        "Sends GET, while planning too. Options are `headers`, `query`, `auth`, `timeout`, `follow`, `max_size`, `retries`, `raise`",
    ),
    def(
        "http",
        &["head"],
        "(url: any, options: { [string]: any }?) -> (HttpResponse?, string?)",
        "Sends HEAD",
    ),
    def(
        "http",
        &["options"],
        "(url: any, options: { [string]: any }?) -> (HttpResponse?, string?)",
        "Sends OPTIONS",
    ),
    def(
        "http",
        &["patch"],
        "(url: any, body: any?, options: { [string]: any }?) -> (HttpResponse?, string?)",
        "Sends PATCH",
    ),
    def(
        "http",
        &["post"],
        "(url: any, body: any?, options: { [string]: any }?) -> (HttpResponse?, string?)",
        "Sends POST: a body, or `json`, or `form`. It is planned and journalled like a command, unless `read_only = true`",
    ),
    def(
        "http",
        &["put"],
        "(url: any, body: any?, options: { [string]: any }?) -> (HttpResponse?, string?)",
        "Sends PUT",
    ),
    def(
        "http",
        &["request"],
        "(options: { [string]: any }) -> (HttpResponse?, string?)",
        "Sends `method` to `url`",
    ),
    def(
        "infra_test",
        &["can_connect"],
        "(host: string, port: number, milliseconds: number?) -> boolean",
        "Fails unless a TCP connection can be made",
    ),
    def(
        "infra_test",
        &["command_fails"],
        "(command: string, target: string?) -> boolean",
        "Fails when a command succeeds",
    ),
    def(
        "infra_test",
        &["command_output_equals"],
        "(command: string, text: string, target: string?) -> boolean",
        "Fails unless a command says exactly this",
    ),
    def(
        "infra_test",
        &["command_stderr_is_empty"],
        "(command: string, target: string?) -> boolean",
        "Fails when a command complains",
    ),
    def(
        "infra_test",
        &["command_stdout_contains"],
        "(command: string, pattern: string, target: string?) -> boolean",
        "Fails unless a command says it, as text or as a regular expression",
    ),
    def(
        "infra_test",
        &["command_succeeds"],
        "(command: string, target: string?) -> boolean",
        "Fails unless a command succeeds",
    ),
    def(
        "infra_test",
        &["file_absent"],
        "(path: string, target: string?) -> boolean",
        "Fails when something is at a path",
    ),
    def(
        "infra_test",
        &["file_contains"],
        "(path: string, pattern: string, target: string?) -> boolean",
        "Fails unless a file contains it, as text or as a regular expression",
    ),
    def(
        "infra_test",
        &["file_exists"],
        "(path: string, target: string?) -> boolean",
        "Fails when nothing is at a path",
    ),
    def(
        "infra_test",
        &["file_group"],
        "(path: string, group: any, target: string?) -> boolean",
        "Fails unless it has this group",
    ),
    def(
        "infra_test",
        &["file_mode"],
        "(path: string, mode: any, target: string?) -> boolean",
        "Fails unless it has this mode",
    ),
    def(
        "infra_test",
        &["file_owner"],
        "(path: string, user: any, target: string?) -> boolean",
        "Fails unless it belongs to this user",
    ),
    def(
        "infra_test",
        &["file_size"],
        "(path: string, bytes: number, target: string?) -> boolean",
        "Fails unless it has so many bytes",
    ),
    def(
        "infra_test",
        &["is_directory"],
        "(path: string, target: string?) -> boolean",
        "Fails unless it is a directory",
    ),
    def(
        "infra_test",
        &["is_file"],
        "(path: string, target: string?) -> boolean",
        "Fails unless it is a file",
    ),
    def(
        "infra_test",
        &["is_link"],
        "(path: string, target: string?) -> boolean",
        "Fails unless it is a symbolic link",
    ),
    def(
        "infra_test",
        &["package_is_absent"],
        "(name: string, target: string?) -> boolean",
        "Fails when a package is installed",
    ),
    def(
        "infra_test",
        &["package_is_installed"],
        "(name: string, target: string?) -> boolean",
        "Fails unless a package is installed",
    ),
    def(
        "infra_test",
        &["package_version"],
        "(name: string, version: string, target: string?) -> boolean",
        "Fails unless a package has this version, or one that begins so",
    ),
    def(
        "infra_test",
        &["ping"],
        "(host: string, count: number?, target: string?) -> boolean",
        "Fails unless a host answers",
    ),
    def(
        "infra_test",
        &["port_is_listening"],
        "(port: number, target: string?) -> boolean",
        "Fails unless somebody listens on a port",
    ),
    def(
        "infra_test",
        &["port_is_tcp"],
        "(port: number, target: string?) -> boolean",
        "The same for TCP only",
    ),
    def(
        "infra_test",
        &["port_is_udp"],
        "(port: number, target: string?) -> boolean",
        "The same for UDP only",
    ),
    def(
        "infra_test",
        &["process_count"],
        "(pattern: string, count: number, target: string?) -> boolean",
        "Fails unless so many processes match",
    ),
    def(
        "infra_test",
        &["process_is_running"],
        "(pattern: string, target: string?) -> boolean",
        "Fails unless a process matches",
    ),
    def(
        "infra_test",
        &["service_is_enabled"],
        "(name: string, target: string?) -> boolean",
        "Fails unless a service starts with the host",
    ),
    def(
        "infra_test",
        &["service_is_running"],
        "(name: string, target: string?) -> boolean",
        "Fails unless a service runs",
    ),
    def(
        "json",
        &["array", "list"],
        "(list: {any}?) -> {any}",
        "A table that is a list even when it is empty",
    ),
    def("json", &["decode", "parse"], "(text: string) -> any", "A value from JSON"),
    def("json", &["encode", "stringify"], "(value: any) -> string", "A value as JSON"),
    def("json", &["encode_pretty", "pretty"], "(value: any) -> string", "A value as JSON with line breaks"),
    def("log", &["debug", "trace"], "(...any) -> ()", "Says something to those who want to know everything"),
    def("log", &["error"], "(...any) -> ()", "Says that something went wrong; fails nothing"),
    def("log", &["info"], "(...any) -> ()", "Says something"),
    def("log", &["print"], "(...any) -> ()", "Says something without a word in front"),
    def("log", &["success"], "(...any) -> ()", "Says that something worked"),
    def("log", &["table"], "(value: any, title: any?) -> ()", "Shows a table"),
    def("log", &["warn", "warning"], "(...any) -> ()", "Says that something looks odd"),
    def(
        "net",
        &["http_get"],
        "(url: any, options: { [string]: any }?) -> (string?, number, any, string?)",
        "GET as the Go program answers it: content, status, headers, error",
    ),
    def(
        "net",
        &["http_post"],
        "(url: any, body: any?, options: { [string]: any }?) -> (string?, number, any, string?)",
        "POST as the Go program answers it",
    ),
    def(
        "net",
        &["ping"],
        "(host: string, options: { [string]: any }?) -> (any, string?)",
        "Does a host answer?",
    ),
    def(
        "net",
        &["port_check", "can_connect", "is_open"],
        "(host: any, port: any?, seconds: any?) -> (boolean, string)",
        "Can a TCP connection be made, and if not, why not",
    ),
    def(
        "net",
        &["port_scan"],
        "(host: string, ports: any, seconds: any?) -> { [string]: any }",
        "Which of these ports are `open` and which `closed`",
    ),
    def(
        "net",
        &["resolve", "dns_lookup"],
        "(name: string, options: any?) -> ({string}?, string?)",
        "The addresses of a name",
    ),
    def(
        "net",
        &["wait_for", "wait_for_port"],
        "(host: any, port: any?, timeout: any?) -> (boolean?, string?)",
        "Waits until a port is open (`state = \"closed\"`: closed), or until `url` answers; fails when `timeout` is over. Does not wait while planning",
    ),
    def(
        "ssh",
        &["key_exists"],
        "(user: any, key: any?, options: { [string]: any }?) -> (boolean?, string?)",
        "Does a key let in as a user of a host? The key is a line of a `.pub` file or a fingerprint; options and comment do not matter. While planning, it tells what is so now",
    ),
    def(
        "ssh",
        &["list_authorized_keys"],
        "(user: any, options: { [string]: any }?) -> ({any}?, any)",
        "The keys that let in as a user of a host: `type`, `key`, `fingerprint`, `comment`, `options`, and `at`, the number of the line. While planning, those that are there now",
    ),
    def(
        "stack",
        &["delete_resource"],
        "(kind: string, name: string) -> boolean",
        "Forgets a registered resource",
    ),
    def("stack", &["depends_on"], "(stack: string) -> boolean", "Declares that this stack needs another one"),
    def("stack", &["get_id", "id"], "() -> string?", "The id of this stack"),
    def("stack", &["get_name", "name"], "() -> string", "The name of this stack"),
    def("stack", &["get_output"], "(name: string, default: any?) -> any", "An output of this stack"),
    def(
        "stack",
        &["get_resource"],
        "(kind: string, name: string) -> any",
        "The record of a resource of this stack",
    ),
    def("stack", &["get_status", "status"], "() -> string?", "The status of this stack"),
    def(
        "stack",
        &["output_of"],
        "(stack: string, name: string, default: any?) -> any",
        "An output of another stack, which this one needs from now on",
    ),
    def(
        "stack",
        &["register_resource", "register"],
        "(resource: { [string]: any }) -> (string, any)",
        "Records a resource that lives only in the record: `created`, `changed` or `unchanged`",
    ),
    def("stack", &["resource"], "(resource: { [string]: any }) -> (any, any)", "The same, applied at once"),
    def("stack", &["resource_exists"], "(kind: string, name: string) -> boolean", "Is it recorded?"),
    def("stack", &["resources", "list_resources"], "(kind: string?) -> {any}", "What is recorded"),
    def(
        "stack",
        &["set_output"],
        "(name: string, value: any, options: { [string]: any }?) -> ()",
        "Offers a value to people and to other stacks; `sensitive = true` hides it",
    ),
    def(
        "stack",
        &["update_resource"],
        "(kind: string, name: string, changes: { [string]: any }) -> boolean",
        "Says how a registered resource is: `state`, `error`",
    ),
    def(
        "state",
        &["add_resource"],
        "(id: string, resource: { [string]: any }) -> any",
        "Adds a resource to a workflow that is written by hand",
    ),
    def("state", &["append"], "(key: string, text: string) -> any", "Adds to the end of a text"),
    def("state", &["clear"], "(prefix: string?) -> any", "Removes every value whose key begins so"),
    def(
        "state",
        &["compare_swap", "compare_and_swap"],
        "(key: string, old: any, new: any) -> boolean",
        "Replaces a value only if it is this one",
    ),
    def("state", &["complete_workflow"], "(id: string) -> any", "Ends a workflow that is written by hand"),
    def(
        "state",
        &["create_workflow"],
        "(workflow: { [string]: any }) -> string",
        "Begins a workflow that is written by hand",
    ),
    def("state", &["decrement", "decr"], "(key: string, by: number?) -> number", "Subtracts from a number"),
    def("state", &["delete", "remove"], "(key: string) -> boolean", "Removes a value"),
    def("state", &["exists", "has"], "(key: string) -> boolean", "Is there a value?"),
    def(
        "state",
        &["fail_workflow"],
        "(id: string, why: string?) -> any",
        "Ends a workflow that is written by hand as failed",
    ),
    def("state", &["get"], "(key: string, default: any?) -> any", "A value that outlives runs"),
    def("state", &["increment", "incr"], "(key: string, by: number?) -> number", "Adds to a number"),
    def("state", &["keys"], "(prefix: string?) -> any", "Keys that begin so"),
    def("state", &["list", "get_all"], "(prefix: string?) -> { [string]: any }", "Values by key"),
    def("state", &["list_length"], "(key: string) -> number", "How many entries a list has"),
    def("state", &["list_pop"], "(key: string) -> any", "Takes the last entry of a list"),
    def("state", &["list_push"], "(key: string, value: any) -> any", "Adds an entry to a list"),
    def(
        "state",
        &["lock"],
        "(name: string, holder: any?, seconds: number?) -> boolean",
        "Takes a named lock, and waits for it",
    ),
    def("state", &["set"], "(key: string, value: any, options: any?) -> any", "Keeps a value"),
    def(
        "state",
        &["set_output"],
        "(id: string, name: string, value: any) -> any",
        "Sets an output of a workflow that is written by hand",
    ),
    def(
        "state",
        &["set_with_ttl"],
        "(key: string, value: any, seconds: number) -> any",
        "Keeps a value for a time",
    ),
    def("state", &["stats"], "() -> { [string]: any }", "How much is kept"),
    def(
        "state",
        &["try_lock"],
        "(name: string, holder: any?, seconds: number?) -> boolean",
        "Takes a named lock if it is free",
    ),
    def("state", &["unlock"], "(name: string, holder: string?) -> boolean", "Gives a named lock back"),
    def(
        "state",
        &["with_lock"],
        "(name: string, f: () -> ...any, seconds: number?) -> ...any",
        "Calls a function while it holds a named lock",
    ),
    def("strings", &["contains"], "(text: string, part: string) -> boolean", "Is it part of the text?"),
    def(
        "strings",
        &["ends_with", "has_suffix"],
        "(text: string, part: string) -> boolean",
        "Does the text end so?",
    ),
    def("strings", &["join"], "(list: {string}, between: string?) -> string", "Texts in a row"),
    def("strings", &["lines"], "(text: string) -> {string}", "The lines of a text"),
    def("strings", &["lower"], "(text: string) -> string", "In small letters"),
    def(
        "strings",
        &["replace"],
        "(text: string, part: string, new: string) -> string",
        "With every part replaced",
    ),
    def("strings", &["split"], "(text: string, separator: string?) -> {string}", "Its parts"),
    def(
        "strings",
        &["starts_with", "has_prefix"],
        "(text: string, part: string) -> boolean",
        "Does the text begin so?",
    ),
    def("strings", &["trim"], "(text: string) -> string", "Without white space around it"),
    def("strings", &["upper"], "(text: string) -> string", "In capital letters"),
    def(
        "systemd",
        &["daemon_reload"],
        "(options: { [string]: any }?) -> any",
        "Lets systemd read its units again",
    ),
    def(
        "systemd",
        &["is_active"],
        "(unit: any, options: { [string]: any }?) -> (boolean, string)",
        "Does a unit run?",
    ),
    def(
        "systemd",
        &["is_enabled"],
        "(unit: any, options: { [string]: any }?) -> (boolean, string)",
        "Does a unit start with the host?",
    ),
    def(
        "systemd",
        &["is_failed"],
        "(unit: any, options: { [string]: any }?) -> (boolean, string)",
        "Has a unit failed?",
    ),
    def(
        "systemd",
        &["reload"],
        "(unit: any, options: { [string]: any }?) -> any",
        "Lets a service read its configuration again",
    ),
    def("systemd", &["restart"], "(unit: any, options: { [string]: any }?) -> any", "Starts a service anew"),
    def(
        "systemd",
        &["status"],
        "(unit: any, options: { [string]: any }?) -> (any, string?)",
        "What systemd says of a unit",
    ),
    def(
        "template",
        &["render"],
        "(template: string, values: { [string]: any }?) -> string",
        "Fills in a template of Jinja; a name that is not there is an error",
    ),
    def("time", &["format", "date"], "(format: string?, seconds: number?) -> string", "A time as text"),
    def("time", &["iso", "rfc3339"], "(seconds: number?) -> string", "A time as RFC 3339 has it"),
    def("time", &["millis", "now_ms"], "() -> number", "Milliseconds since 1970"),
    def("time", &["now", "time", "unix"], "() -> number", "Seconds since 1970"),
    def("time", &["sleep"], "(seconds: any) -> ()", "Waits for so many seconds, or for `\"2s\"`"),
];

/// Second names of modules.
const ALSO: &[(&str, &str)] = &[("file_ops", "file"), ("network", "net")];

/// A language server that is told what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Editor {
    /// `luau-lsp`, with `--definitions`.
    Luau,
    /// `lua-language-server`, as a library.
    LuaLs,
}

/// The text of a definition file.
#[must_use]
pub fn definitions(editor: Editor, catalog: &dyn Catalog) -> String {
    match editor {
        Editor::Luau => luau(catalog),
        Editor::LuaLs => luals(catalog),
    }
}

/// Modules in order, with their own functions and their operations.
fn modules(catalog: &dyn Catalog) -> Vec<(&str, Vec<&Definition>, Vec<&Operation>)> {
    let mut names: Vec<&str> = DEFINITIONS.iter().map(|d| d.module).collect();
    names.extend(catalog.operations().iter().map(|o| o.module));
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .map(|name| {
            let own: Vec<&Definition> = DEFINITIONS.iter().filter(|d| d.module == name).collect();
            let taken = |o: &&Operation| own.iter().any(|d| d.names.contains(&o.name));
            let operations = catalog.operations().iter().filter(|o| o.module == name && !taken(o)).collect();
            (name, own, operations)
        })
        .collect()
}

/// The fields a call of an operation takes, each under its own name and under its others.
fn fields(operation: &Operation) -> impl Iterator<Item = (&'static str, &'static Param)> {
    let own = operation.params.iter().chain(COMMON);
    own.flat_map(|p| std::iter::once((p.name, p)).chain(p.aliases.iter().map(move |a| (*a, p))))
}

fn words(ty: ParamType, quote: impl Fn(&str) -> String) -> Option<String> {
    match ty {
        ParamType::Enum(words) => Some(words.iter().map(|w| quote(w)).collect::<Vec<_>>().join(" | ")),
        _ => None,
    }
}

fn luau_type(ty: ParamType) -> String {
    if let Some(words) = words(ty, |w| format!("\"{w}\"")) {
        return words;
    }
    match ty {
        ParamType::Bool => "boolean",
        ParamType::Bytes | ParamType::Path | ParamType::Source => "string",
        ParamType::Duration | ParamType::Mode | ParamType::Text => "string | number",
        ParamType::Function => "(...any) -> ...any",
        ParamType::Int => "number",
        ParamType::List => "string | { string }",
        ParamType::Map => "{ [string]: any }",
        ParamType::TextOrFunction => "string | ((...any) -> ...any)",
        ParamType::Any | ParamType::Enum(_) => "any",
    }
    .to_owned()
}

const LUAU: &str = "\
export type Result = {
\tchanged: boolean,
\tmessage: string,
\taction: string,
\taddress: string,
\tdiff: { any },
\tname: string,
\t[string]: any,
}
export type ExecResult = {
\tstdout: string,
\tstderr: string,
\texit_code: number,
\tsuccess: boolean,
\tchanged: boolean,
\t[string]: any,
}
export type HttpResponse = {
\tstatus: number,
\tstatus_code: number,
\tbody: string,
\theaders: { [string]: any },
\tjson: any,
\tsuccess: boolean,
\t[string]: any,
}

declare values: { [string]: any }
declare Values: { [string]: any }
declare vars: { [string]: any }
declare function task(name: any, fields: any?): any
declare function handler(name: string, run: (...any) -> ...any): any
declare function import(path: string): ...any
declare workflow: any
";

fn luau(catalog: &dyn Catalog) -> String {
    let mut text =
        String::from("-- What a .sloth file may use, for luau-lsp. Generated; change the code instead.\n\n");
    text.push_str(LUAU);
    for (module, own, operations) in modules(catalog) {
        for o in &operations {
            let _ = writeln!(text, "\nexport type {} = {{", options_type(o));
            for (name, p) in fields(o) {
                let _ = writeln!(text, "\t-- {}\n\t{name}: {}?,", p.doc, grouped(&luau_type(p.ty)));
            }
            text.push_str("}\n");
        }
        let names =
            std::iter::once(module).chain(ALSO.iter().filter(|(_, m)| *m == module).map(|(also, _)| *also));
        for name in names {
            let _ = writeln!(text, "\ndeclare {name}: {{");
            for d in &own {
                for name in d.names {
                    let _ = writeln!(text, "\t-- {}\n\t{name}: {},", d.doc, d.signature);
                }
            }
            for o in &operations {
                for name in std::iter::once(&o.name).chain(o.aliases) {
                    let _ = writeln!(
                        text,
                        "\t-- {}\n\t{name}: ((options: {}) -> (Result, Result)) & ((...any) -> (Result, Result)),",
                        o.doc,
                        options_type(o)
                    );
                }
            }
            text.push_str("\t[string]: any,\n}\n");
        }
    }
    text
}

/// The name of the type of what an operation takes.
fn options_type(operation: &Operation) -> String {
    let words = operation.module.split('_').chain(operation.name.split('_'));
    let mut name = String::new();
    for word in words.chain(["options"]) {
        let mut chars = word.chars();
        name.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        name.push_str(chars.as_str());
    }
    name
}

/// A type that can be made optional.
fn grouped(ty: &str) -> String {
    if ty.contains(" | ") || ty.contains("->") { format!("({ty})") } else { ty.to_owned() }
}

const LUALS: &str = "\
---@class sloth.Result
---@field changed boolean
---@field message string
---@field action string
---@field address string
---@field diff any[]
---@field name string

---@class sloth.ExecResult
---@field stdout string
---@field stderr string
---@field exit_code integer
---@field success boolean
---@field changed boolean

---@class sloth.HttpResponse
---@field status integer
---@field status_code integer
---@field body string
---@field headers table<string, any>
---@field json any
---@field success boolean

---@type table<string, any>
values = {}
---@type table<string, any>
Values = {}
---@type table<string, any>
vars = {}
---@type fun(name: any, fields?: any): any
task = nil
---@type fun(name: string, run: function): any
handler = nil
---@type fun(path: string): any
import = nil
---@type any
workflow = nil
";

fn luals_type(ty: ParamType) -> String {
    if let Some(words) = words(ty, |w| format!("\"{w}\"")) {
        return words;
    }
    match ty {
        ParamType::Bool => "boolean",
        ParamType::Bytes | ParamType::Path | ParamType::Source => "string",
        ParamType::Duration | ParamType::Mode | ParamType::Text => "string|number",
        ParamType::Function => "function",
        ParamType::Int => "integer",
        ParamType::List => "string|string[]",
        ParamType::Map => "table<string, any>",
        ParamType::TextOrFunction => "string|function",
        ParamType::Any | ParamType::Enum(_) => "any",
    }
    .to_owned()
}

/// A function type of Luau as LuaLS writes it.
fn luals_signature(signature: &str) -> String {
    let (arguments, results) = split_arrow(signature);
    let plain = |text: &str| {
        let mut text = text
            .replace("{ [string]: any }", "table<string, any>")
            .replace("{ [any]: any }", "table<any, any>")
            .replace("{string}", "string[]")
            .replace("{any}", "any[]")
            .replace("HttpResponse", "sloth.HttpResponse")
            .replace("ExecResult", "sloth.ExecResult");
        for function in
            ["(...any) -> ...any", "(any, number) -> any", "(number) -> ...any", "() -> ...any", "() -> ()"]
        {
            text = text.replace(function, "function");
        }
        text.replace("...any", "any")
    };
    let inner = arguments.strip_prefix('(').and_then(|a| a.strip_suffix(')')).unwrap_or(arguments);
    let inner = match inner.strip_suffix("...any") {
        Some(rest) if rest.is_empty() || rest.ends_with(", ") => format!("{}...: any", plain(rest)),
        _ => plain(inner),
    };
    let results = match results {
        "()" => String::new(),
        several => {
            let inner = several.strip_prefix('(').and_then(|r| r.strip_suffix(')')).unwrap_or(several);
            format!(": {}", plain(inner))
        }
    };
    format!("fun({inner}){results}")
}

/// Arguments and results, at the arrow that is in no parentheses.
fn split_arrow(signature: &str) -> (&str, &str) {
    let mut depth = 0;
    for (at, c) in signature.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            '-' if depth == 0 && signature[at..].starts_with("-> ") => {
                return (signature[..at].trim_end(), &signature[at + 3..]);
            }
            _ => {}
        }
    }
    (signature, "()")
}

fn luals(catalog: &dyn Catalog) -> String {
    let mut text = String::from(
        "---@meta\n-- What a .sloth file may use, for lua-language-server. Generated; change the code instead.\n\n",
    );
    text.push_str(LUALS);
    for (module, own, operations) in modules(catalog) {
        for o in &operations {
            let _ = writeln!(text, "\n---@class sloth.{module}.{}.Options", o.name);
            for (name, p) in fields(o) {
                let _ = writeln!(text, "---@field {name}? {} {}", luals_type(p.ty), p.doc);
            }
        }
        let _ = writeln!(text, "\n---@class sloth.{module}\n{module} = {{}}");
        for d in &own {
            for name in d.names {
                let signature = luals_signature(d.signature);
                let _ = writeln!(text, "---{}\n---@type {signature}\n{module}.{name} = nil", d.doc);
            }
        }
        for o in &operations {
            for name in std::iter::once(&o.name).chain(o.aliases) {
                let _ = writeln!(
                    text,
                    "---{}\n---@overload fun(options: sloth.{module}.{}.Options): sloth.Result, sloth.Result\n\
                     ---@param ... any\n---@return sloth.Result\n---@return sloth.Result\nfunction {module}.{name}(...) end",
                    o.doc, o.name
                );
            }
        }
        for (also, _) in ALSO.iter().filter(|(_, m)| *m == module) {
            let _ = writeln!(text, "{also} = {module}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_written_alike() {
        let key = |d: &Definition| (d.module, d.names[0]);
        assert!(DEFINITIONS.is_sorted_by_key(key));
        for d in DEFINITIONS {
            assert!(
                d.signature.starts_with('(') && d.signature.contains(" -> "),
                "{}.{}",
                d.module,
                d.names[0]
            );
            assert!(!d.doc.ends_with('.') && !d.doc.is_empty(), "{}.{}", d.module, d.names[0]);
        }
    }

    #[test]
    fn types_are_written_for_the_other_server() {
        for (from, to) in [
            ("() -> ()", "fun()"),
            ("(...any) -> ()", "fun(...: any)"),
            ("(path: string, n: number?) -> string", "fun(path: string, n: number?): string"),
            (
                "(f: (...any) -> ...any, ...any) -> (boolean, ...any)",
                "fun(f: function, ...: any): boolean, any",
            ),
            ("(l: {string}) -> ({any}?, string?)", "fun(l: string[]): any[]?, string?"),
            ("() -> (any, () -> ())", "fun(): any, function"),
        ] {
            assert_eq!(luals_signature(from), to);
        }
    }
}
