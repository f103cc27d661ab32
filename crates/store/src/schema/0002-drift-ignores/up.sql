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
