-- People: second factors, switched-off users and devices, tokens and grants that have ids, answers that are given
-- again. The text runs on SQLite and on PostgreSQL.

ALTER TABLE user_account ADD COLUMN last_login_at BIGINT;
ALTER TABLE device ADD COLUMN disabled BIGINT NOT NULL DEFAULT 0;

-- The secret is sealed with a key that is not in this database. `last_step` is the last thirty seconds whose code was
-- used: no code is good twice.
CREATE TABLE user_totp (
    user_id   TEXT   NOT NULL PRIMARY KEY REFERENCES user_account (id) ON DELETE CASCADE,
    tenant_id TEXT   NOT NULL REFERENCES tenant (id),
    secret    TEXT   NOT NULL,
    confirmed BIGINT NOT NULL DEFAULT 0,
    last_step BIGINT NOT NULL DEFAULT 0
);

-- Grants get ids: those that exist, the first numbers in order.
CREATE TABLE permission_grant_2 (
    id              TEXT NOT NULL PRIMARY KEY,
    tenant_id       TEXT NOT NULL REFERENCES tenant (id),
    user_group_id   TEXT NOT NULL REFERENCES user_group (id) ON DELETE CASCADE,
    device_group_id TEXT NOT NULL REFERENCES device_group (id) ON DELETE CASCADE,
    permission      TEXT NOT NULL,
    UNIQUE (user_group_id, device_group_id, permission)
);
INSERT INTO permission_grant_2 (id, tenant_id, user_group_id, device_group_id, permission)
SELECT CAST(ROW_NUMBER() OVER (ORDER BY user_group_id, device_group_id, permission) AS TEXT),
       tenant_id, user_group_id, device_group_id, permission
FROM permission_grant;
DROP TABLE permission_grant;
ALTER TABLE permission_grant_2 RENAME TO permission_grant;
CREATE INDEX permission_grant_by_device_group ON permission_grant (device_group_id);

-- Tokens get ids and the address they were given to. Those that exist end: people log in again.
DROP TABLE access_token;
CREATE TABLE access_token (
    hash       TEXT   NOT NULL PRIMARY KEY,
    id         TEXT   NOT NULL UNIQUE,
    tenant_id  TEXT   NOT NULL REFERENCES tenant (id),
    user_id    TEXT   NOT NULL REFERENCES user_account (id) ON DELETE CASCADE,
    source     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX access_token_by_user ON access_token (user_id);

-- Answers to requests that carried an Idempotency-Key, sealed, since an answer may hold a secret. `fingerprint` is a MAC
-- of the request, since a request may hold a password.
CREATE TABLE idempotency (
    tenant_id   TEXT   NOT NULL REFERENCES tenant (id),
    user_id     TEXT   NOT NULL REFERENCES user_account (id) ON DELETE CASCADE,
    key_name    TEXT   NOT NULL,
    fingerprint TEXT   NOT NULL,
    status      BIGINT NOT NULL,
    answer      TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (user_id, key_name)
);
CREATE INDEX idempotency_by_time ON idempotency (created_at);

-- What is granted, and what each permission is of no use without: whoever may open sessions on a device sees the device
-- and its endpoints.
CREATE VIEW effective_grant AS
SELECT tenant_id, user_group_id, device_group_id, permission FROM permission_grant
UNION
SELECT tenant_id, user_group_id, device_group_id, 'remote-access-read' FROM permission_grant
 WHERE permission IN ('remote-access-connect', 'remote-access-admin')
UNION
SELECT tenant_id, user_group_id, device_group_id, 'device-control-read' FROM permission_grant
 WHERE permission IN ('device-control-admin', 'remote-access-read', 'remote-access-connect', 'remote-access-admin');
