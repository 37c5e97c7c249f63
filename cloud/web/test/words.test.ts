import assert from "node:assert/strict";
import { test } from "node:test";

import type { Problem } from "../src/api/model.ts";
import { ago, clock, size, span } from "../src/moment.ts";
import { say, sentence } from "../src/text/say.ts";

const problem = (code: string, more: Partial<Problem> = {}): Problem => ({
  title: "the cause",
  status: 500,
  detail: "",
  code,
  hop: "cloud",
  remedy: "do something",
  ...more,
});

test("a failure says what happened and what to do, in the page's words where it has some", () => {
  assert.equal(
    say(problem("target-refused", { hop: "target" }), { device: "pump-7", target: "127.0.0.1:5900" }),
    "Nothing listens on 127.0.0.1:5900 (connection refused). Is the server running?",
  );
  assert.match(
    say(problem("device-offline"), { device: "pump-7", seen: "2 hours ago" }),
    /^pump-7 is offline \(last seen 2 hours ago\)/,
  );
});

test("a failure that the page has no words for is told in the cloud's", () => {
  assert.equal(say(problem("brand-new", { detail: "42" })), "The cause: 42. Do something.");
});

test("the permission that is missing is named", () => {
  assert.equal(
    say(problem("forbidden", { detail: 'remote-access-connect on device "pump-7"' })),
    "You need “Remote access: connect” for this. Ask an administrator.",
  );
});

test("whose password was wrong is said", () => {
  assert.match(say(problem("auth-failed")), /^User name or password/);
  assert.match(say(problem("target-sign-in"), { target: "hmi:5900" }), /^hmi:5900 refused/);
});

test("a host key that has changed is told with both fingerprints", () => {
  const said = say(problem("host-key-changed", { detail: "kept SHA256:a, shown SHA256:b" }), { target: "hmi:22" });
  assert.match(said, /^hmi:22 shows another host key .* Kept SHA256:a, shown SHA256:b\.$/);
});

test("names in failures cannot turn the text around them", () => {
  assert.ok(say(problem("device-disabled"), { device: "\u202epump" }).includes("⟨U+202E⟩pump"));
});

test("a clause becomes a sentence once", () => {
  assert.equal(sentence("a port is 1 to 65535"), "A port is 1 to 65535.");
  assert.equal(sentence("Really?"), "Really?");
});

test("times and amounts are read at a glance", () => {
  const now = Date.parse("2026-11-25T12:00:00Z");
  assert.equal(ago("2026-11-25T11:59:30Z", now), "just now");
  assert.equal(ago("2026-11-25T09:00:00Z", now), "3 hours ago");
  assert.equal(ago("2026-11-24T11:00:00Z", now), "yesterday");
  assert.equal(span(340), "340 ms");
  assert.equal(span(64_000), "1 min 4 s");
  assert.equal(span(3_840_000), "1 h 4 min");
  assert.equal(size(999), "999 B");
  assert.equal(size(3_400_000), "3.4 MB");
  assert.equal(size(250_000_000), "250 MB");
});

test("a time has as much of its date as differs from now", () => {
  const now = new Date(2026, 10, 25, 12);
  assert.doesNotMatch(clock(new Date(2026, 10, 25, 9).toISOString(), now), /Nov/);
  assert.match(clock(new Date(2026, 10, 24, 9).toISOString(), now), /^Nov 24/);
  assert.match(clock(new Date(2025, 10, 24, 9).toISOString(), now), /2025/);
});
