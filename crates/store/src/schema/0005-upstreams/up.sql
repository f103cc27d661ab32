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

-- A check cannot be changed in place; a table that is renamed keeps quotes around its name.
CREATE TABLE pending_before AS SELECT stack, kind, name, digest FROM pending_changes;
DROP TABLE pending_changes;
CREATE TABLE pending_changes (
  stack INTEGER NOT NULL REFERENCES stacks (num),
  kind TEXT NOT NULL CHECK (kind IN ('output', 'resource', 'upstream')),
  name TEXT NOT NULL,
  digest BLOB CHECK (length(digest) = 32),
  PRIMARY KEY (stack, kind, name)
) STRICT, WITHOUT ROWID;
INSERT INTO pending_changes (stack, kind, name, digest) SELECT stack, kind, name, digest FROM pending_before;
DROP TABLE pending_before;
