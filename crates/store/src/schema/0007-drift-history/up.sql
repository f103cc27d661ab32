-- Who ended a finding, since when it was seen, and by how many looks.
ALTER TABLE drift_findings ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
ALTER TABLE drift_findings ADD COLUMN looks INTEGER NOT NULL DEFAULT 1;
ALTER TABLE drift_findings ADD COLUMN settled_by TEXT;
ALTER TABLE drift_findings ADD COLUMN settled_at INTEGER;
ALTER TABLE drift_findings ADD COLUMN settled_with TEXT;
UPDATE drift_findings SET since = detected_at;

DROP INDEX drift_findings_open;
CREATE INDEX drift_findings_open ON drift_findings (stack, address)
  WHERE resolution <> 'resolved' AND status <> 'clean';
