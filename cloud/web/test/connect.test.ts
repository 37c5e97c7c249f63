import assert from "node:assert/strict";
import { test } from "node:test";

import { combination, keyNamed, keyOf, typed } from "../src/connect/keys.ts";
import { passes, pauseSeconds } from "../src/connect/retry.ts";

test("a combination is pressed key by key", () => {
  const keys = combination("Ctrl + Alt+Del");
  assert.ok(typeof keys !== "string");
  assert.deepEqual(
    keys.map(({ code }) => code),
    ["ControlLeft", "AltLeft", "Delete"],
  );
  assert.deepEqual(keyNamed("F12"), { keysym: 0xffc9, code: "F12" });
});

test("a word that is no key is named", () => {
  assert.equal(combination("Ctrl+Hyper"), "Hyper");
  assert.equal(combination("F25"), "F25");
  assert.equal(combination(""), "");
});

test("characters have the keysyms of X11", () => {
  assert.deepEqual(keyOf("a"), { keysym: 0x61, code: "KeyA" });
  assert.deepEqual(keyOf("7"), { keysym: 0x37, code: "Digit7" });
  assert.equal(keyOf("é").keysym, 0xe9);
  assert.equal(keyOf("日").keysym, 0x010065e5);
  assert.equal(keyOf("🚀").keysym, 0x0101f680);
  assert.equal(keyOf("\n").code, "Enter");
});

test("what a keyboard on glass corrects is taken back and typed again", () => {
  assert.deepEqual(typed("   teh", "   the "), { erased: 2, added: "he " });
  assert.deepEqual(typed("ab", "a"), { erased: 1, added: "" });
  assert.deepEqual(typed("a🚀", "a日"), { erased: 1, added: "日" });
  assert.deepEqual(typed("same", "same"), { erased: 0, added: "" });
});

test("only what the network or a restart did is tried again by itself, later and later", () => {
  for (const code of ["cloud-unreachable", "device-offline", "session-lost", "shutting-down"])
    assert.ok(passes(code), code);
  for (const code of ["auth-failed", "target-refused", "session-ended", "forbidden", "unknown-endpoint"])
    assert.ok(!passes(code), code);
  assert.deepEqual([0, 1, 2, 3, 4, 5, 100].map(pauseSeconds), [1, 2, 4, 8, 15, 15, 15]);
});
