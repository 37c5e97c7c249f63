import assert from "node:assert/strict";
import { test } from "node:test";

import type { Endpoint, Grant, Operation, Session } from "../src/api/model.ts";
import { blank, copyOf, draftOf, wish, withProtocol } from "../src/pages/endpoint-draft.ts";
import { changed, duration, fits, NO_FILTER, queryOf, reason } from "../src/pages/history.ts";
import { rowsOf } from "../src/pages/settings/grants.tsx";

const saved: Endpoint = {
  id: "9",
  device_id: "1",
  name: "HMI",
  protocol: "VNC",
  host: "127.0.0.1",
  port: 5901,
  sign_in: "password",
  view_only: true,
  has_password: true,
  created_at: "2026-11-25T12:00:00Z",
};

test("a saved secret is kept when its field stays empty, and replaced when it does not", () => {
  const draft = draftOf(saved);
  assert.equal(draft.password, "");
  assert.ok(!("password" in wish(draft)));
  assert.equal(wish({ ...draft, password: "new" }).password, "new");
});

test("no secret is sent that the way of signing in has no use for", () => {
  const sent = wish({ ...draftOf(saved), signIn: "none", password: "typed before" });
  assert.deepEqual(sent, {
    name: "HMI",
    protocol: "VNC",
    host: "127.0.0.1",
    port: 5901,
    sign_in: "none",
    view_only: true,
  });
});

const shell: Endpoint = {
  ...saved,
  protocol: "SSH",
  port: 22,
  sign_in: "key-pair",
  view_only: false,
  has_password: false,
  user: "demo",
  public_key: "ssh-ed25519 AAAA towline",
  host_keys: [{ key: "ssh-ed25519 AAAB", fingerprint: "SHA256:x" }],
};

test("a key pair is kept, made or given, and an emptied host key is no host key", () => {
  const draft = draftOf(shell);
  const kept = wish(draft);
  assert.deepEqual([kept.generate_key, kept.private_key, kept.host_keys], [undefined, undefined, "ssh-ed25519 AAAB"]);
  assert.equal(wish({ ...draft, keySource: "generate", privateKey: "typed before" }).generate_key, true);
  const given = wish({ ...draft, keySource: "paste", privateKey: "-----BEGIN", hostKeys: " " });
  assert.deepEqual([given.generate_key, given.private_key, given.host_keys], [undefined, "-----BEGIN", ""]);
});

test("a copy of an endpoint has a key pair of its own", () => {
  assert.equal(wish(copyOf(shell)).generate_key, true);
  assert.ok(!("private_key" in wish({ ...draftOf(shell), signIn: "ask", privateKey: "typed before" })));
});

test("how keys and text are treated is said for Telnet only", () => {
  assert.equal(wish(blank("TELNET")).telnet?.newline, "cr-nul");
  assert.ok(!("telnet" in wish(blank("SSH"))));
});

test("the port follows the protocol until somebody types one", () => {
  assert.equal(withProtocol(blank("VNC"), "SSH").port, "22");
  assert.equal(withProtocol({ ...blank("VNC"), port: "5999" }, "SSH").port, "5999");
  assert.equal(withProtocol({ ...blank("VNC"), viewOnly: true }, "TELNET").viewOnly, false);
  assert.equal(withProtocol(blank("VNC"), "PASSTHROUGH").signIn, "none");
});

const operation = (id: string, more: Partial<Operation> = {}): Operation => ({
  id,
  device_id: "1",
  endpoint_id: "9",
  user: "mia",
  status: "PENDING",
  created_at: "2026-11-25T12:00:00Z",
  updated_at: "2026-11-25T12:00:00Z",
  ...more,
});
const session: Session = {
  id: "5",
  operation_id: "2",
  device_id: "1",
  endpoint_id: "9",
  user: "mia",
  source: "127.0.0.1:1",
  started_at: "2026-11-25T12:00:00Z",
  ended_at: null,
  end: null,
  bytes_to_target: 0,
  bytes_from_target: 0,
};

test("news of an operation changes its row, or stands first", () => {
  const rows = [{ operation: operation("2") }, { operation: operation("1") }];
  assert.equal(changed(rows, { operation: operation("3") })[0]?.operation.id, "3");
  assert.equal(changed(rows, { operation: operation("1", { status: "FAILED" }) })[1]?.operation.status, "FAILED");
  assert.equal(changed(rows, { session })[0]?.session?.id, "5");
});

test("a connection lasts from its start to its end, or until now", () => {
  const start = Date.parse(session.started_at);
  assert.equal(duration({ operation: operation("2"), session }, start + 4000), 4000);
  assert.equal(
    duration({ operation: operation("2"), session: { ...session, ended_at: "2026-11-25T12:00:01Z" } }, 0),
    1000,
  );
  assert.equal(duration({ operation: operation("1") }, 0), undefined);
});

test("the reason is who ended it, else what did, else why it failed", () => {
  const ended = { ...session, end: "revoked" as const, ended_at: "2026-11-25T12:00:01Z" };
  assert.equal(
    reason({ operation: operation("2"), session: { ...ended, end_detail: "ended by max" } }, "pump-7"),
    "Ended by max.",
  );
  assert.equal(reason({ operation: operation("2"), session: ended }, "pump-7"), "Ended by the cloud.");
  assert.match(
    reason({ operation: operation("1", { status: "FAILED", failure: "device-offline" }) }, "pump-7"),
    /pump-7 was offline/,
  );
  assert.equal(reason({ operation: operation("1") }, "pump-7"), "");
});

test("a filter asks for whole days where the reader is", () => {
  const { since, until } = queryOf({ ...NO_FILTER, since: "2026-11-24", until: "2026-11-24" });
  assert.equal(Date.parse(String(until)) - Date.parse(String(since)), 86_400_000);
  assert.equal(new Date(String(since)).getHours(), 0);
  assert.deepEqual(queryOf(NO_FILTER), { user: "", status: "", since: undefined, until: undefined });
});

test("what is new appears under a filter only if it fits", () => {
  assert.ok(fits(operation("1"), { ...NO_FILTER, user: "mia" }));
  assert.ok(!fits(operation("1"), { ...NO_FILTER, user: "max" }));
  assert.ok(!fits(operation("1"), { ...NO_FILTER, status: "FAILED" }));
});

test("grants of a pair of groups are one row, and a pair without any can have one", () => {
  const [crew, admins] = [
    { id: "1", name: "crew" },
    { id: "2", name: "admins" },
  ];
  const pumps = { id: "3", name: "pumps" };
  const grant = (id: string, permission: Grant["permission"]): Grant => ({
    id,
    user_group: crew,
    device_group: pumps,
    permission,
  });
  const rows = rowsOf(
    [grant("7", "remote-access-read"), grant("8", "remote-access-connect")],
    [
      { users: admins, devices: pumps },
      { users: crew, devices: pumps },
    ],
  );
  assert.deepEqual(
    rows.map(({ users, grants }) => [users.name, grants.size]),
    [
      ["admins", 0],
      ["crew", 2],
    ],
  );
});
