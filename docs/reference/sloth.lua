---@meta
-- What a .sloth file may use, for lua-language-server. Generated; change the code instead.

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

---@class sloth.crypto
crypto = {}
---The bytes of a text in base64, the usual or the URL alphabet
---@type fun(text: string): string
crypto.base64_decode = nil
---Bytes in base64
---@type fun(bytes: string): string
crypto.base64_encode = nil
---Are two texts the same? Takes as long whether they are or not
---@type fun(a: string, b: string): boolean
crypto.equal = nil
---Are two texts the same? Takes as long whether they are or not
---@type fun(a: string, b: string): boolean
crypto.constant_time_equal = nil
---A digest by its name, in hexadecimal digits
---@type fun(name: string, bytes: string): string
crypto.hash = nil
---A digest by its name, in hexadecimal digits
---@type fun(name: string, bytes: string): string
crypto.digest = nil
---The bytes of hexadecimal digits
---@type fun(text: string): string
crypto.hex_decode = nil
---Bytes in hexadecimal digits
---@type fun(bytes: string): string
crypto.hex_encode = nil
---A keyed digest by its name, in hexadecimal digits
---@type fun(name: string, key: string, bytes: string): string
crypto.hmac = nil
---MD5, for comparing with what others published; it protects nothing
---@type fun(bytes: string): string
crypto.md5 = nil
---The hash of a password as shadow(5) has it; options are `salt`, `rounds` and `scheme`. Without `salt` it is another one each time
---@type fun(password: string, options: table<string, any>?): string
crypto.password_hash = nil
---Is it the hash of this password?
---@type fun(password: string, hash: string): boolean
crypto.password_verify = nil
---Is it the hash of this password?
---@type fun(password: string, hash: string): boolean
crypto.password_check = nil
---Random bytes in hexadecimal digits
---@type fun(count: number): string
crypto.random_bytes = nil
---Random characters, letters and digits unless something else is said
---@type fun(length: number?, alphabet: string?): string
crypto.random_string = nil
---Random characters, letters and digits unless something else is said
---@type fun(length: number?, alphabet: string?): string
crypto.random = nil
---SHA-1, for comparing with what others published
---@type fun(bytes: string): string
crypto.sha1 = nil
---SHA-256 in hexadecimal digits
---@type fun(bytes: string): string
crypto.sha256 = nil
---SHA-384 in hexadecimal digits
---@type fun(bytes: string): string
crypto.sha384 = nil
---SHA-512 in hexadecimal digits
---@type fun(bytes: string): string
crypto.sha512 = nil
---A random UUID
---@type fun(): string
crypto.uuid = nil

---@class sloth.custom.resource.Options
---@field apply? string|function Brings it about
---@field create? string|function Brings it about
---@field ensure? string|function Brings it about
---@field cwd? string|number Working directory
---@field chdir? string|number Working directory
---@field dir? string|number Working directory
---@field workdir? string|number Working directory
---@field delete? string|function Removes it
---@field absent? string|function Removes it
---@field destroy? string|function Removes it
---@field remove? string|function Removes it
---@field env? table<string, any> Variables added to the environment
---@field environment? table<string, any> Variables added to the environment
---@field expect? any What the probe shall find; anything when it is left out
---@field want? any What the probe shall find; anything when it is left out
---@field name? string|number Its id
---@field id? string|number Its id
---@field probe? string|function Looks, and tells what is there
---@field check? string|function Looks, and tells what is there
---@field observe? string|function Looks, and tells what is there
---@field read? string|function Looks, and tells what is there
---@field timeout? string|number How long it may take
---@field user? string|number Run it as this user
---@field as? string|number Run it as this user
---@field become_user? string|number Run it as this user
---@field run_as? string|number Run it as this user
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.custom
custom = {}
---Makes a type of resources: `name`, `params` (a schema), `id` (the parameter that names one), `probe`, `apply`, `delete` and `expect`. Scripts read parameters as variables; functions get them as a table, and what was found
---@type fun(definition: table<string, any>): any) -> (Result, Result
custom.type = nil
---Makes a resource of your own: how to look at it, bring it about and remove it
---@overload fun(options: sloth.custom.resource.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function custom.resource(...) end
---Makes a resource of your own: how to look at it, bring it about and remove it
---@overload fun(options: sloth.custom.resource.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function custom.define(...) end

---@class sloth.data
data = {}
---Lists, or tables with the same names, as CSV
---@type fun(rows: any[], separator: any?): string
data.csv_generate = nil
---Lists, or tables with the same names, as CSV
---@type fun(rows: any[], separator: any?): string
data.csv_encode = nil
---Lists, or tables with the same names, as CSV
---@type fun(rows: any[], separator: any?): string
data.to_csv = nil
---Rows of CSV as lists, or as tables with `{ header = true }`
---@type fun(text: string, options: any?): any[], any[]
data.csv_parse = nil
---Rows of CSV as lists, or as tables with `{ header = true }`
---@type fun(text: string, options: any?): any[], any[]
data.csv_decode = nil
---Rows of CSV as lists, or as tables with `{ header = true }`
---@type fun(text: string, options: any?): any[], any[]
data.parse_csv = nil
---The second table over the first, tables within tables too
---@type fun(a: table<string, any>, b: table<string, any>): table<string, any>, table<string, any>
data.deep_merge = nil
---The second table over the first, tables within tables too
---@type fun(a: table<string, any>, b: table<string, any>): table<string, any>, table<string, any>
data.merge = nil
---Values by their paths
---@type fun(value: any, separator: string?): table<string, any>
data.flatten = nil
---The value at a path such as `a.b.2`
---@type fun(value: any, path: string, separator: string?): any
data.get_path = nil
---The value at a path such as `a.b.2`
---@type fun(value: any, path: string, separator: string?): any
data.get = nil
---A value from JSON
---@type fun(text: string): any
data.json_decode = nil
---A value from JSON
---@type fun(text: string): any
data.parse_json = nil
---A value as JSON
---@type fun(value: any): string
data.json_encode = nil
---A value as JSON
---@type fun(value: any): string
data.to_json = nil
---A value as JSON with line breaks
---@type fun(value: any): string
data.json_pretty = nil
---JSON as YAML
---@type fun(text: string): string
data.json_to_yaml = nil
---Is it JSON? If not, why not
---@type fun(text: string): boolean, string?
data.json_validate = nil
---A copy with another value at a path
---@type fun(value: any, path: string, new: any, separator: string?): any
data.set_path = nil
---A table from TOML; times are texts
---@type fun(text: string): table<string, any>
data.toml_decode = nil
---A table from TOML; times are texts
---@type fun(text: string): table<string, any>
data.parse_toml = nil
---A table as TOML
---@type fun(value: table<string, any>): string
data.toml_encode = nil
---A table as TOML
---@type fun(value: table<string, any>): string
data.to_toml = nil
---A table from values by their paths
---@type fun(flat: table<string, any>, separator: string?): table<string, any>, table<string, any>
data.unflatten = nil
---A value from YAML
---@type fun(text: string): any
data.yaml_decode = nil
---A value from YAML
---@type fun(text: string): any
data.parse_yaml = nil
---A value as YAML
---@type fun(value: any): string
data.yaml_encode = nil
---A value as YAML
---@type fun(value: any): string
data.to_yaml = nil
---YAML as JSON
---@type fun(text: string): string
data.yaml_to_json = nil

---@class sloth.event
event = {}
---Sends an event `custom.NAME`, which hooks can be bound to
---@type fun(name: string, payload: any?): boolean
event.dispatch = nil
---Sends an event `custom.NAME`, which hooks can be bound to
---@type fun(name: string, payload: any?): boolean
event.emit = nil
---The same with a message
---@type fun(name: string, message: any?): boolean
event.dispatch_custom = nil
---The same about a file
---@type fun(kind: string, path: string, watcher: string?): boolean
event.dispatch_file = nil

---@class sloth.exec
exec = {}
---Runs a command. With `creates`, `removes`, `unless` or `onlyif` it is a resource. Does not raise when it fails, unless `raise = true`
---@type fun(command: any, options: table<string, any>?): sloth.ExecResult, string, boolean
exec.run = nil
---Runs a command. With `creates`, `removes`, `unless` or `onlyif` it is a resource. Does not raise when it fails, unless `raise = true`
---@type fun(command: any, options: table<string, any>?): sloth.ExecResult, string, boolean
exec.command = nil
---Runs a command. With `creates`, `removes`, `unless` or `onlyif` it is a resource. Does not raise when it fails, unless `raise = true`
---@type fun(command: any, options: table<string, any>?): sloth.ExecResult, string, boolean
exec.sh = nil
---Runs a command. With `creates`, `removes`, `unless` or `onlyif` it is a resource. Does not raise when it fails, unless `raise = true`
---@type fun(command: any, options: table<string, any>?): sloth.ExecResult, string, boolean
exec.shell = nil

---@class sloth.facts
facts = {}
---Everything that can be known of a host
---@type fun(options: table<string, any>?): table<string, any>
facts.get_all = nil
---Everything that can be known of a host
---@type fun(options: table<string, any>?): table<string, any>
facts.all = nil
---Processors
---@type fun(options: table<string, any>?): table<string, any>?, string?
facts.get_cpu = nil
---File systems with their sizes, or the one at `mountpoint`
---@type fun(options: table<string, any>?): any, string?
facts.get_disk = nil
---File systems with their sizes
---@type fun(options: table<string, any>?): any[]?, string?
facts.get_disks = nil
---The host's own name
---@type fun(options: table<string, any>?): string?, string?
facts.get_hostname = nil
---Load of the last 1, 5 and 15 minutes
---@type fun(options: table<string, any>?): table<string, any>?, string?
facts.get_load = nil
---Memory in bytes
---@type fun(options: table<string, any>?): table<string, any>?, string?
facts.get_memory = nil
---What is mounted where
---@type fun(options: table<string, any>?): any[]?, string?
facts.get_mounts = nil
---Interfaces with their addresses, or the one named `interface`
---@type fun(options: table<string, any>?): any, string?
facts.get_network = nil
---Installed packages and their manager
---@type fun(options: table<string, any>?): table<string, any>?, string?
facts.get_packages = nil
---System, family, version, kernel and architecture
---@type fun(options: table<string, any>?): table<string, any>?, string?
facts.get_platform = nil
---Processes, counted and listed
---@type fun(options: table<string, any>?): table<string, any>?, string?
facts.get_processes = nil
---Services and their states
---@type fun(options: table<string, any>?): any[]?, string?
facts.get_services = nil
---Since when the host runs, and its time zone
---@type fun(options: table<string, any>?): table<string, any>?, string?
facts.get_uptime = nil
---The user named `username`
---@type fun(options: table<string, any>): any, string?
facts.get_user = nil
---Users
---@type fun(options: table<string, any>?): any[]?, string?
facts.get_users = nil
---The facts of another host: `facts.on("web1").os.family`
---@type fun(host: string): any
facts.on = nil
---One package: `installed`, `version`
---@type fun(name: any, options: table<string, any>?): table<string, any>?, string?
facts.package = nil
---One package: `installed`, `version`
---@type fun(name: any, options: table<string, any>?): table<string, any>?, string?
facts.get_package = nil
---What is at a path: `exists`, `is_dir`, `mode`, `owner`, `size`
---@type fun(path: any, options: table<string, any>?): table<string, any>?, string?
facts.path = nil
---What is at a path: `exists`, `is_dir`, `mode`, `owner`, `size`
---@type fun(path: any, options: table<string, any>?): table<string, any>?, string?
facts.stat = nil
---Forgets what was read of hosts
---@type fun()
facts.refresh = nil
---One service: `active`, `enabled`, `status`
---@type fun(name: any, options: table<string, any>?): table<string, any>?, string?
facts.service = nil
---One service: `active`, `enabled`, `status`
---@type fun(name: any, options: table<string, any>?): table<string, any>?, string?
facts.get_service = nil

---@class sloth.file.absent.Options
---@field force? boolean Remove a directory with everything in it
---@field recurse? boolean Remove a directory with everything in it
---@field recursive? boolean Remove a directory with everything in it
---@field path? string Where, on the target
---@field dest? string Where, on the target
---@field destination? string Where, on the target
---@field dst? string Where, on the target
---@field file? string Where, on the target
---@field name? string Where, on the target
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.file.blockinfile.Options
---@field backup? boolean Keep the file that is replaced beside the new one
---@field block? string|number The lines
---@field content? string|number The lines
---@field text? string|number The lines
---@field create? boolean Make the file when it is missing
---@field first_match? boolean Of several lines that match an expression, the first one counts instead of the last one
---@field firstmatch? boolean Of several lines that match an expression, the first one counts instead of the last one
---@field insert_after? string|number Where it goes when it is new: after the last line that matches this regular expression, or `EOF`, or `BOF`
---@field after? string|number Where it goes when it is new: after the last line that matches this regular expression, or `EOF`, or `BOF`
---@field insertafter? string|number Where it goes when it is new: after the last line that matches this regular expression, or `EOF`, or `BOF`
---@field insert_before? string|number Where it goes when it is new: before the last line that matches this regular expression, or `BOF`
---@field before? string|number Where it goes when it is new: before the last line that matches this regular expression, or `BOF`
---@field insertbefore? string|number Where it goes when it is new: before the last line that matches this regular expression, or `BOF`
---@field marker? string|number Both lines around them in one, with `{mark}` where `BEGIN` and `END` go
---@field marker_begin? string|number The line before them, or the word for it in `marker`; one file can have several blocks
---@field marker_end? string|number The line after them, or the word for it in `marker`
---@field path? string Where, on the target
---@field dest? string Where, on the target
---@field destination? string Where, on the target
---@field dst? string Where, on the target
---@field file? string Where, on the target
---@field name? string Where, on the target
---@field state? "absent" | "present" Shall it be there?
---@field validate? string|number Command that must accept the new file before it goes live; `%s` stands for its path
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.file.content.Options
---@field backup? boolean Keep the file that is replaced beside the new one
---@field content? string What is in it
---@field contents? string What is in it
---@field data? string What is in it
---@field text? string What is in it
---@field create_parents? boolean Make directories that are missing on the way
---@field create_dirs? boolean Make directories that are missing on the way
---@field make_parents? boolean Make directories that are missing on the way
---@field makedirs? boolean Make directories that are missing on the way
---@field parents? boolean Make directories that are missing on the way
---@field follow? boolean When a link is there, manage what it points to
---@field force? boolean Remove a directory that is in the way with everything in it
---@field group? string|number Group, by name or number
---@field in_place? boolean Write into the file instead of replacing it, which readers can see half done; for hard links and mount points
---@field mode? string|number Permissions
---@field permissions? string|number Permissions
---@field perms? string|number Permissions
---@field owner? string|number Owner, by name or number
---@field user? string|number Owner, by name or number
---@field path? string Where, on the target
---@field dest? string Where, on the target
---@field destination? string Where, on the target
---@field dst? string Where, on the target
---@field file? string Where, on the target
---@field name? string Where, on the target
---@field validate? string|number Command that must accept the new file before it goes live; `%s` stands for its path
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.file.copy.Options
---@field backup? boolean Keep the file that is replaced beside the new one
---@field content? string What is in it
---@field contents? string What is in it
---@field data? string What is in it
---@field text? string What is in it
---@field create_parents? boolean Make directories that are missing on the way
---@field create_dirs? boolean Make directories that are missing on the way
---@field make_parents? boolean Make directories that are missing on the way
---@field makedirs? boolean Make directories that are missing on the way
---@field parents? boolean Make directories that are missing on the way
---@field follow? boolean When a link is there, manage what it points to
---@field force? boolean Remove a directory that is in the way with everything in it
---@field group? string|number Group, by name or number
---@field in_place? boolean Write into the file instead of replacing it, which readers can see half done; for hard links and mount points
---@field mode? string|number Permissions
---@field permissions? string|number Permissions
---@field perms? string|number Permissions
---@field owner? string|number Owner, by name or number
---@field user? string|number Owner, by name or number
---@field path? string Where, on the target
---@field dest? string Where, on the target
---@field destination? string Where, on the target
---@field dst? string Where, on the target
---@field file? string Where, on the target
---@field name? string Where, on the target
---@field src? string File on the controller
---@field from? string File on the controller
---@field source? string File on the controller
---@field validate? string|number Command that must accept the new file before it goes live; `%s` stands for its path
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.file.directory.Options
---@field create_parents? boolean Make directories that are missing on the way
---@field create_dirs? boolean Make directories that are missing on the way
---@field make_parents? boolean Make directories that are missing on the way
---@field makedirs? boolean Make directories that are missing on the way
---@field parents? boolean Make directories that are missing on the way
---@field follow? boolean When a link is there, manage what it points to
---@field force? boolean Remove a directory that is in the way with everything in it
---@field group? string|number Group, by name or number
---@field mode? string|number Permissions
---@field permissions? string|number Permissions
---@field perms? string|number Permissions
---@field owner? string|number Owner, by name or number
---@field user? string|number Owner, by name or number
---@field path? string Where, on the target
---@field dest? string Where, on the target
---@field destination? string Where, on the target
---@field dst? string Where, on the target
---@field file? string Where, on the target
---@field name? string Where, on the target
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.file.ini.Options
---@field allow_no_value? boolean Without `value`, the line is the key alone
---@field backup? boolean Keep the file that is replaced beside the new one
---@field create? boolean Make the file when it is missing
---@field key? string|number The key
---@field option? string|number The key
---@field no_extra_spaces? boolean A new line has no spaces around its `=`
---@field path? string Where, on the target
---@field dest? string Where, on the target
---@field destination? string Where, on the target
---@field dst? string Where, on the target
---@field file? string Where, on the target
---@field name? string Where, on the target
---@field section? string|number The section; left out for what stands in front of the first one
---@field state? "absent" | "present" Shall it be there?
---@field validate? string|number Command that must accept the new file before it goes live; `%s` stands for its path
---@field value? any The value, or a list with one value for each of several lines; other lines with the key go
---@field values? any The value, or a list with one value for each of several lines; other lines with the key go
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.file.json.Options
---@field backup? boolean Keep the file that is replaced beside the new one
---@field create? boolean Make the file when it is missing
---@field key? any The names that lead to it, as a list or with dots between them: `a.b`, `a."b.c"`
---@field keys? any The names that lead to it, as a list or with dots between them: `a.b`, `a."b.c"`
---@field option? any The names that lead to it, as a list or with dots between them: `a.b`, `a."b.c"`
---@field path? string Where, on the target
---@field dest? string Where, on the target
---@field destination? string Where, on the target
---@field dst? string Where, on the target
---@field file? string Where, on the target
---@field name? string Where, on the target
---@field state? "absent" | "present" Shall it be there?
---@field validate? string|number Command that must accept the new file before it goes live; `%s` stands for its path
---@field value? any The value; may be left out when it is to be absent
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.file.lineinfile.Options
---@field backrefs? boolean `line` refers to groups of `regexp` as `\1` or `\g<name>`; where nothing matches, nothing is done
---@field back_refs? boolean `line` refers to groups of `regexp` as `\1` or `\g<name>`; where nothing matches, nothing is done
---@field backup? boolean Keep the file that is replaced beside the new one
---@field create? boolean Make the file when it is missing
---@field first_match? boolean Of several lines that match an expression, the first one counts instead of the last one
---@field firstmatch? boolean Of several lines that match an expression, the first one counts instead of the last one
---@field insert_after? string|number Where it goes when it is new: after the last line that matches this regular expression, or `EOF`, or `BOF`
---@field after? string|number Where it goes when it is new: after the last line that matches this regular expression, or `EOF`, or `BOF`
---@field insertafter? string|number Where it goes when it is new: after the last line that matches this regular expression, or `EOF`, or `BOF`
---@field insert_before? string|number Where it goes when it is new: before the last line that matches this regular expression, or `BOF`
---@field before? string|number Where it goes when it is new: before the last line that matches this regular expression, or `BOF`
---@field insertbefore? string|number Where it goes when it is new: before the last line that matches this regular expression, or `BOF`
---@field line? string|number The line; may be left out when a `regexp` is to be absent
---@field path? string Where, on the target
---@field dest? string Where, on the target
---@field destination? string Where, on the target
---@field dst? string Where, on the target
---@field file? string Where, on the target
---@field name? string Where, on the target
---@field regexp? string|number The last line that matches is the one
---@field pattern? string|number The last line that matches is the one
---@field regex? string|number The last line that matches is the one
---@field search? string|number The last line that has this text in it is the one
---@field search_string? string|number The last line that has this text in it is the one
---@field state? "absent" | "present" Shall it be there?
---@field validate? string|number Command that must accept the new file before it goes live; `%s` stands for its path
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.file.permissions.Options
---@field dir_mode? string|number Permissions of directories
---@field directory_mode? string|number Permissions of directories
---@field group? string|number Group, by name or number
---@field mode? string|number Permissions of files
---@field file_mode? string|number Permissions of files
---@field owner? string|number Owner, by name or number
---@field user? string|number Owner, by name or number
---@field path? string Where, on the target
---@field dest? string Where, on the target
---@field destination? string Where, on the target
---@field dst? string Where, on the target
---@field file? string Where, on the target
---@field name? string Where, on the target
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.file.replace.Options
---@field after? string|number Only behind the first match of this regular expression
---@field backup? boolean Keep the file that is replaced beside the new one
---@field before? string|number Only in front of the first match of this regular expression
---@field path? string Where, on the target
---@field dest? string Where, on the target
---@field destination? string Where, on the target
---@field dst? string Where, on the target
---@field file? string Where, on the target
---@field name? string Where, on the target
---@field regexp? string|number What is replaced, wherever it matches; `^` and `$` are the ends of a line
---@field pattern? string|number What is replaced, wherever it matches; `^` and `$` are the ends of a line
---@field regex? string|number What is replaced, wherever it matches; `^` and `$` are the ends of a line
---@field replacement? string|number What comes in its place, nothing when left out; `$1`, `\1` and `\g<name>` stand for groups
---@field replace? string|number What comes in its place, nothing when left out; `$1`, `\1` and `\g<name>` stand for groups
---@field with? string|number What comes in its place, nothing when left out; `$1`, `\1` and `\g<name>` stand for groups
---@field validate? string|number Command that must accept the new file before it goes live; `%s` stands for its path
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.file.symlink.Options
---@field create_parents? boolean Make directories that are missing on the way
---@field create_dirs? boolean Make directories that are missing on the way
---@field make_parents? boolean Make directories that are missing on the way
---@field makedirs? boolean Make directories that are missing on the way
---@field parents? boolean Make directories that are missing on the way
---@field force? boolean Remove a directory that is in the way with everything in it
---@field group? string|number Group, by name or number
---@field owner? string|number Owner, by name or number
---@field user? string|number Owner, by name or number
---@field path? string Where the link is, on the target
---@field dest? string Where the link is, on the target
---@field destination? string Where the link is, on the target
---@field dst? string Where the link is, on the target
---@field link? string Where the link is, on the target
---@field name? string Where the link is, on the target
---@field target? string|number What the link points to
---@field from? string|number What the link points to
---@field source? string|number What the link points to
---@field src? string|number What the link points to
---@field to? string|number What the link points to
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.file.template.Options
---@field backup? boolean Keep the file that is replaced beside the new one
---@field content? string What is in it
---@field contents? string What is in it
---@field data? string What is in it
---@field text? string What is in it
---@field create_parents? boolean Make directories that are missing on the way
---@field create_dirs? boolean Make directories that are missing on the way
---@field make_parents? boolean Make directories that are missing on the way
---@field makedirs? boolean Make directories that are missing on the way
---@field parents? boolean Make directories that are missing on the way
---@field follow? boolean When a link is there, manage what it points to
---@field force? boolean Remove a directory that is in the way with everything in it
---@field group? string|number Group, by name or number
---@field in_place? boolean Write into the file instead of replacing it, which readers can see half done; for hard links and mount points
---@field mode? string|number Permissions
---@field permissions? string|number Permissions
---@field perms? string|number Permissions
---@field owner? string|number Owner, by name or number
---@field user? string|number Owner, by name or number
---@field path? string Where, on the target
---@field dest? string Where, on the target
---@field destination? string Where, on the target
---@field dst? string Where, on the target
---@field file? string Where, on the target
---@field name? string Where, on the target
---@field src? string File on the controller
---@field from? string File on the controller
---@field source? string File on the controller
---@field validate? string|number Command that must accept the new file before it goes live; `%s` stands for its path
---@field vars? table<string, any> Variables of the template
---@field context? table<string, any> Variables of the template
---@field variables? table<string, any> Variables of the template
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.file.toml.Options
---@field backup? boolean Keep the file that is replaced beside the new one
---@field create? boolean Make the file when it is missing
---@field key? any The names that lead to it, as a list or with dots between them: `a.b`, `a."b.c"`
---@field keys? any The names that lead to it, as a list or with dots between them: `a.b`, `a."b.c"`
---@field option? any The names that lead to it, as a list or with dots between them: `a.b`, `a."b.c"`
---@field path? string Where, on the target
---@field dest? string Where, on the target
---@field destination? string Where, on the target
---@field dst? string Where, on the target
---@field file? string Where, on the target
---@field name? string Where, on the target
---@field state? "absent" | "present" Shall it be there?
---@field validate? string|number Command that must accept the new file before it goes live; `%s` stands for its path
---@field value? any The value; may be left out when it is to be absent
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.file.touch.Options
---@field create_parents? boolean Make directories that are missing on the way
---@field create_dirs? boolean Make directories that are missing on the way
---@field make_parents? boolean Make directories that are missing on the way
---@field makedirs? boolean Make directories that are missing on the way
---@field parents? boolean Make directories that are missing on the way
---@field follow? boolean When a link is there, manage what it points to
---@field force? boolean Remove a directory that is in the way with everything in it
---@field group? string|number Group, by name or number
---@field mode? string|number Permissions
---@field permissions? string|number Permissions
---@field perms? string|number Permissions
---@field owner? string|number Owner, by name or number
---@field user? string|number Owner, by name or number
---@field path? string Where, on the target
---@field dest? string Where, on the target
---@field destination? string Where, on the target
---@field dst? string Where, on the target
---@field file? string Where, on the target
---@field name? string Where, on the target
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.file.yaml.Options
---@field backup? boolean Keep the file that is replaced beside the new one
---@field create? boolean Make the file when it is missing
---@field key? any The names that lead to it, as a list or with dots between them: `a.b`, `a."b.c"`
---@field keys? any The names that lead to it, as a list or with dots between them: `a.b`, `a."b.c"`
---@field option? any The names that lead to it, as a list or with dots between them: `a.b`, `a."b.c"`
---@field path? string Where, on the target
---@field dest? string Where, on the target
---@field destination? string Where, on the target
---@field dst? string Where, on the target
---@field file? string Where, on the target
---@field name? string Where, on the target
---@field state? "absent" | "present" Shall it be there?
---@field validate? string|number Command that must accept the new file before it goes live; `%s` stands for its path
---@field value? any The value; may be left out when it is to be absent
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.file
file = {}
---What is at a path of a host: `exists`, `kind`, `size`, `mode`, `owner`, `group`, `mtime`, `checksum`, `target`
---@type fun(path: any, options: table<string, any>?): table<string, any>?, any
file.stat = nil
---Makes sure that nothing is at a path
---@overload fun(options: sloth.file.absent.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.absent(...) end
---Makes sure that nothing is at a path
---@overload fun(options: sloth.file.absent.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.delete(...) end
---Makes sure that nothing is at a path
---@overload fun(options: sloth.file.absent.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.remove(...) end
---Makes sure that some lines are, or are not, in a file, between two markers
---@overload fun(options: sloth.file.blockinfile.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.blockinfile(...) end
---Makes sure that some lines are, or are not, in a file, between two markers
---@overload fun(options: sloth.file.blockinfile.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.block(...) end
---Makes sure that some lines are, or are not, in a file, between two markers
---@overload fun(options: sloth.file.blockinfile.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.block_in_file(...) end
---Makes sure that a file has this content
---@overload fun(options: sloth.file.content.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.content(...) end
---Makes sure that a file has this content
---@overload fun(options: sloth.file.content.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.create(...) end
---Makes sure that a file has this content
---@overload fun(options: sloth.file.content.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.write(...) end
---Makes sure that a file on the target is like one on the controller
---@overload fun(options: sloth.file.copy.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.copy(...) end
---Makes sure that a directory is there
---@overload fun(options: sloth.file.directory.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.directory(...) end
---Makes sure that a directory is there
---@overload fun(options: sloth.file.directory.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.dir(...) end
---Makes sure that a directory is there
---@overload fun(options: sloth.file.directory.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.ensure_dir(...) end
---Makes sure that a directory is there
---@overload fun(options: sloth.file.directory.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.mkdir(...) end
---Makes sure that a setting is, or is not, in an INI file
---@overload fun(options: sloth.file.ini.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.ini(...) end
---Makes sure that a setting is, or is not, in an INI file
---@overload fun(options: sloth.file.ini.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.ini_file(...) end
---Makes sure that a setting is, or is not, in a JSON file
---@overload fun(options: sloth.file.json.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.json(...) end
---Makes sure that a setting is, or is not, in a JSON file
---@overload fun(options: sloth.file.json.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.json_file(...) end
---Makes sure that a line is, or is not, in a file
---@overload fun(options: sloth.file.lineinfile.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.lineinfile(...) end
---Makes sure that a line is, or is not, in a file
---@overload fun(options: sloth.file.lineinfile.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.line(...) end
---Makes sure that a line is, or is not, in a file
---@overload fun(options: sloth.file.lineinfile.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.line_in_file(...) end
---Makes sure that everything in a directory, and the directory, has this owner, group and mode
---@overload fun(options: sloth.file.permissions.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.permissions(...) end
---Makes sure that everything in a directory, and the directory, has this owner, group and mode
---@overload fun(options: sloth.file.permissions.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.chmod_recursive(...) end
---Makes sure that everything in a directory, and the directory, has this owner, group and mode
---@overload fun(options: sloth.file.permissions.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.chown_recursive(...) end
---Makes sure that everything in a directory, and the directory, has this owner, group and mode
---@overload fun(options: sloth.file.permissions.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.rights(...) end
---Makes sure that nothing in a file matches an expression that can be replaced
---@overload fun(options: sloth.file.replace.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.replace(...) end
---Makes sure that a symbolic link is there
---@overload fun(options: sloth.file.symlink.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.symlink(...) end
---Makes sure that a symbolic link is there
---@overload fun(options: sloth.file.symlink.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.link(...) end
---Makes sure that a file has the content a template makes
---@overload fun(options: sloth.file.template.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.template(...) end
---Makes sure that a setting is, or is not, in a TOML file
---@overload fun(options: sloth.file.toml.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.toml(...) end
---Makes sure that a setting is, or is not, in a TOML file
---@overload fun(options: sloth.file.toml.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.toml_file(...) end
---Makes sure that a file is there, whatever is in it
---@overload fun(options: sloth.file.touch.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.touch(...) end
---Makes sure that a setting is, or is not, in a YAML file
---@overload fun(options: sloth.file.yaml.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.yaml(...) end
---Makes sure that a setting is, or is not, in a YAML file
---@overload fun(options: sloth.file.yaml.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.yaml_file(...) end
---Makes sure that a setting is, or is not, in a YAML file
---@overload fun(options: sloth.file.yaml.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function file.yml(...) end
file_ops = file

---@class sloth.fs
fs = {}
---Adds to the end of a file of the controller
---@type fun(path: string, content: string): boolean
fs.append = nil
---The last part of a path
---@type fun(path: string): string
fs.basename = nil
---Copies a file of the controller
---@type fun(from: string, to: string): boolean
fs.copy = nil
---A path without its last part
---@type fun(path: string): string
fs.dirname = nil
---Is there something on the controller?
---@type fun(path: string): boolean
fs.exists = nil
---Is it a directory?
---@type fun(path: string): boolean
fs.is_dir = nil
---Is it a file?
---@type fun(path: string): boolean
fs.is_file = nil
---Names in a directory of the controller
---@type fun(path: string): string[]
fs.ls = nil
---Names in a directory of the controller
---@type fun(path: string): string[]
fs.list = nil
---Makes a directory of the controller, with those above it
---@type fun(path: string): boolean
fs.mkdir = nil
---The content of a file of the controller
---@type fun(path: string): string
fs.read = nil
---The content of a file of the controller
---@type fun(path: string): string
fs.read_file = nil
---Removes a file or an empty directory of the controller
---@type fun(path: string): boolean
fs.rm = nil
---Removes a path of the controller with everything in it
---@type fun(path: string): boolean
fs.rmr = nil
---Bytes of a file of the controller
---@type fun(path: string): number
fs.size = nil
---A name for a temporary file
---@type fun(): string
fs.tmpname = nil
---Writes a file of the controller
---@type fun(path: string, content: string): boolean
fs.write = nil
---Writes a file of the controller
---@type fun(path: string, content: string): boolean
fs.write_file = nil

---@class sloth.goroutine
goroutine = {}
---Starts a function beside this one; `await` waits for it
---@type fun(f: function, ...: any): any
goroutine.async = nil
---A counter with `add`, `load`, `store`, `swap` and `compare_and_swap`
---@type fun(value: number?): any
goroutine.atomic_int = nil
---Waits for what `async` or `spawn` started: `true` and its results, or `false` and its error
---@type fun(handle: any, seconds: any?): boolean, any
goroutine.await = nil
---Waits for all: `{ success, values, error }` each
---@type fun(handles: any[]): any[]
goroutine.await_all = nil
---A channel with `send`, `receive`, `try_send`, `try_receive`, `close` and `range`
---@type fun(capacity: number?, direction: string?): any
goroutine.channel = nil
---How many values a channel keeps
---@type fun(channel: any): number
goroutine.channel_cap = nil
---Closes a channel
---@type fun(channel: any): boolean
goroutine.channel_close = nil
---How many values a channel holds
---@type fun(channel: any): number
goroutine.channel_len = nil
---Takes a value from a channel
---@type fun(channel: any, limit: any?): any, boolean
goroutine.channel_receive = nil
---Puts a value into a channel
---@type fun(channel: any, value: any): boolean
goroutine.channel_send = nil
---A condition with `wait`, `signal`, `broadcast` and `get_mutex`
---@type fun(mutex: any?): any
goroutine.cond = nil
---A context with `with_cancel`, `with_timeout`, `with_deadline`, `cancel`, `err` and `wait`, and what cancels it
---@type fun(): any, function
goroutine.context = nil
---One channel with the values of all
---@type fun(channels: any[]): any
goroutine.fan_in = nil
---Several channels that share the values of one
---@type fun(channel: any, count: number): any[]
goroutine.fan_out = nil
---The results of a function for every entry, called side by side; raises the first error when all have ended
---@type fun(list: any[], f: function, limit: number?): any[]
goroutine.map = nil
---A lock with `lock`, `unlock`, `try_lock` and `with`
---@type fun(): any
goroutine.mutex = nil
---Calls a function only the first time
---@type fun(): any
goroutine.once = nil
---Sends the values of a channel through stages `{ workers, fn }`; what comes out is a channel
---@type fun(input: any, stages: any[]): any
goroutine.pipeline = nil
---At most so many at once: `submit`, `wait`, `stats`, `close`
---@type fun(workers: any?): any
goroutine.pool = nil
---Closes a pool when all it was given has ended
---@type fun(name: string): boolean
goroutine.pool_close = nil
---Makes a pool with a name; `workers` is 4 unless something else is said
---@type fun(name: string, options: any?): boolean
goroutine.pool_create = nil
---Counts of a pool
---@type fun(name: string): table<string, any>
goroutine.pool_stats = nil
---Gives a pool something to do
---@type fun(name: string, f: function, ...: any): any
goroutine.pool_submit = nil
---Waits for everything a pool was given
---@type fun(name: string): boolean
goroutine.pool_wait = nil
---A lock of many readers or one writer: `rlock`, `runlock`, `lock`, `unlock`
---@type fun(): any
goroutine.rwmutex = nil
---Waits for the first of several channels: the number of the case, and what came
---@type fun(cases: table<any, any>, seconds: any?): number?, any
goroutine.select = nil
---The same for so long: was the time over, and the number of the case
---@type fun(milliseconds: any, cases: any): boolean, any
goroutine.select_timeout = nil
---At most so many at once: `acquire`, `release`, `try_acquire`, `available`
---@type fun(count: number): any
goroutine.semaphore = nil
---Waits for so many milliseconds, or for `"2s"`
---@type fun(milliseconds: any)
goroutine.sleep = nil
---Starts a function beside this one; the task ends with it and fails with it
---@type fun(f: function, ...: any): any
goroutine.spawn = nil
---Starts a function beside this one; the task ends with it and fails with it
---@type fun(f: function, ...: any): any
goroutine.go = nil
---Starts a function so many times
---@type fun(count: number, f: function): any[]
goroutine.spawn_many = nil
---Waits for a function for at most so long; it goes on by itself
---@type fun(milliseconds: any, f: function, ...: any): boolean, any
goroutine.timeout = nil
---A count with `add`, `done`, `wait` and `go`
---@type fun(): any
goroutine.wait_group = nil
---Lets others run
---@type fun()
goroutine.yield = nil

---@class sloth.group.create.Options
---@field append? boolean Leave members alone who are not listed
---@field gid? string|number Its number; chosen when it is new and nothing is said
---@field members? string|string[] Who is in it, besides those whose first group it is
---@field users? string|string[] Who is in it, besides those whose first group it is
---@field name? string|number Its name
---@field group? string|number Its name
---@field groupname? string|number Its name
---@field state? "absent" | "present" Shall it be there?
---@field system? boolean Take a number from the system's range when it is new
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.group.delete.Options
---@field name? string|number Its name
---@field group? string|number Its name
---@field groupname? string|number Its name
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.group
group = {}
---Makes sure that a group is there, or not, and who is in it
---@overload fun(options: sloth.group.create.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function group.create(...) end
---Makes sure that a group is there, or not, and who is in it
---@overload fun(options: sloth.group.create.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function group.add(...) end
---Makes sure that a group is there, or not, and who is in it
---@overload fun(options: sloth.group.create.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function group.ensure(...) end
---Makes sure that a group is there, or not, and who is in it
---@overload fun(options: sloth.group.create.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function group.present(...) end
---Makes sure that a group is not there
---@overload fun(options: sloth.group.delete.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function group.delete(...) end
---Makes sure that a group is not there
---@overload fun(options: sloth.group.delete.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function group.absent(...) end
---Makes sure that a group is not there
---@overload fun(options: sloth.group.delete.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function group.remove(...) end

---@class sloth.http
http = {}
---Sends DELETE
---@type fun(url: any, options: table<string, any>?): sloth.HttpResponse?, string?
http.delete = nil
---Sends GET, while planning too. Options are `headers`, `query`, `auth`, `timeout`, `follow`, `max_size`, `retries`, `raise`
---@type fun(url: any, options: table<string, any>?): sloth.HttpResponse?, string?
http.get = nil
---Sends HEAD
---@type fun(url: any, options: table<string, any>?): sloth.HttpResponse?, string?
http.head = nil
---Sends OPTIONS
---@type fun(url: any, options: table<string, any>?): sloth.HttpResponse?, string?
http.options = nil
---Sends PATCH
---@type fun(url: any, body: any?, options: table<string, any>?): sloth.HttpResponse?, string?
http.patch = nil
---Sends POST: a body, or `json`, or `form`. It is planned and journalled like a command, unless `read_only = true`
---@type fun(url: any, body: any?, options: table<string, any>?): sloth.HttpResponse?, string?
http.post = nil
---Sends PUT
---@type fun(url: any, body: any?, options: table<string, any>?): sloth.HttpResponse?, string?
http.put = nil
---Sends `method` to `url`
---@type fun(options: table<string, any>): sloth.HttpResponse?, string?
http.request = nil

---@class sloth.infra_test
infra_test = {}
---Fails unless a TCP connection can be made
---@type fun(host: string, port: number, milliseconds: number?): boolean
infra_test.can_connect = nil
---Fails when a command succeeds
---@type fun(command: string, target: string?): boolean
infra_test.command_fails = nil
---Fails unless a command says exactly this
---@type fun(command: string, text: string, target: string?): boolean
infra_test.command_output_equals = nil
---Fails when a command complains
---@type fun(command: string, target: string?): boolean
infra_test.command_stderr_is_empty = nil
---Fails unless a command says it, as text or as a regular expression
---@type fun(command: string, pattern: string, target: string?): boolean
infra_test.command_stdout_contains = nil
---Fails unless a command succeeds
---@type fun(command: string, target: string?): boolean
infra_test.command_succeeds = nil
---Fails when something is at a path
---@type fun(path: string, target: string?): boolean
infra_test.file_absent = nil
---Fails unless a file contains it, as text or as a regular expression
---@type fun(path: string, pattern: string, target: string?): boolean
infra_test.file_contains = nil
---Fails when nothing is at a path
---@type fun(path: string, target: string?): boolean
infra_test.file_exists = nil
---Fails unless it has this group
---@type fun(path: string, group: any, target: string?): boolean
infra_test.file_group = nil
---Fails unless it has this mode
---@type fun(path: string, mode: any, target: string?): boolean
infra_test.file_mode = nil
---Fails unless it belongs to this user
---@type fun(path: string, user: any, target: string?): boolean
infra_test.file_owner = nil
---Fails unless it has so many bytes
---@type fun(path: string, bytes: number, target: string?): boolean
infra_test.file_size = nil
---Fails unless it is a directory
---@type fun(path: string, target: string?): boolean
infra_test.is_directory = nil
---Fails unless it is a file
---@type fun(path: string, target: string?): boolean
infra_test.is_file = nil
---Fails unless it is a symbolic link
---@type fun(path: string, target: string?): boolean
infra_test.is_link = nil
---Fails when a package is installed
---@type fun(name: string, target: string?): boolean
infra_test.package_is_absent = nil
---Fails unless a package is installed
---@type fun(name: string, target: string?): boolean
infra_test.package_is_installed = nil
---Fails unless a package has this version, or one that begins so
---@type fun(name: string, version: string, target: string?): boolean
infra_test.package_version = nil
---Fails unless a host answers
---@type fun(host: string, count: number?, target: string?): boolean
infra_test.ping = nil
---Fails unless somebody listens on a port
---@type fun(port: number, target: string?): boolean
infra_test.port_is_listening = nil
---The same for TCP only
---@type fun(port: number, target: string?): boolean
infra_test.port_is_tcp = nil
---The same for UDP only
---@type fun(port: number, target: string?): boolean
infra_test.port_is_udp = nil
---Fails unless so many processes match
---@type fun(pattern: string, count: number, target: string?): boolean
infra_test.process_count = nil
---Fails unless a process matches
---@type fun(pattern: string, target: string?): boolean
infra_test.process_is_running = nil
---Fails unless a service starts with the host
---@type fun(name: string, target: string?): boolean
infra_test.service_is_enabled = nil
---Fails unless a service runs
---@type fun(name: string, target: string?): boolean
infra_test.service_is_running = nil

---@class sloth.json
json = {}
---A table that is a list even when it is empty
---@type fun(list: any[]?): any[]
json.array = nil
---A table that is a list even when it is empty
---@type fun(list: any[]?): any[]
json.list = nil
---A value from JSON
---@type fun(text: string): any
json.decode = nil
---A value from JSON
---@type fun(text: string): any
json.parse = nil
---A value as JSON
---@type fun(value: any): string
json.encode = nil
---A value as JSON
---@type fun(value: any): string
json.stringify = nil
---A value as JSON with line breaks
---@type fun(value: any): string
json.encode_pretty = nil
---A value as JSON with line breaks
---@type fun(value: any): string
json.pretty = nil

---@class sloth.log
log = {}
---Says something to those who want to know everything
---@type fun(...: any)
log.debug = nil
---Says something to those who want to know everything
---@type fun(...: any)
log.trace = nil
---Says that something went wrong; fails nothing
---@type fun(...: any)
log.error = nil
---Says something
---@type fun(...: any)
log.info = nil
---Says something without a word in front
---@type fun(...: any)
log.print = nil
---Says that something worked
---@type fun(...: any)
log.success = nil
---Shows a table
---@type fun(value: any, title: any?)
log.table = nil
---Says that something looks odd
---@type fun(...: any)
log.warn = nil
---Says that something looks odd
---@type fun(...: any)
log.warning = nil

---@class sloth.net
net = {}
---GET as the Go program answers it: content, status, headers, error
---@type fun(url: any, options: table<string, any>?): string?, number, any, string?
net.http_get = nil
---POST as the Go program answers it
---@type fun(url: any, body: any?, options: table<string, any>?): string?, number, any, string?
net.http_post = nil
---Does a host answer?
---@type fun(host: string, options: table<string, any>?): any, string?
net.ping = nil
---Can a TCP connection be made, and if not, why not
---@type fun(host: any, port: any?, seconds: any?): boolean, string
net.port_check = nil
---Can a TCP connection be made, and if not, why not
---@type fun(host: any, port: any?, seconds: any?): boolean, string
net.can_connect = nil
---Can a TCP connection be made, and if not, why not
---@type fun(host: any, port: any?, seconds: any?): boolean, string
net.is_open = nil
---Which of these ports are `open` and which `closed`
---@type fun(host: string, ports: any, seconds: any?): table<string, any>
net.port_scan = nil
---The addresses of a name
---@type fun(name: string, options: any?): string[]?, string?
net.resolve = nil
---The addresses of a name
---@type fun(name: string, options: any?): string[]?, string?
net.dns_lookup = nil
---Waits until a port is open (`state = "closed"`: closed), or until `url` answers; fails when `timeout` is over. Does not wait while planning
---@type fun(host: any, port: any?, timeout: any?): boolean?, string?
net.wait_for = nil
---Waits until a port is open (`state = "closed"`: closed), or until `url` answers; fails when `timeout` is over. Does not wait while planning
---@type fun(host: any, port: any?, timeout: any?): boolean?, string?
net.wait_for_port = nil
network = net

---@class sloth.pkg.install.Options
---@field cache_valid_time? string|number Ask what is offered before installing when the lists are older than this
---@field dependents? boolean Let packages go that nobody named, because they need it or are in its way
---@field hold? boolean Have upgrades pass it over
---@field packages? string|string[] Name, or list of names; `name=version` is taken, too
---@field name? string|string[] Name, or list of names; `name=version` is taken, too
---@field names? string|string[] Name, or list of names; `name=version` is taken, too
---@field package? string|string[] Name, or list of names; `name=version` is taken, too
---@field pkg? string|string[] Name, or list of names; `name=version` is taken, too
---@field purge? boolean Remove its configuration files, too
---@field recommends? boolean Install what it only recommends, too
---@field install_recommends? boolean Install what it only recommends, too
---@field refresh? boolean Ask what is offered before installing; not more than once an hour
---@field update_cache? boolean Ask what is offered before installing; not more than once an hour
---@field state? "absent" | "installed" | "latest" | "present" | "purged" | "removed" Shall it be there, or be the newest one on offer?
---@field version? string|number A version, the beginning of one with `*`, or `>=` and the oldest
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.pkg.remove.Options
---@field dependents? boolean Let packages go that nobody named, because they need it or are in its way
---@field packages? string|string[] Name, or list of names; `name=version` is taken, too
---@field name? string|string[] Name, or list of names; `name=version` is taken, too
---@field names? string|string[] Name, or list of names; `name=version` is taken, too
---@field package? string|string[] Name, or list of names; `name=version` is taken, too
---@field pkg? string|string[] Name, or list of names; `name=version` is taken, too
---@field purge? boolean Remove its configuration files, too
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.pkg
pkg = {}
---Makes sure that packages are installed, all of them in one transaction
---@overload fun(options: sloth.pkg.install.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function pkg.install(...) end
---Makes sure that packages are installed, all of them in one transaction
---@overload fun(options: sloth.pkg.install.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function pkg.add(...) end
---Makes sure that packages are installed, all of them in one transaction
---@overload fun(options: sloth.pkg.install.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function pkg.ensure(...) end
---Makes sure that packages are installed, all of them in one transaction
---@overload fun(options: sloth.pkg.install.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function pkg.present(...) end
---Makes sure that packages are not installed
---@overload fun(options: sloth.pkg.remove.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function pkg.remove(...) end
---Makes sure that packages are not installed
---@overload fun(options: sloth.pkg.remove.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function pkg.absent(...) end
---Makes sure that packages are not installed
---@overload fun(options: sloth.pkg.remove.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function pkg.uninstall(...) end

---@class sloth.ssh.authorized_key.Options
---@field allow_empty? boolean Remove it although no key is left then
---@field comment? string|number What is behind the key; left as it is when not given
---@field exclusive? boolean Remove every key that is not listed in this call
---@field key? string|string[] The key as it is in a `.pub` file, or a list of keys; options and comment of such a line count, too
---@field keys? string|string[] The key as it is in a `.pub` file, or a list of keys; options and comment of such a line count, too
---@field public_key? string|string[] The key as it is in a `.pub` file, or a list of keys; options and comment of such a line count, too
---@field options? string|number What the key may be used for, as in sshd(8); left as it is when not given, `""` for no options
---@field key_options? string|number What the key may be used for, as in sshd(8); left as it is when not given, `""` for no options
---@field path? string Another file than the usual one
---@field dest? string Another file than the usual one
---@field file? string Another file than the usual one
---@field state? "absent" | "present" Shall it be there?
---@field user? string|number Whose file it is; a file below the home directory is read and written with the rights of that user
---@field username? string|number Whose file it is; a file below the home directory is read and written with the rights of that user
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.ssh.known_hosts.Options
---@field hash? boolean Write the name of the host as its hash, or plainly; left as it is when not given
---@field hash_host? boolean Write the name of the host as its hash, or plainly; left as it is when not given
---@field hashed? boolean Write the name of the host as its hash, or plainly; left as it is when not given
---@field host? string|number The host; `[host]:port` is understood, too
---@field hostname? string|number The host; `[host]:port` is understood, too
---@field name? string|number The host; `[host]:port` is understood, too
---@field key? string|string[] Its key, or its keys of several types: type and blob, with or without the host in front, as `ssh-keyscan` prints them; may be left out when it is to be unknown
---@field keys? string|string[] Its key, or its keys of several types: type and blob, with or without the host in front, as `ssh-keyscan` prints them; may be left out when it is to be unknown
---@field marker? "cert-authority" | "revoked" The key is one of an authority, for hosts that may be a pattern, or is not to be believed
---@field path? string Another file than the usual one
---@field dest? string Another file than the usual one
---@field file? string Another file than the usual one
---@field port? integer Where it listens, 22 by default
---@field state? "absent" | "present" Shall it be there?
---@field user? string|number Whose file it is; a file below the home directory is read and written with the rights of that user
---@field username? string|number Whose file it is; a file below the home directory is read and written with the rights of that user
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.ssh.remove_authorized_key.Options
---@field allow_empty? boolean Remove it although no key is left then
---@field key? string|string[] The key as it is in a `.pub` file, or a list of keys; options and comment of such a line count, too
---@field keys? string|string[] The key as it is in a `.pub` file, or a list of keys; options and comment of such a line count, too
---@field public_key? string|string[] The key as it is in a `.pub` file, or a list of keys; options and comment of such a line count, too
---@field path? string Another file than the usual one
---@field dest? string Another file than the usual one
---@field file? string Another file than the usual one
---@field user? string|number Whose file it is; a file below the home directory is read and written with the rights of that user
---@field username? string|number Whose file it is; a file below the home directory is read and written with the rights of that user
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.ssh
ssh = {}
---Does a key let in as a user of a host? The key is a line of a `.pub` file or a fingerprint; options and comment do not matter. While planning, it tells what is so now
---@type fun(user: any, key: any?, options: table<string, any>?): boolean?, string?
ssh.key_exists = nil
---The keys that let in as a user of a host: `type`, `key`, `fingerprint`, `comment`, `options`, and `at`, the number of the line. While planning, those that are there now
---@type fun(user: any, options: table<string, any>?): any[]?, any
ssh.list_authorized_keys = nil
---Makes sure that a key lets in as a user, or does not
---@overload fun(options: sloth.ssh.authorized_key.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function ssh.authorized_key(...) end
---Makes sure that a key lets in as a user, or does not
---@overload fun(options: sloth.ssh.authorized_key.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function ssh.add_authorized_key(...) end
---Makes sure that a key lets in as a user, or does not
---@overload fun(options: sloth.ssh.authorized_key.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function ssh.authorized_keys(...) end
---Makes sure that a host is known by a key, to a user or to everybody, and by no other key of that type
---@overload fun(options: sloth.ssh.known_hosts.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function ssh.known_hosts(...) end
---Makes sure that a host is known by a key, to a user or to everybody, and by no other key of that type
---@overload fun(options: sloth.ssh.known_hosts.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function ssh.known_host(...) end
---Makes sure that a key does not let in as a user
---@overload fun(options: sloth.ssh.remove_authorized_key.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function ssh.remove_authorized_key(...) end

---@class sloth.stack
stack = {}
---Forgets a registered resource
---@type fun(kind: string, name: string): boolean
stack.delete_resource = nil
---Declares that this stack needs another one
---@type fun(stack: string): boolean
stack.depends_on = nil
---The id of this stack
---@type fun(): string?
stack.get_id = nil
---The id of this stack
---@type fun(): string?
stack.id = nil
---The name of this stack
---@type fun(): string
stack.get_name = nil
---The name of this stack
---@type fun(): string
stack.name = nil
---An output of this stack
---@type fun(name: string, default: any?): any
stack.get_output = nil
---The record of a resource of this stack
---@type fun(kind: string, name: string): any
stack.get_resource = nil
---The status of this stack
---@type fun(): string?
stack.get_status = nil
---The status of this stack
---@type fun(): string?
stack.status = nil
---An output of another stack, which this one needs from now on
---@type fun(stack: string, name: string, default: any?): any
stack.output_of = nil
---Records a resource that lives only in the record: `created`, `changed` or `unchanged`
---@type fun(resource: table<string, any>): string, any
stack.register_resource = nil
---Records a resource that lives only in the record: `created`, `changed` or `unchanged`
---@type fun(resource: table<string, any>): string, any
stack.register = nil
---The same, applied at once
---@type fun(resource: table<string, any>): any, any
stack.resource = nil
---Is it recorded?
---@type fun(kind: string, name: string): boolean
stack.resource_exists = nil
---What is recorded
---@type fun(kind: string?): any[]
stack.resources = nil
---What is recorded
---@type fun(kind: string?): any[]
stack.list_resources = nil
---Offers a value to people and to other stacks; `sensitive = true` hides it
---@type fun(name: string, value: any, options: table<string, any>?)
stack.set_output = nil
---Says how a registered resource is: `state`, `error`
---@type fun(kind: string, name: string, changes: table<string, any>): boolean
stack.update_resource = nil

---@class sloth.state
state = {}
---Adds a resource to a workflow that is written by hand
---@type fun(id: string, resource: table<string, any>): any
state.add_resource = nil
---Adds to the end of a text
---@type fun(key: string, text: string): any
state.append = nil
---Removes every value whose key begins so
---@type fun(prefix: string?): any
state.clear = nil
---Replaces a value only if it is this one
---@type fun(key: string, old: any, new: any): boolean
state.compare_swap = nil
---Replaces a value only if it is this one
---@type fun(key: string, old: any, new: any): boolean
state.compare_and_swap = nil
---Ends a workflow that is written by hand
---@type fun(id: string): any
state.complete_workflow = nil
---Begins a workflow that is written by hand
---@type fun(workflow: table<string, any>): string
state.create_workflow = nil
---Subtracts from a number
---@type fun(key: string, by: number?): number
state.decrement = nil
---Subtracts from a number
---@type fun(key: string, by: number?): number
state.decr = nil
---Removes a value
---@type fun(key: string): boolean
state.delete = nil
---Removes a value
---@type fun(key: string): boolean
state.remove = nil
---Is there a value?
---@type fun(key: string): boolean
state.exists = nil
---Is there a value?
---@type fun(key: string): boolean
state.has = nil
---Ends a workflow that is written by hand as failed
---@type fun(id: string, why: string?): any
state.fail_workflow = nil
---A value that outlives runs
---@type fun(key: string, default: any?): any
state.get = nil
---Adds to a number
---@type fun(key: string, by: number?): number
state.increment = nil
---Adds to a number
---@type fun(key: string, by: number?): number
state.incr = nil
---Keys that begin so
---@type fun(prefix: string?): any
state.keys = nil
---Values by key
---@type fun(prefix: string?): table<string, any>
state.list = nil
---Values by key
---@type fun(prefix: string?): table<string, any>
state.get_all = nil
---How many entries a list has
---@type fun(key: string): number
state.list_length = nil
---Takes the last entry of a list
---@type fun(key: string): any
state.list_pop = nil
---Adds an entry to a list
---@type fun(key: string, value: any): any
state.list_push = nil
---Takes a named lock, and waits for it
---@type fun(name: string, holder: any?, seconds: number?): boolean
state.lock = nil
---Keeps a value
---@type fun(key: string, value: any, options: any?): any
state.set = nil
---Sets an output of a workflow that is written by hand
---@type fun(id: string, name: string, value: any): any
state.set_output = nil
---Keeps a value for a time
---@type fun(key: string, value: any, seconds: number): any
state.set_with_ttl = nil
---How much is kept
---@type fun(): table<string, any>
state.stats = nil
---Takes a named lock if it is free
---@type fun(name: string, holder: any?, seconds: number?): boolean
state.try_lock = nil
---Gives a named lock back
---@type fun(name: string, holder: string?): boolean
state.unlock = nil
---Calls a function while it holds a named lock
---@type fun(name: string, f: function, seconds: number?): any
state.with_lock = nil

---@class sloth.strings
strings = {}
---Is it part of the text?
---@type fun(text: string, part: string): boolean
strings.contains = nil
---Does the text end so?
---@type fun(text: string, part: string): boolean
strings.ends_with = nil
---Does the text end so?
---@type fun(text: string, part: string): boolean
strings.has_suffix = nil
---Texts in a row
---@type fun(list: string[], between: string?): string
strings.join = nil
---The lines of a text
---@type fun(text: string): string[]
strings.lines = nil
---In small letters
---@type fun(text: string): string
strings.lower = nil
---With every part replaced
---@type fun(text: string, part: string, new: string): string
strings.replace = nil
---Its parts
---@type fun(text: string, separator: string?): string[]
strings.split = nil
---Does the text begin so?
---@type fun(text: string, part: string): boolean
strings.starts_with = nil
---Does the text begin so?
---@type fun(text: string, part: string): boolean
strings.has_prefix = nil
---Without white space around it
---@type fun(text: string): string
strings.trim = nil
---In capital letters
---@type fun(text: string): string
strings.upper = nil

---@class sloth.systemd.disable.Options
---@field name? string|number The unit; `.service` when it says no sort
---@field service? string|number The unit; `.service` when it says no sort
---@field unit? string|number The unit; `.service` when it says no sort
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.systemd.enable.Options
---@field name? string|number The unit; `.service` when it says no sort
---@field service? string|number The unit; `.service` when it says no sort
---@field unit? string|number The unit; `.service` when it says no sort
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.systemd.ensure.Options
---@field enabled? boolean Shall it start with the system?
---@field enable? boolean Shall it start with the system?
---@field masked? boolean Shall it be impossible to start?
---@field name? string|number The unit; `.service` when it says no sort
---@field service? string|number The unit; `.service` when it says no sort
---@field unit? string|number The unit; `.service` when it says no sort
---@field state? "running" | "started" | "stopped" Shall it run?
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.systemd.mask.Options
---@field name? string|number The unit; `.service` when it says no sort
---@field service? string|number The unit; `.service` when it says no sort
---@field unit? string|number The unit; `.service` when it says no sort
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.systemd.start.Options
---@field name? string|number The unit; `.service` when it says no sort
---@field service? string|number The unit; `.service` when it says no sort
---@field unit? string|number The unit; `.service` when it says no sort
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.systemd.stop.Options
---@field name? string|number The unit; `.service` when it says no sort
---@field service? string|number The unit; `.service` when it says no sort
---@field unit? string|number The unit; `.service` when it says no sort
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.systemd.unmask.Options
---@field name? string|number The unit; `.service` when it says no sort
---@field service? string|number The unit; `.service` when it says no sort
---@field unit? string|number The unit; `.service` when it says no sort
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.systemd
systemd = {}
---Lets systemd read its units again
---@type fun(options: table<string, any>?): any
systemd.daemon_reload = nil
---Does a unit run?
---@type fun(unit: any, options: table<string, any>?): boolean, string
systemd.is_active = nil
---Does a unit start with the host?
---@type fun(unit: any, options: table<string, any>?): boolean, string
systemd.is_enabled = nil
---Has a unit failed?
---@type fun(unit: any, options: table<string, any>?): boolean, string
systemd.is_failed = nil
---Lets a service read its configuration again
---@type fun(unit: any, options: table<string, any>?): any
systemd.reload = nil
---Starts a service anew
---@type fun(unit: any, options: table<string, any>?): any
systemd.restart = nil
---What systemd says of a unit
---@type fun(unit: any, options: table<string, any>?): any, string?
systemd.status = nil
---Makes sure that a unit does not start with the system
---@overload fun(options: sloth.systemd.disable.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function systemd.disable(...) end
---Makes sure that a unit starts with the system
---@overload fun(options: sloth.systemd.enable.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function systemd.enable(...) end
---Makes sure that a unit runs or not, and starts with the system or not
---@overload fun(options: sloth.systemd.ensure.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function systemd.ensure(...) end
---Makes sure that a unit runs or not, and starts with the system or not
---@overload fun(options: sloth.systemd.ensure.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function systemd.service(...) end
---Makes sure that a unit cannot be started
---@overload fun(options: sloth.systemd.mask.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function systemd.mask(...) end
---Makes sure that a unit runs
---@overload fun(options: sloth.systemd.start.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function systemd.start(...) end
---Makes sure that a unit does not run
---@overload fun(options: sloth.systemd.stop.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function systemd.stop(...) end
---Makes sure that a unit can be started
---@overload fun(options: sloth.systemd.unmask.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function systemd.unmask(...) end

---@class sloth.template
template = {}
---Fills in a template of Jinja; a name that is not there is an error
---@type fun(template: string, values: table<string, any>?): string
template.render = nil

---@class sloth.time
time = {}
---A time as text
---@type fun(format: string?, seconds: number?): string
time.format = nil
---A time as text
---@type fun(format: string?, seconds: number?): string
time.date = nil
---A time as RFC 3339 has it
---@type fun(seconds: number?): string
time.iso = nil
---A time as RFC 3339 has it
---@type fun(seconds: number?): string
time.rfc3339 = nil
---Milliseconds since 1970
---@type fun(): number
time.millis = nil
---Milliseconds since 1970
---@type fun(): number
time.now_ms = nil
---Seconds since 1970
---@type fun(): number
time.now = nil
---Seconds since 1970
---@type fun(): number
time.time = nil
---Seconds since 1970
---@type fun(): number
time.unix = nil
---Waits for so many seconds, or for `"2s"`
---@type fun(seconds: any)
time.sleep = nil

---@class sloth.user.create.Options
---@field append? boolean Leave other groups it is in alone
---@field comment? string|number Its real name or what it is for
---@field fullname? string|number Its real name or what it is for
---@field gecos? string|number Its real name or what it is for
---@field create_home? boolean Make its home directory from `/etc/skel` when the user is new; the default, except for `system`
---@field createhome? boolean Make its home directory from `/etc/skel` when the user is new; the default, except for `system`
---@field expires? string|number The day from which on it cannot log in, as `2027-03-31`, or `never`
---@field expire_date? string|number The day from which on it cannot log in, as `2027-03-31`, or `never`
---@field expiry? string|number The day from which on it cannot log in, as `2027-03-31`, or `never`
---@field group? string|number Its first group, by name or number
---@field gid? string|number Its first group, by name or number
---@field primary_group? string|number Its first group, by name or number
---@field groups? string|string[] Its other groups
---@field home? string Its home directory
---@field home_dir? string Its home directory
---@field locked? boolean Lock or unlock its password
---@field lock? boolean Lock or unlock its password
---@field name? string|number Its name
---@field login? string|number Its name
---@field user? string|number Its name
---@field username? string|number Its name
---@field no_create_home? boolean Make no home directory
---@field password? string|number Hash of its password, as `mkpasswd` or `openssl passwd -6` makes it
---@field password_hash? string|number Hash of its password, as `mkpasswd` or `openssl passwd -6` makes it
---@field remove_home? boolean Remove its home directory, too, for good
---@field remove? boolean Remove its home directory, too, for good
---@field shell? string|number Its shell
---@field state? "absent" | "present" Shall it be there?
---@field system? boolean Take a number from the system's range when it is new
---@field uid? string|number Its number; chosen when it is new and nothing is said
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.user.delete.Options
---@field name? string|number Its name
---@field login? string|number Its name
---@field user? string|number Its name
---@field username? string|number Its name
---@field remove_home? boolean Remove its home directory, too, for good
---@field remove? boolean Remove its home directory, too, for good
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.user.group_create.Options
---@field append? boolean Leave members alone who are not listed
---@field gid? string|number Its number; chosen when it is new and nothing is said
---@field members? string|string[] Who is in it, besides those whose first group it is
---@field users? string|string[] Who is in it, besides those whose first group it is
---@field name? string|number Its name
---@field group? string|number Its name
---@field groupname? string|number Its name
---@field state? "absent" | "present" Shall it be there?
---@field system? boolean Take a number from the system's range when it is new
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.user.group_delete.Options
---@field name? string|number Its name
---@field group? string|number Its name
---@field groupname? string|number Its name
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.user.modify.Options
---@field append? boolean Leave other groups it is in alone
---@field comment? string|number Its real name or what it is for
---@field fullname? string|number Its real name or what it is for
---@field gecos? string|number Its real name or what it is for
---@field expires? string|number The day from which on it cannot log in, as `2027-03-31`, or `never`
---@field expire_date? string|number The day from which on it cannot log in, as `2027-03-31`, or `never`
---@field expiry? string|number The day from which on it cannot log in, as `2027-03-31`, or `never`
---@field group? string|number Its first group, by name or number
---@field gid? string|number Its first group, by name or number
---@field primary_group? string|number Its first group, by name or number
---@field groups? string|string[] Its other groups
---@field home? string Its home directory
---@field home_dir? string Its home directory
---@field locked? boolean Lock or unlock its password
---@field lock? boolean Lock or unlock its password
---@field name? string|number Its name
---@field login? string|number Its name
---@field user? string|number Its name
---@field username? string|number Its name
---@field password? string|number Hash of its password, as `mkpasswd` or `openssl passwd -6` makes it
---@field password_hash? string|number Hash of its password, as `mkpasswd` or `openssl passwd -6` makes it
---@field shell? string|number Its shell
---@field delegate_to? string|string[] Host, or list of hosts, the resource lives on
---@field depends_on? string|string[] Addresses of resources this one needs
---@field ignore_errors? boolean Return `nil, message` instead of raising when it fails
---@field keep? boolean Forget it instead of removing it when it leaves the code
---@field notify? string|string[] Handlers to run once at the end when this resource changed
---@field protect? boolean Refuse to delete it
---@field sensitive? boolean Never show its values
---@field take_over? boolean Take it over from the stack that owns it
---@field when? boolean Skip the call when false

---@class sloth.user
user = {}
---Makes sure that a user is there, or not, and how it is
---@overload fun(options: sloth.user.create.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function user.create(...) end
---Makes sure that a user is there, or not, and how it is
---@overload fun(options: sloth.user.create.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function user.add(...) end
---Makes sure that a user is there, or not, and how it is
---@overload fun(options: sloth.user.create.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function user.ensure(...) end
---Makes sure that a user is there, or not, and how it is
---@overload fun(options: sloth.user.create.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function user.present(...) end
---Makes sure that a user is not there
---@overload fun(options: sloth.user.delete.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function user.delete(...) end
---Makes sure that a user is not there
---@overload fun(options: sloth.user.delete.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function user.absent(...) end
---Makes sure that a user is not there
---@overload fun(options: sloth.user.delete.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function user.remove(...) end
---The same as `group.create`
---@overload fun(options: sloth.user.group_create.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function user.group_create(...) end
---The same as `group.delete`
---@overload fun(options: sloth.user.group_delete.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function user.group_delete(...) end
---Changes a user that has to be there
---@overload fun(options: sloth.user.modify.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function user.modify(...) end
---Changes a user that has to be there
---@overload fun(options: sloth.user.modify.Options): sloth.Result, sloth.Result
---@param ... any
---@return sloth.Result
---@return sloth.Result
function user.update(...) end
