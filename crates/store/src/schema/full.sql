-- Tables hold what is true once; views offer the shapes that people and older tools ask for.
-- Times are nanoseconds since 1970-01-01 UTC, for display only. Order comes from numbers.
-- `stack` is the internal number of a stack; the id that never changes is `stacks.id`.

CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE stacks (
  num INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  version TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('created', 'running', 'completed', 'failed', 'rolled_back')),
  workflow_file TEXT,
  configuration TEXT NOT NULL CHECK (json_valid(configuration)),
  metadata TEXT NOT NULL CHECK (json_valid(metadata)),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  completed_at INTEGER,
  last_run_at INTEGER,
  execution_count INTEGER NOT NULL,
  last_duration INTEGER NOT NULL,
  last_error TEXT,
  rolled_back_to INTEGER,
  head INTEGER NOT NULL CHECK (head >= 0),
  head_hash BLOB NOT NULL CHECK (length(head_hash) = 32),
  fence INTEGER NOT NULL CHECK (fence >= 0),
  pending INTEGER NOT NULL CHECK (pending IN (0, 1)),
  resource_count INTEGER NOT NULL CHECK (resource_count >= 0),
  detection INTEGER NOT NULL,
  deleted_at INTEGER
, sum INTEGER) STRICT;
CREATE UNIQUE INDEX stacks_name ON stacks (name) WHERE deleted_at IS NULL;

-- The newest record of each resource; `from_version` = head + 1 means that its version is not sealed yet.
CREATE TABLE resource_rows (
  stack INTEGER NOT NULL REFERENCES stacks (num),
  address TEXT NOT NULL,
  from_version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  digest BLOB NOT NULL CHECK (length(digest) = 32),
  body TEXT NOT NULL, sum INTEGER,
  PRIMARY KEY (stack, address)
) STRICT, WITHOUT ROWID;

-- Records that ended: valid from `from_version` up to, but not in, `to_version`. An empty body was collected, because
-- all versions that showed it are removed; the digest stays for the chain.
CREATE TABLE resource_history (
  stack INTEGER NOT NULL REFERENCES stacks (num),
  to_version INTEGER NOT NULL,
  address TEXT NOT NULL,
  from_version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  digest BLOB NOT NULL CHECK (length(digest) = 32),
  body TEXT NOT NULL, sum INTEGER,
  PRIMARY KEY (stack, to_version, address)
) STRICT, WITHOUT ROWID;

CREATE TABLE output_rows (
  stack INTEGER NOT NULL REFERENCES stacks (num),
  name TEXT NOT NULL,
  from_version INTEGER NOT NULL,
  digest BLOB NOT NULL CHECK (length(digest) = 32),
  body TEXT NOT NULL,
  PRIMARY KEY (stack, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE output_history (
  stack INTEGER NOT NULL REFERENCES stacks (num),
  to_version INTEGER NOT NULL,
  name TEXT NOT NULL,
  from_version INTEGER NOT NULL,
  digest BLOB NOT NULL CHECK (length(digest) = 32),
  body TEXT NOT NULL,
  PRIMARY KEY (stack, to_version, name)
) STRICT, WITHOUT ROWID;

-- What stacks need of each other is a part of their versions; `name` is the id of the stack that is needed.
CREATE TABLE upstream_rows (
  stack INTEGER NOT NULL REFERENCES stacks (num),
  name TEXT NOT NULL,
  from_version INTEGER NOT NULL,
  digest BLOB NOT NULL CHECK (length(digest) = 32),
  body TEXT NOT NULL,
  PRIMARY KEY (stack, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE upstream_history (
  stack INTEGER NOT NULL REFERENCES stacks (num),
  to_version INTEGER NOT NULL,
  name TEXT NOT NULL,
  from_version INTEGER NOT NULL,
  digest BLOB NOT NULL CHECK (length(digest) = 32),
  body TEXT NOT NULL,
  PRIMARY KEY (stack, to_version, name)
) STRICT, WITHOUT ROWID;

-- What the version that is not sealed yet has changed so far; a missing digest means removed.
CREATE TABLE pending_changes (
  stack INTEGER NOT NULL REFERENCES stacks (num),
  kind TEXT NOT NULL CHECK (kind IN ('output', 'resource', 'upstream')),
  name TEXT NOT NULL,
  digest BLOB CHECK (length(digest) = 32),
  PRIMARY KEY (stack, kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE versions (
  stack INTEGER NOT NULL REFERENCES stacks (num),
  version INTEGER NOT NULL CHECK (version > 0),
  kind TEXT NOT NULL CHECK (kind IN ('run', 'snapshot', 'restore', 'edit', 'destroy')),
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  description TEXT NOT NULL,
  run TEXT,
  successful INTEGER NOT NULL CHECK (successful IN (0, 1)),
  written INTEGER NOT NULL,
  removed INTEGER NOT NULL,
  prev_hash BLOB NOT NULL CHECK (length(prev_hash) = 32),
  hash BLOB NOT NULL CHECK (length(hash) = 32), removed_at INTEGER,
  PRIMARY KEY (stack, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE operations (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL CHECK (json_valid(actor)),
  verb TEXT NOT NULL,
  arguments TEXT NOT NULL CHECK (json_valid(arguments)),
  stack_id TEXT,
  stack_name TEXT,
  before INTEGER,
  after INTEGER,
  undo TEXT NOT NULL CHECK (json_valid(undo)),
  undoes INTEGER,
  prev_hash BLOB NOT NULL CHECK (length(prev_hash) = 32),
  hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- `stack` 0 holds the events of no stack.
CREATE TABLE events (
  stack INTEGER NOT NULL,
  seq INTEGER NOT NULL CHECK (seq > 0),
  id BLOB NOT NULL CHECK (length(id) = 16),
  kind TEXT NOT NULL,
  severity INTEGER NOT NULL CHECK (severity BETWEEN 0 AND 2),
  at INTEGER NOT NULL,
  run TEXT,
  task TEXT,
  address TEXT,
  message TEXT NOT NULL,
  payload TEXT, actor TEXT,
  PRIMARY KEY (stack, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
  pos INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  stack INTEGER NOT NULL REFERENCES stacks (num),
  operation TEXT NOT NULL,
  status TEXT NOT NULL
    CHECK (status IN ('running', 'completed', 'failed', 'interrupted', 'crashed', 'rolled_back')),
  started_at INTEGER NOT NULL,
  completed_at INTEGER,
  actor TEXT NOT NULL,
  task_count INTEGER NOT NULL,
  success_count INTEGER NOT NULL,
  failure_count INTEGER NOT NULL,
  skipped_count INTEGER NOT NULL,
  counts TEXT NOT NULL CHECK (json_valid(counts)),
  version INTEGER,
  error_message TEXT,
  program TEXT
) STRICT;
CREATE INDEX runs_stack ON runs (stack, pos);

CREATE TABLE drift_findings (
  stack INTEGER NOT NULL REFERENCES stacks (num),
  detection INTEGER NOT NULL,
  address TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('clean', 'drifted', 'unknown', 'not_checkable')),
  expected TEXT,
  actual TEXT,
  diff TEXT NOT NULL CHECK (json_valid(diff)),
  reason TEXT NOT NULL CHECK (json_valid(reason)),
  detected_at INTEGER NOT NULL,
  resolution TEXT NOT NULL CHECK (resolution IN ('pending', 'resolved', 'ignored')), since INTEGER NOT NULL DEFAULT 0, looks INTEGER NOT NULL DEFAULT 1, settled_by TEXT, settled_at INTEGER, settled_with TEXT,
  PRIMARY KEY (stack, detection, address)
) STRICT, WITHOUT ROWID;
CREATE INDEX drift_findings_open ON drift_findings (stack, address)
  WHERE resolution <> 'resolved' AND status <> 'clean';

-- What people do not want to hear of; an empty `attribute` is the whole resource.
CREATE TABLE drift_ignores (
  stack INTEGER NOT NULL REFERENCES stacks (num),
  address TEXT NOT NULL,
  attribute TEXT NOT NULL,
  reason TEXT NOT NULL,
  ignored_by TEXT NOT NULL,
  ignored_at INTEGER NOT NULL,
  until INTEGER,
  PRIMARY KEY (stack, address, attribute)
) STRICT, WITHOUT ROWID;

CREATE TABLE handlers (
  pos INTEGER PRIMARY KEY,
  stack INTEGER NOT NULL REFERENCES stacks (num),
  name TEXT NOT NULL,
  queued_by TEXT NOT NULL,
  queued_at INTEGER NOT NULL,
  UNIQUE (stack, name)
) STRICT;

CREATE TABLE state_values (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL CHECK (json_valid(value)),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  expires_at INTEGER,
  revision INTEGER NOT NULL CHECK (revision > 0), sum INTEGER,
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE value_locks (
  name TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- `expires_boot` and `renewed_boot` are on the clock that `boot_id` names; `expires_at` is for people, except that a
-- person's lock outlives the boot it was taken in.
CREATE TABLE leases (
  stack INTEGER NOT NULL REFERENCES stacks (num),
  kind TEXT NOT NULL CHECK (kind IN ('person', 'process')),
  lock_id TEXT NOT NULL,
  locked_by TEXT NOT NULL,
  operation TEXT NOT NULL,
  reason TEXT NOT NULL,
  host TEXT NOT NULL,
  pid INTEGER NOT NULL,
  pid_start INTEGER NOT NULL,
  pid_space INTEGER NOT NULL,
  boot_id TEXT NOT NULL,
  locked_at INTEGER NOT NULL,
  renewed_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  renewed_boot INTEGER NOT NULL,
  expires_boot INTEGER NOT NULL,
  ttl INTEGER NOT NULL,
  fence INTEGER NOT NULL,
  PRIMARY KEY (stack, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE waiters (
  ticket INTEGER PRIMARY KEY AUTOINCREMENT,
  stack INTEGER NOT NULL REFERENCES stacks (num),
  name TEXT NOT NULL,
  operation TEXT NOT NULL,
  presents TEXT,
  host TEXT NOT NULL,
  pid INTEGER NOT NULL,
  pid_start INTEGER NOT NULL,
  pid_space INTEGER NOT NULL,
  boot_id TEXT NOT NULL,
  seen INTEGER NOT NULL
) STRICT;
CREATE INDEX waiters_stack ON waiters (stack, ticket);

-- Who is told about events.
CREATE TABLE hooks (
  name TEXT PRIMARY KEY,
  enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
  body TEXT NOT NULL CHECK (json_valid(body)),
  runs INTEGER NOT NULL,
  last_run INTEGER
) STRICT, WITHOUT ROWID;

-- Events that hooks have not taken yet. `token` names the process that is at it; nobody else is before `due_at`.
CREATE TABLE hook_deliveries (
  num INTEGER PRIMARY KEY AUTOINCREMENT,
  hook TEXT NOT NULL,
  stack INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  dead INTEGER NOT NULL CHECK (dead IN (0, 1)),
  token TEXT
) STRICT;

CREATE TABLE hook_attempts (
  hook TEXT NOT NULL,
  num INTEGER NOT NULL,
  event TEXT NOT NULL,
  kind TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  at INTEGER NOT NULL,
  duration INTEGER NOT NULL,
  outcome TEXT NOT NULL CHECK (outcome IN ('delivered', 'failed', 'dead')),
  status INTEGER,
  error TEXT,
  output TEXT NOT NULL,
  PRIMARY KEY (hook, num)
) STRICT, WITHOUT ROWID;

-- `codec` 0 is plain, 1 is zstd.
CREATE TABLE blobs (
  digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
  codec INTEGER NOT NULL CHECK (codec IN (0, 1)),
  size INTEGER NOT NULL,
  data BLOB NOT NULL
) STRICT;

-- Intents of commands that cannot be looked at afterwards. All other steps are in the files beside the database.
CREATE TABLE journal_steps (
  run TEXT NOT NULL,
  seq INTEGER NOT NULL,
  stack_id TEXT NOT NULL,
  intention TEXT NOT NULL CHECK (json_valid(intention)),
  captured TEXT NOT NULL CHECK (json_valid(captured)),
  PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

CREATE VIEW resources AS
  SELECT s.id || '/' || r.address AS id, s.id AS stack_id,
    substr(r.address, 1, instr(r.address, ':') - 1) AS type,
    substr(r.address, instr(r.address, ':') + 1) AS name,
    r.body ->> 'module' AS module, r.body -> 'spec' AS properties,
    coalesce(r.body -> '$.options.depends_on', '[]') AS dependencies,
    r.body ->> 'condition' AS state, lower(hex(r.digest)) AS checksum,
    datetime(r.created_at / 1000000000, 'unixepoch') AS created_at,
    datetime(r.updated_at / 1000000000, 'unixepoch') AS updated_at,
    datetime(r.updated_at / 1000000000, 'unixepoch') AS last_applied,
    r.body ->> 'error' AS error_message, r.body AS metadata
  FROM (
    SELECT stack, address, created_at, updated_at, digest, body, from_version, NULL AS to_version FROM resource_rows
    UNION ALL
    SELECT stack, address, created_at, updated_at, digest, body, from_version, to_version FROM resource_history
  ) r JOIN stacks s ON s.num = r.stack
  WHERE s.deleted_at IS NULL AND r.from_version <= s.head AND coalesce(r.to_version > s.head, 1);

CREATE VIEW resource_dependencies AS
  SELECT r.id AS resource_id, r.stack_id || '/' || d.value AS depends_on_id, 'explicit' AS dependency_type,
    r.created_at AS created_at
  FROM resources r, json_each(r.dependencies) d;

CREATE VIEW state_versions AS
  SELECT s.id || '-v' || v.version AS id, s.id AS stack_id, v.version AS version,
    json_object('version', v.version, 'stack', s.name, 'resources', json((
      SELECT json_group_array(json(body)) FROM (
        SELECT address, body FROM resource_rows WHERE stack = v.stack AND from_version <= v.version
        UNION ALL
        SELECT address, body FROM resource_history
        WHERE stack = v.stack AND to_version > v.version AND from_version <= v.version
        ORDER BY address
      )
    )), 'outputs', json((
      SELECT json_group_array(json(body)) FROM (
        SELECT name, body FROM output_rows WHERE stack = v.stack AND from_version <= v.version
        UNION ALL
        SELECT name, body FROM output_history
        WHERE stack = v.stack AND to_version > v.version AND from_version <= v.version
        ORDER BY name
      )
    ))) AS state_snapshot,
    datetime(v.created_at / 1000000000, 'unixepoch') AS created_at, v.created_by AS created_by,
    v.created_by AS creator, v.description AS description, lower(hex(v.hash)) AS checksum
  FROM versions v JOIN stacks s ON s.num = v.stack WHERE v.removed_at IS NULL;

CREATE VIEW state_locks AS
  SELECT s.id AS stack_id, l.lock_id AS lock_id, l.operation AS operation, l.locked_by AS who,
    l.locked_by AS locked_by, datetime(l.locked_at / 1000000000, 'unixepoch') AS created_at,
    datetime(l.locked_at / 1000000000, 'unixepoch') AS locked_at,
    datetime(l.expires_at / 1000000000, 'unixepoch') AS expires_at, l.reason AS reason, l.reason AS info, l.kind AS kind
  FROM leases l JOIN stacks s ON s.num = l.stack;

CREATE VIEW state_events AS
  SELECT lower(hex(e.id)) AS id, e.kind AS event_type, datetime(e.at / 1000000000, 'unixepoch') AS timestamp,
    datetime(e.at / 1000000000, 'unixepoch') AS created_at, coalesce(e.task, 'sloth-runner') AS source,
    s.id AS stack_id, s.name AS stack_name, coalesce(e.payload, 'null') AS data,
    CASE e.severity WHEN 0 THEN 'info' WHEN 1 THEN 'warning' ELSE 'error' END AS severity,
    e.message AS message, e.seq AS seq
  FROM events e LEFT JOIN stacks s ON s.num = e.stack;

CREATE VIEW state_activity AS
  SELECT o.seq AS id, o.stack_id AS stack_id, o.verb AS activity_type, NULL AS resource_id,
    o.arguments AS details, o.actor ->> 'name' AS user, datetime(o.at / 1000000000, 'unixepoch') AS created_at
  FROM operations o;

CREATE VIEW stack_executions AS
  SELECT r.id AS id, s.id AS stack_id, datetime(r.started_at / 1000000000, 'unixepoch') AS started_at,
    datetime(r.completed_at / 1000000000, 'unixepoch') AS completed_at,
    r.completed_at - r.started_at AS duration, r.status AS status, r.task_count AS task_count,
    r.success_count AS success_count, r.failure_count AS failure_count, r.counts AS outputs,
    r.error_message AS error_message
  FROM runs r JOIN stacks s ON s.num = r.stack;

CREATE VIEW drift_detections AS
  SELECT s.id || '/' || d.detection || '/' || d.address AS id, s.id AS stack_id, s.id || '/' || d.address AS resource_id,
    datetime(d.detected_at / 1000000000, 'unixepoch') AS detected_at, d.expected AS expected_state,
    d.actual AS actual_state, d.diff AS drift_fields, d.status = 'drifted' AS is_drifted,
    d.resolution AS resolution_status
  FROM drift_findings d JOIN stacks s ON s.num = d.stack;

CREATE VIEW stack_tags AS
  SELECT s.id AS stack_id, t.value AS tag, datetime(s.updated_at / 1000000000, 'unixepoch') AS created_at
  FROM stacks s, json_each(s.metadata, '$.tags') t;
