-- A removed version keeps its link in the chain.
ALTER TABLE versions ADD COLUMN removed_at INTEGER;

DROP VIEW state_versions;
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
