//! Databases as the Go program left them: its tables, the forms of its times, and what went wrong in them.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Makes a database from SQL, or adds to it, with what the shell of SQLite gives. What is written stays in the log. Returns
/// false when that program is not there.
///
/// # Panics
/// The SQL is wrong.
#[must_use]
pub fn sqlite(path: &Path, sql: &str) -> bool {
    let shell = Command::new("sqlite3")
        .arg("-bail")
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut shell) = shell else { return false };
    let text = format!(
        ".dbconfig no_ckpt_on_close on\nPRAGMA journal_mode=WAL;\nPRAGMA wal_checkpoint(TRUNCATE);\nPRAGMA wal_autocheckpoint=0;\n{sql}\n"
    );
    if let Some(mut input) = shell.stdin.take() {
        input.write_all(text.as_bytes()).unwrap_or_else(|e| panic!("sqlite3: {e}"));
    }
    let done = shell.wait_with_output().unwrap_or_else(|e| panic!("sqlite3: {e}"));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    true
}

/// Rows of `state` in [`VALUES`].
pub const VALUE_COUNT: u64 = 309;

/// Key-value state.
pub const VALUES: &str = r#"
CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL, created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME DEFAULT CURRENT_TIMESTAMP);
CREATE TRIGGER update_state_timestamp AFTER UPDATE ON state BEGIN
  UPDATE state SET updated_at = CURRENT_TIMESTAMP WHERE key = NEW.key; END;
CREATE TABLE locks (name TEXT PRIMARY KEY, holder TEXT NOT NULL, acquired_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  expires_at DATETIME NOT NULL);
INSERT INTO state VALUES ('plain', 'text', '2025-10-10 14:30:15', '2025-10-10 14:30:16');
INSERT INTO state VALUES ('number', '1.5', '2025-10-10T14:30:15Z', 1760106616);
INSERT INTO state VALUES ('quote''d "key"', 'it''s', NULL, NULL);
INSERT INTO state VALUES ('emoji/🦥/../x', '🦥', '2025-10-10', '2025-10-10 14:30:15.123456789-03:00');
INSERT INTO state VALUES ('bad' || char(10) || 'key', 'x', NULL, NULL);
INSERT INTO state VALUES ('', 'no key', NULL, NULL);
INSERT INTO state VALUES ('ansi', char(27) || '[31mred', '2025-10-10 14:30:15', '2025-10-10 14:30:15');
INSERT INTO state VALUES ('json', '{"a":[1,2]}', '2025-10-10 14:30:15', '2025-10-10 14:30:15');
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
  INSERT INTO state SELECT printf('many/%04d', i), 'v' || i, '2025-10-10 14:30:15', '2025-10-10 14:30:15' FROM n;
INSERT INTO locks VALUES ('deploy', 'host:1', '2025-10-10 14:30:15', '2025-10-10T15:30:15-03:00');
INSERT INTO state VALUES ('in/log', 'only', '2025-10-10 14:30:15', '2025-10-10 14:30:15');
"#;

/// Workflow state, in the same file.
pub const WORKFLOWS: &str = r#"
CREATE TABLE workflow_states (id TEXT PRIMARY KEY, name TEXT NOT NULL, version INTEGER DEFAULT 1, status TEXT NOT NULL,
  started_at DATETIME, completed_at DATETIME, duration_seconds INTEGER DEFAULT 0, metadata TEXT, error_msg TEXT,
  locked_by TEXT, created_at DATETIME DEFAULT CURRENT_TIMESTAMP, updated_at DATETIME DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE workflow_resources (id TEXT PRIMARY KEY,
  workflow_id TEXT NOT NULL REFERENCES workflow_states (id) ON DELETE CASCADE, type TEXT NOT NULL, name TEXT NOT NULL,
  action TEXT NOT NULL, status TEXT NOT NULL, attributes TEXT, created_at DATETIME, updated_at DATETIME);
CREATE TABLE workflow_outputs (workflow_id TEXT, key TEXT, value TEXT NOT NULL, created_at DATETIME,
  PRIMARY KEY (workflow_id, key));
CREATE TABLE state_versions (id TEXT PRIMARY KEY, workflow_id TEXT NOT NULL, version INTEGER NOT NULL,
  state TEXT NOT NULL, created_at DATETIME DEFAULT CURRENT_TIMESTAMP, created_by TEXT, description TEXT,
  UNIQUE (workflow_id, version));
CREATE TABLE drift_detections (id INTEGER PRIMARY KEY AUTOINCREMENT, workflow_id TEXT NOT NULL, resource_id TEXT NOT NULL,
  resource_type TEXT NOT NULL, detected_at DATETIME DEFAULT CURRENT_TIMESTAMP, expected TEXT, actual TEXT,
  drifted BOOLEAN);
CREATE TABLE workflow_tags (workflow_id TEXT, tag TEXT, created_at DATETIME, PRIMARY KEY (workflow_id, tag));
CREATE TABLE workflow_activity (id INTEGER PRIMARY KEY AUTOINCREMENT, workflow_id TEXT, action TEXT, details TEXT,
  created_at DATETIME, created_by TEXT);
INSERT INTO workflow_states VALUES
  ('aaaaaaaa-0000-4000-8000-000000000002', 'deploy', 2, 'failed', '2025-10-11 09:00:00-03:00',
   '2025-10-11 09:01:30.5-03:00', 90, 'null', 'task `push` failed', NULL, '2025-10-11 12:00:00', '2025-10-11 12:01:30'),
  ('aaaaaaaa-0000-4000-8000-000000000001', 'deploy', 1, 'success', '2025-10-10 14:30:15.12345-03:00',
   '2025-10-10 14:31:15-03:00', 60, '{"env":"prod","tags":"x"}', NULL, NULL, '2025-10-10 17:30:15', '2025-10-10 17:31:15'),
  ('odd id', 'a/b' || char(10) || '-c', 1, 'running', NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL);
INSERT INTO workflow_resources VALUES
  ('r1', 'aaaaaaaa-0000-4000-8000-000000000001', 'file', '/etc/motd', 'create', 'success', '{"mode":"0644"}',
   '2025-10-10 17:30:20', '2025-10-10 17:30:20'),
  ('r2', 'aaaaaaaa-0000-4000-8000-000000000002', 'file', '/etc/motd', 'update', 'success', '{"mode":"0600"}',
   '2025-10-11 12:00:20', NULL),
  ('r3', 'aaaaaaaa-0000-4000-8000-000000000002', 'aws:instance', 'web', 'create', 'failed', 'null', NULL, NULL),
  ('r4', 'aaaaaaaa-0000-4000-8000-000000000002', 'file', '/tmp/gone', 'delete', 'success', NULL, NULL, NULL),
  ('r5', 'nobody', 'file', '/x', 'create', 'success', NULL, NULL, NULL);
INSERT INTO workflow_outputs VALUES ('aaaaaaaa-0000-4000-8000-000000000002', 'url', 'https://example.org', NULL);
INSERT INTO state_versions VALUES
  ('aaaaaaaa-0000-4000-8000-000000000001-v1', 'aaaaaaaa-0000-4000-8000-000000000001', 1,
   '{"id":"x","name":"deploy","resources":[{"id":"r1","type":"file","name":"/etc/motd","action":"create","status":"success","attributes":{"mode":"0755"}}],"outputs":null}',
   '2025-10-10 17:30:30', 'ana', 'before the rest'),
  ('aaaaaaaa-0000-4000-8000-000000000001-v2', 'aaaaaaaa-0000-4000-8000-000000000001', 2, 'not json',
   '2025-10-10 17:30:40', NULL, NULL);
INSERT INTO drift_detections (workflow_id, resource_id, resource_type, detected_at, expected, actual, drifted) VALUES
  ('aaaaaaaa-0000-4000-8000-000000000002', 'r2', 'file', '2025-10-12 00:00:00', '{"mode":"0600"}', '{"mode":"0777"}', 1);
INSERT INTO workflow_tags VALUES ('aaaaaaaa-0000-4000-8000-000000000002', 'prod', NULL);
INSERT INTO workflow_activity (workflow_id, action) VALUES ('x', 'created');
"#;

/// Stacks without the tables that came later.
pub const STACKS: &str = r#"
PRAGMA foreign_keys=OFF;
CREATE TABLE stacks (id TEXT PRIMARY KEY, name TEXT NOT NULL, description TEXT, version TEXT,
  status TEXT NOT NULL DEFAULT 'created', created_at DATETIME NOT NULL, updated_at DATETIME NOT NULL,
  completed_at DATETIME, workflow_file TEXT, task_results TEXT, outputs TEXT, configuration TEXT, metadata TEXT,
  execution_count INTEGER, last_duration INTEGER, last_error TEXT, resource_version TEXT NOT NULL DEFAULT '1');
CREATE INDEX idx_stacks_name ON stacks (name);
CREATE TABLE stack_executions (id INTEGER PRIMARY KEY AUTOINCREMENT,
  stack_id TEXT NOT NULL REFERENCES stacks (id) ON DELETE CASCADE, started_at DATETIME NOT NULL, completed_at DATETIME,
  duration INTEGER, status TEXT NOT NULL, task_count INTEGER, success_count INTEGER, failure_count INTEGER,
  outputs TEXT, error_message TEXT);
CREATE TABLE resources (id TEXT PRIMARY KEY, stack_id TEXT NOT NULL REFERENCES stacks (id) ON DELETE CASCADE,
  type TEXT NOT NULL, name TEXT NOT NULL, module TEXT NOT NULL, properties TEXT, dependencies TEXT,
  state TEXT NOT NULL DEFAULT 'pending', checksum TEXT, created_at DATETIME NOT NULL, updated_at DATETIME NOT NULL,
  last_applied DATETIME, error_message TEXT, metadata TEXT, UNIQUE (stack_id, type, name));
INSERT INTO stacks VALUES
  ('11111111-2222-4333-8444-555555555555', 'shop', 'the shop', '1.2.0', 'completed', '2025-10-10 14:30:15.12345-03:00',
   '2025-10-10 14:31:15-03:00', '2025-10-10 14:31:15-03:00', 'shop.sloth', '{"t":{"ok":true}}',
   '{"port":8080,"url":"https://shop"}', '{"a":1}', '{"team":"web"}', 2, 60000000000, NULL, '3'),
  ('11111111-2222-4333-8444-666666666666', 'shop', NULL, NULL, 'running', '2025-10-11 14:30:15+02:00',
   '2025-10-11 14:30:15+02:00', NULL, NULL, 'null', 'null', 'null', 'null', NULL, NULL, '', '1'),
  ('22222222-2222-4333-8444-555555555555', 'agent-operations', '', '', 'created', '2025-10-10 14:30:15+00:00',
   '2025-10-10 14:30:15+00:00', NULL, '<state-tracker>', NULL, NULL, NULL, NULL, 0, 0, NULL, '1'),
  ('hostile', '-' || char(27) || '[31m../🦥', 'x' || char(10) || 'y', '', 'odd', 'yesterday', '', NULL, '', '{', '[]', '7',
   '"text"', -1, -5, NULL, '1');
INSERT INTO stack_executions (stack_id, started_at, completed_at, duration, status, task_count, success_count,
    failure_count, error_message) VALUES
  ('11111111-2222-4333-8444-555555555555', '2025-10-10 14:30:15-03:00', NULL, 60000000000, 'failed', 3, 1, 1, 'no disk'),
  ('11111111-2222-4333-8444-555555555555', '2025-10-10 15:30:15-03:00', '2025-10-10 15:31:15-03:00', 60000000000,
   'completed', 3, 3, 0, NULL);
INSERT INTO resources VALUES
  ('11111111-2222-4333-8444-555555555555/file/file/conf', '11111111-2222-4333-8444-555555555555', 'file', 'conf', 'file',
   '{"path":"/etc/shop.conf","lua":{"1":"a","2":"b"}}', 'null', 'applied', 'c0ffee', '2025-10-10 14:30:16-03:00',
   '2025-10-10 14:30:16-03:00', '2025-10-10 14:30:17-03:00', NULL, NULL),
  ('11111111-2222-4333-8444-555555555555/systemd/service/shop', '11111111-2222-4333-8444-555555555555', 'service', 'shop',
   'systemd', 'null', '["11111111-2222-4333-8444-555555555555/file/file/conf","elsewhere"]', 'failed', '',
   '2025-10-10 14:30:16-03:00', '2025-10-10 14:30:16-03:00', NULL, 'it does not start', 'null'),
  ('lost', 'nobody', 'file', 'x', 'file', NULL, NULL, 'applied', NULL, '2025-10-10', '2025-10-10', NULL, NULL, NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250)
  INSERT INTO resources SELECT 'many-' || i, '11111111-2222-4333-8444-666666666666', 'data', printf('r%04d', i), 'stack',
    json_object('n', i), '[]', 'pending', '', '2025-10-11 14:30:15+02:00', '2025-10-11 14:30:15+02:00', NULL, NULL, NULL
  FROM n;
"#;

/// The tables that came later, in the same file.
pub const EXTENDED: &str = r#"
CREATE TABLE state_versions (id TEXT PRIMARY KEY, stack_id TEXT NOT NULL REFERENCES stacks (id) ON DELETE CASCADE,
  version INTEGER NOT NULL, state_snapshot TEXT NOT NULL, created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  created_by TEXT, description TEXT, checksum TEXT, UNIQUE (stack_id, version));
CREATE TABLE drift_detections (id INTEGER PRIMARY KEY AUTOINCREMENT, stack_id TEXT NOT NULL, resource_id TEXT NOT NULL,
  detected_at DATETIME DEFAULT CURRENT_TIMESTAMP, expected_state TEXT, actual_state TEXT, drift_fields TEXT,
  is_drifted BOOLEAN, resolution_status TEXT DEFAULT 'pending');
CREATE TABLE state_locks (stack_id TEXT PRIMARY KEY, lock_id TEXT NOT NULL, operation TEXT NOT NULL, who TEXT NOT NULL,
  created_at DATETIME NOT NULL, expires_at DATETIME NOT NULL, info TEXT);
CREATE TABLE stack_tags (stack_id TEXT, tag TEXT, created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (stack_id, tag));
CREATE TABLE resource_dependencies (resource_id TEXT, depends_on_id TEXT, dependency_type TEXT DEFAULT 'explicit',
  created_at DATETIME, PRIMARY KEY (resource_id, depends_on_id));
CREATE TABLE state_activity (id INTEGER PRIMARY KEY AUTOINCREMENT, stack_id TEXT, activity_type TEXT, resource_id TEXT,
  details TEXT, user TEXT, created_at DATETIME);
CREATE TABLE state_events (id TEXT PRIMARY KEY, event_type TEXT, timestamp DATETIME, source TEXT NOT NULL, stack_id TEXT,
  stack_name TEXT, data TEXT, severity TEXT NOT NULL);
INSERT INTO state_versions VALUES
  ('11111111-2222-4333-8444-555555555555-v1', '11111111-2222-4333-8444-555555555555', 1,
   '{"version":1,"stack_state":{"name":"shop","outputs":{"port":80}},"resources":null,"checksum":""}',
   '2025-10-10 17:30:15', 'system', 'Auto-snapshot', 'ab'),
  ('11111111-2222-4333-8444-555555555555-v3', '11111111-2222-4333-8444-555555555555', 3,
   '{"version":3,"stack_state":{"name":"shop","outputs":null},"resources":[{"id":"11111111-2222-4333-8444-555555555555/file/file/conf","type":"file","name":"conf","module":"file","properties":{"path":"/etc/old.conf"},"dependencies":null,"state":"applied","created_at":"2025-10-10T14:30:16.000000001-03:00"}]}',
   '2025-10-10 17:31:15', NULL, NULL, 'cd'),
  ('11111111-2222-4333-8444-555555555555-v4', '11111111-2222-4333-8444-555555555555', 4, '[]', NULL, NULL, NULL, NULL);
INSERT INTO drift_detections (stack_id, resource_id, detected_at, expected_state, actual_state, is_drifted,
    resolution_status) VALUES
  ('11111111-2222-4333-8444-555555555555', '11111111-2222-4333-8444-555555555555/file/file/conf', '2025-10-12 00:00:00',
   '{"mode":"0644"}', '{"mode":"0600"}', 1, 'resolved'),
  ('11111111-2222-4333-8444-555555555555', '11111111-2222-4333-8444-555555555555/file/file/conf', '2025-10-13 00:00:00',
   '{"mode":"0644"}', '{"mode":"0666"}', 1, 'pending'),
  ('11111111-2222-4333-8444-555555555555', 'unknown', NULL, NULL, NULL, 0, NULL);
INSERT INTO state_locks VALUES ('11111111-2222-4333-8444-555555555555', 'lock-1', 'x', 'ana', '2025-10-10 14:30:15-03:00',
  '2025-10-10 15:30:15-03:00', NULL);
INSERT INTO stack_tags VALUES ('11111111-2222-4333-8444-555555555555', 'prod', NULL),
  ('11111111-2222-4333-8444-555555555555', 'a,b', NULL);
INSERT INTO state_activity (stack_id, activity_type) VALUES ('11111111-2222-4333-8444-555555555555', 'created');
INSERT INTO state_events VALUES ('e1', 'stack.created', '2025-10-10 14:30:15-03:00', 'x', NULL, NULL, NULL, 'info');
"#;

/// Stacks as the first build had them, before there were resources.
pub const STACKS_ONLY: &str = r#"
CREATE TABLE stacks (id TEXT PRIMARY KEY, name TEXT NOT NULL, description TEXT, version TEXT,
  status TEXT NOT NULL DEFAULT 'created', created_at DATETIME NOT NULL, updated_at DATETIME NOT NULL,
  completed_at DATETIME, workflow_file TEXT, task_results TEXT, outputs TEXT, configuration TEXT, metadata TEXT,
  execution_count INTEGER, last_duration INTEGER, last_error TEXT, resource_version TEXT NOT NULL DEFAULT '1');
INSERT INTO stacks (id, name, status, created_at, updated_at) VALUES
  ('33333333-2222-4333-8444-555555555555', 'early', 'created', '2025-09-29 10:00:00-03:00', '2025-09-29 10:00:00-03:00');
"#;

/// Values as they were on the first day.
pub const FIRST_DAY: &str = r#"
CREATE TABLE state_data (key TEXT PRIMARY KEY, value TEXT, type TEXT, created_at DATETIME, updated_at DATETIME,
  expires_at DATETIME, version INTEGER);
CREATE TABLE state_locks (lock_name TEXT PRIMARY KEY, owner TEXT, acquired_at DATETIME, expires_at DATETIME);
INSERT INTO state_data VALUES ('count', '5', 'number', '2025-09-28 10:00:00', '2025-09-28 10:00:00', NULL, 3),
  ('on', 'true', 'bool', NULL, NULL, NULL, 1), ('text', '5', 'string', NULL, NULL, NULL, 1),
  ('over', 'x', 'string', NULL, NULL, '2025-09-28 11:00:00', 1), ('none', NULL, 'string', NULL, NULL, NULL, 1);
INSERT INTO state_locks VALUES ('l', 'me', NULL, NULL);
"#;
