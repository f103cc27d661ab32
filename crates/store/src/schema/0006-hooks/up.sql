-- Who did it.
ALTER TABLE events ADD COLUMN actor TEXT;

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
