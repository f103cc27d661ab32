-- The shapes that people and older tools ask for, on a server. What they say is what the views of the file say.

CREATE VIEW resources AS
  SELECT s.id || '/' || r.address AS id, s.id AS stack_id,
    substr(r.address, 1, strpos(r.address, ':') - 1) AS type,
    substr(r.address, strpos(r.address, ':') + 1) AS name,
    r.body::json ->> 'module' AS module, (r.body::json -> 'spec')::text AS properties,
    coalesce((r.body::json #> '{options,depends_on}')::text, '[]') AS dependencies,
    r.body::json ->> 'condition' AS state, encode(r.digest, 'hex') AS checksum,
    to_char(to_timestamp(r.created_at / 1000000000), 'YYYY-MM-DD HH24:MI:SS') AS created_at,
    to_char(to_timestamp(r.updated_at / 1000000000), 'YYYY-MM-DD HH24:MI:SS') AS updated_at,
    to_char(to_timestamp(r.updated_at / 1000000000), 'YYYY-MM-DD HH24:MI:SS') AS last_applied,
    r.body::json ->> 'error' AS error_message, r.body AS metadata
  FROM (
    SELECT stack, address, created_at, updated_at, digest, body, from_version, NULL::bigint AS to_version FROM resource_rows
    UNION ALL
    SELECT stack, address, created_at, updated_at, digest, body, from_version, to_version FROM resource_history
  ) r JOIN stacks s ON s.num = r.stack
  WHERE s.deleted_at IS NULL AND r.from_version <= s.head AND coalesce(r.to_version > s.head, true);

CREATE VIEW resource_dependencies AS
  SELECT r.id AS resource_id, r.stack_id || '/' || d.value AS depends_on_id, 'explicit' AS dependency_type,
    r.created_at AS created_at
  FROM resources r, json_array_elements_text(r.dependencies::json) d;

CREATE VIEW state_versions AS
  SELECT s.id || '-v' || v.version AS id, s.id AS stack_id, v.version AS version,
    json_build_object('version', v.version, 'stack', s.name, 'resources', (
      SELECT coalesce(json_agg(body::json ORDER BY address), '[]') FROM (
        SELECT address, body FROM resource_rows WHERE stack = v.stack AND from_version <= v.version
        UNION ALL
        SELECT address, body FROM resource_history
        WHERE stack = v.stack AND to_version > v.version AND from_version <= v.version
      ) shown
    ), 'outputs', (
      SELECT coalesce(json_agg(body::json ORDER BY name), '[]') FROM (
        SELECT name, body FROM output_rows WHERE stack = v.stack AND from_version <= v.version
        UNION ALL
        SELECT name, body FROM output_history
        WHERE stack = v.stack AND to_version > v.version AND from_version <= v.version
      ) shown
    ))::text AS state_snapshot,
    to_char(to_timestamp(v.created_at / 1000000000), 'YYYY-MM-DD HH24:MI:SS') AS created_at, v.created_by AS created_by,
    v.created_by AS creator, v.description AS description, encode(v.hash, 'hex') AS checksum
  FROM versions v JOIN stacks s ON s.num = v.stack WHERE v.removed_at IS NULL;

CREATE VIEW state_locks AS
  SELECT s.id AS stack_id, l.lock_id AS lock_id, l.operation AS operation, l.locked_by AS who,
    l.locked_by AS locked_by, to_char(to_timestamp(l.locked_at / 1000000000), 'YYYY-MM-DD HH24:MI:SS') AS created_at,
    to_char(to_timestamp(l.locked_at / 1000000000), 'YYYY-MM-DD HH24:MI:SS') AS locked_at,
    to_char(to_timestamp(l.expires_at / 1000000000), 'YYYY-MM-DD HH24:MI:SS') AS expires_at, l.reason AS reason,
    l.reason AS info, l.kind AS kind
  FROM leases l JOIN stacks s ON s.num = l.stack;

CREATE VIEW state_events AS
  SELECT encode(e.id, 'hex') AS id, e.kind AS event_type,
    to_char(to_timestamp(e.at / 1000000000), 'YYYY-MM-DD HH24:MI:SS') AS timestamp,
    to_char(to_timestamp(e.at / 1000000000), 'YYYY-MM-DD HH24:MI:SS') AS created_at,
    coalesce(e.task, 'sloth-runner') AS source, s.id AS stack_id, s.name AS stack_name,
    coalesce(e.payload, 'null') AS data,
    CASE e.severity WHEN 0 THEN 'info' WHEN 1 THEN 'warning' ELSE 'error' END AS severity,
    e.message AS message, e.seq AS seq
  FROM events e LEFT JOIN stacks s ON s.num = e.stack;

CREATE VIEW state_activity AS
  SELECT o.seq AS id, o.stack_id AS stack_id, o.verb AS activity_type, NULL::text AS resource_id,
    o.arguments AS details, o.actor::json ->> 'name' AS "user",
    to_char(to_timestamp(o.at / 1000000000), 'YYYY-MM-DD HH24:MI:SS') AS created_at
  FROM operations o;

CREATE VIEW stack_executions AS
  SELECT r.id AS id, s.id AS stack_id,
    to_char(to_timestamp(r.started_at / 1000000000), 'YYYY-MM-DD HH24:MI:SS') AS started_at,
    to_char(to_timestamp(r.completed_at / 1000000000), 'YYYY-MM-DD HH24:MI:SS') AS completed_at,
    r.completed_at - r.started_at AS duration, r.status AS status, r.task_count AS task_count,
    r.success_count AS success_count, r.failure_count AS failure_count, r.counts AS outputs,
    r.error_message AS error_message
  FROM runs r JOIN stacks s ON s.num = r.stack;

CREATE VIEW drift_detections AS
  SELECT s.id || '/' || d.detection || '/' || d.address AS id, s.id AS stack_id, s.id || '/' || d.address AS resource_id,
    to_char(to_timestamp(d.detected_at / 1000000000), 'YYYY-MM-DD HH24:MI:SS') AS detected_at,
    d.expected AS expected_state, d.actual AS actual_state, d.diff AS drift_fields,
    (d.status = 'drifted')::int AS is_drifted, d.resolution AS resolution_status
  FROM drift_findings d JOIN stacks s ON s.num = d.stack;

CREATE VIEW stack_tags AS
  SELECT s.id AS stack_id, t.value AS tag,
    to_char(to_timestamp(s.updated_at / 1000000000), 'YYYY-MM-DD HH24:MI:SS') AS created_at
  FROM stacks s, json_array_elements_text(
    CASE json_typeof(s.metadata::json -> 'tags') WHEN 'array' THEN s.metadata::json -> 'tags' ELSE '[]' END) t;
