-- Terminals: what SSH and Telnet endpoints have, and what a tenant decides for all sessions. The text runs on SQLite and
-- on PostgreSQL.

ALTER TABLE endpoint ADD COLUMN user_name TEXT;
ALTER TABLE endpoint ADD COLUMN public_key TEXT;
-- One key a line.
ALTER TABLE endpoint ADD COLUMN host_keys TEXT NOT NULL DEFAULT '';
ALTER TABLE endpoint ADD COLUMN legacy_algorithms BIGINT NOT NULL DEFAULT 0;
-- JSON: {"version":1,...}.
ALTER TABLE endpoint ADD COLUMN telnet TEXT;

ALTER TABLE tenant ADD COLUMN save_host_keys BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tenant ADD COLUMN allow_telnet BIGINT NOT NULL DEFAULT 1;
ALTER TABLE tenant ADD COLUMN idle_limit_seconds BIGINT NOT NULL DEFAULT 1800;
ALTER TABLE tenant ADD COLUMN total_limit_seconds BIGINT NOT NULL DEFAULT 28800;
