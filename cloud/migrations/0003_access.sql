-- Endpoints that the cloud signs in to, and records that still say what was connected when the endpoint is no more. The
-- text runs on SQLite and on PostgreSQL.

ALTER TABLE endpoint ADD COLUMN sign_in TEXT NOT NULL DEFAULT 'none';
ALTER TABLE endpoint ADD COLUMN view_only BIGINT NOT NULL DEFAULT 0;
-- Counts the changes of where it is and how to sign in: a connection that was begun before one does not come about.
ALTER TABLE endpoint ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;

-- The vault: each secret sealed with a key that is not in this database, and bound to its tenant, endpoint and field.
CREATE TABLE credential (
    endpoint_id TEXT NOT NULL REFERENCES endpoint (id) ON DELETE CASCADE,
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    field       TEXT NOT NULL,
    sealed      TEXT NOT NULL,
    PRIMARY KEY (endpoint_id, field)
);

ALTER TABLE operation ADD COLUMN endpoint_name TEXT;
ALTER TABLE operation ADD COLUMN protocol TEXT;
ALTER TABLE operation ADD COLUMN target TEXT;
ALTER TABLE operation ADD COLUMN executing_at BIGINT;

ALTER TABLE session ADD COLUMN view_only BIGINT NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN end_detail TEXT;
CREATE INDEX session_by_operation ON session (operation_id);
