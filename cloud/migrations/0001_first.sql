-- The first schema. Ids are decimal strings made by the cloud, times are milliseconds since 1970 (UTC), secrets are
-- stored as hashes only, booleans are 0 or 1: the text runs on SQLite and on PostgreSQL.

CREATE TABLE tenant (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE user_account (
    id            TEXT   NOT NULL PRIMARY KEY,
    tenant_id     TEXT   NOT NULL REFERENCES tenant (id),
    name          TEXT   NOT NULL,
    password_hash TEXT   NOT NULL,
    disabled      BIGINT NOT NULL DEFAULT 0,
    created_at    BIGINT NOT NULL,
    UNIQUE (tenant_id, name)
);

CREATE TABLE user_group (
    id         TEXT   NOT NULL PRIMARY KEY,
    tenant_id  TEXT   NOT NULL REFERENCES tenant (id),
    name       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (tenant_id, name)
);

CREATE TABLE user_group_member (
    tenant_id     TEXT NOT NULL REFERENCES tenant (id),
    user_group_id TEXT NOT NULL REFERENCES user_group (id) ON DELETE CASCADE,
    user_id       TEXT NOT NULL REFERENCES user_account (id) ON DELETE CASCADE,
    PRIMARY KEY (user_group_id, user_id)
);
CREATE INDEX user_group_member_by_user ON user_group_member (user_id);

CREATE TABLE device (
    id            TEXT   NOT NULL PRIMARY KEY,
    tenant_id     TEXT   NOT NULL REFERENCES tenant (id),
    name          TEXT   NOT NULL,
    public_key    TEXT,
    agent_version TEXT,
    last_seen_at  BIGINT,
    created_at    BIGINT NOT NULL,
    UNIQUE (tenant_id, name)
);

CREATE TABLE device_group (
    id         TEXT   NOT NULL PRIMARY KEY,
    tenant_id  TEXT   NOT NULL REFERENCES tenant (id),
    name       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (tenant_id, name)
);

-- No reference to the device: who could see a device's operations and sessions can still see them after its removal.
CREATE TABLE device_group_member (
    tenant_id       TEXT NOT NULL REFERENCES tenant (id),
    device_group_id TEXT NOT NULL REFERENCES device_group (id) ON DELETE CASCADE,
    device_id       TEXT NOT NULL,
    PRIMARY KEY (device_group_id, device_id)
);
CREATE INDEX device_group_member_by_device ON device_group_member (device_id);

CREATE TABLE permission_grant (
    tenant_id       TEXT NOT NULL REFERENCES tenant (id),
    user_group_id   TEXT NOT NULL REFERENCES user_group (id) ON DELETE CASCADE,
    device_group_id TEXT NOT NULL REFERENCES device_group (id) ON DELETE CASCADE,
    permission      TEXT NOT NULL,
    PRIMARY KEY (user_group_id, device_group_id, permission)
);

CREATE TABLE external_id (
    tenant_id TEXT NOT NULL REFERENCES tenant (id),
    device_id TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    type      TEXT NOT NULL,
    value     TEXT NOT NULL,
    PRIMARY KEY (tenant_id, type, value)
);
CREATE INDEX external_id_by_device ON external_id (device_id);

CREATE TABLE enrolment_token (
    hash       TEXT   NOT NULL PRIMARY KEY,
    tenant_id  TEXT   NOT NULL REFERENCES tenant (id),
    device_id  TEXT   NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT
);

CREATE TABLE endpoint (
    id         TEXT   NOT NULL PRIMARY KEY,
    tenant_id  TEXT   NOT NULL REFERENCES tenant (id),
    device_id  TEXT   NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    name       TEXT   NOT NULL,
    protocol   TEXT   NOT NULL,
    host       TEXT   NOT NULL,
    port       BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (device_id, name)
);

CREATE TABLE access_token (
    hash       TEXT   NOT NULL PRIMARY KEY,
    tenant_id  TEXT   NOT NULL REFERENCES tenant (id),
    user_id    TEXT   NOT NULL REFERENCES user_account (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- Operations and sessions outlive the device, the endpoint and the user they name.
CREATE TABLE operation (
    id          TEXT   NOT NULL PRIMARY KEY,
    tenant_id   TEXT   NOT NULL REFERENCES tenant (id),
    device_id   TEXT   NOT NULL,
    endpoint_id TEXT,
    user_id     TEXT   NOT NULL,
    user_name   TEXT   NOT NULL,
    status      TEXT   NOT NULL,
    failure     TEXT,
    detail      TEXT,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
);
CREATE INDEX operation_by_time ON operation (tenant_id, created_at, id);
CREATE INDEX operation_by_device ON operation (tenant_id, device_id, created_at, id);
CREATE INDEX operation_unfinished ON operation (tenant_id) WHERE status IN ('PENDING', 'EXECUTING');

CREATE TABLE session (
    id                TEXT   NOT NULL PRIMARY KEY,
    tenant_id         TEXT   NOT NULL REFERENCES tenant (id),
    operation_id      TEXT   NOT NULL REFERENCES operation (id),
    device_id         TEXT   NOT NULL,
    endpoint_id       TEXT   NOT NULL,
    user_id           TEXT   NOT NULL,
    user_name         TEXT   NOT NULL,
    source            TEXT   NOT NULL,
    started_at        BIGINT NOT NULL,
    ended_at          BIGINT,
    end_reason        TEXT,
    bytes_to_target   BIGINT NOT NULL DEFAULT 0,
    bytes_from_target BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX session_by_time ON session (tenant_id, started_at, id);
CREATE INDEX session_by_device ON session (tenant_id, device_id, started_at, id);
CREATE INDEX session_unfinished ON session (tenant_id) WHERE ended_at IS NULL;

-- One hash chain per tenant. `record` is the canonical text; `hash` is SHA-256 of the previous hash and that text.
CREATE TABLE audit (
    tenant_id TEXT   NOT NULL REFERENCES tenant (id),
    sequence  BIGINT NOT NULL,
    record    TEXT   NOT NULL,
    hash      TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, sequence)
);

-- Where each chain ends, sealed with a key that is not in this database, so that a cut tail shows.
CREATE TABLE audit_head (
    tenant_id TEXT   NOT NULL PRIMARY KEY REFERENCES tenant (id),
    sequence  BIGINT NOT NULL,
    hash      TEXT   NOT NULL,
    seal      TEXT   NOT NULL
);
