import assert from "node:assert/strict";
import { test } from "node:test";

import type { Problem } from "../src/api/model.ts";
import { Flow } from "../src/connect/terminal/flow.ts";
import { barKey, chord, NOTHING_HELD, shortcut } from "../src/connect/terminal/keys.ts";
import { cleaned, copiedBy, lines, runsAtOnce } from "../src/connect/terminal/paste.ts";
import { after } from "../src/connect/terminal/return.ts";
import { presetOf, TELNET_PRESETS, TELNET_USUAL } from "../src/pages/endpoint-draft.ts";
import { withLine } from "../src/pages/endpoint-ssh.tsx";

const KIB = 1024;

test("what is drawn is acknowledged when nothing is left, however little it is", () => {
  const flow = new Flow(1000);
  flow.arrive(3);
  assert.equal(flow.draw(3), 1003);
  assert.equal(flow.isBehind, false);
});

test("a flood is acknowledged every 32 KiB while it is drawn, and counted from the terminal's first byte", () => {
  const flow = new Flow(0);
  flow.arrive(100 * KIB);
  const told = Array.from({ length: 10 }, () => flow.draw(10 * KIB)).filter((bytes) => bytes !== undefined);
  assert.deepEqual(told, [40 * KIB, 80 * KIB, 100 * KIB]);
});

test("a terminal goes on behind what has arrived, though it may not be drawn yet", () => {
  const flow = new Flow(50);
  flow.arrive(7);
  assert.equal(flow.received, 57);
  assert.equal(flow.isBehind, true);
});

test("pasted text presses no keys", () => {
  assert.equal(cleaned("a\x1b[201~b\x9b1mc\x03d\x7f"), "a[201~b1mcd");
  assert.equal(cleaned("one\r\ntwo\rthree\tfour"), "one\ntwo\nthree\tfour");
  assert.equal(cleaned("日本語 🚀 é"), "日本語 🚀 é");
});

test("whole lines are asked about, unless the shell knows what is pasted", () => {
  assert.ok(runsAtOnce("ls\npwd", false));
  assert.ok(runsAtOnce("ls\n", false));
  assert.ok(!runsAtOnce("ls", false));
  assert.ok(!runsAtOnce("ls\npwd", true));
  assert.equal(lines("ls\n"), 1);
  assert.equal(lines("ls\npwd\n"), 2);
});

test("a program may copy text that is not too large, and read nothing", () => {
  const encoded = (text: string) => Buffer.from(text).toString("base64");
  assert.equal(copiedBy(`c;${encoded("日本語")}`), "日本語");
  assert.equal(copiedBy(`;${encoded("x".repeat(100 * KIB))}`)?.length, 100 * KIB);
  assert.equal(copiedBy(`c;${encoded("x".repeat(100 * KIB + 3))}`), undefined);
  assert.equal(copiedBy("c;?"), undefined);
  assert.equal(copiedBy("c;"), undefined);
  assert.equal(copiedBy(`c;${Buffer.from([0xff, 0xfe]).toString("base64")}`), undefined);
});

const problem = (code: string): Problem => ({ title: code, status: 0, detail: "", code, hop: "cloud", remedy: "" });

test("a terminal is come back to after silence, and forgotten when the cloud says that it ended", () => {
  assert.equal(after(problem("cloud-unreachable"), false, false), "keep");
  assert.equal(after(problem("cloud-unreachable"), false, true), "keep");
  assert.equal(after(problem("device-offline"), false, true), "keep");
  assert.equal(after(problem("session-ended"), true, false), "forget");
});

test("a terminal that is gone when one comes back to it is opened anew, once", () => {
  assert.equal(after(problem("session-lost"), false, true), "anew");
  assert.equal(after(problem("session-lost"), true, true), "anew");
  assert.equal(after(problem("session-lost"), true, false), "forget");
});

test("keys of the bar are what a keyboard sends", () => {
  assert.equal(barKey("Esc", NOTHING_HELD, false), "\x1b");
  assert.equal(barKey("^C", NOTHING_HELD, false), "\x03");
  assert.equal(barKey("Up", NOTHING_HELD, false), "\x1b[A");
  assert.equal(barKey("Up", NOTHING_HELD, true), "\x1bOA");
  assert.equal(barKey("Left", { ctrl: true, alt: false }, true), "\x1b[1;5D");
  assert.equal(barKey("Right", { ctrl: true, alt: true }, false), "\x1b[1;7C");
});

test("held keys change the one character that is typed next, and no pasted text", () => {
  assert.equal(chord("c", { ctrl: true, alt: false }), "\x03");
  assert.equal(chord("[", { ctrl: true, alt: false }), "\x1b");
  assert.equal(chord(" ", { ctrl: true, alt: false }), "\0");
  assert.equal(chord("b", { ctrl: false, alt: true }), "\x1bb");
  assert.equal(chord("é", { ctrl: true, alt: false }), "é");
  assert.equal(chord("cat", { ctrl: true, alt: true }), "cat");
});

const key = (pressed: string, held: string): KeyboardEvent =>
  ({
    key: pressed,
    ctrlKey: held.includes("C"),
    shiftKey: held.includes("S"),
    altKey: held.includes("A"),
    metaKey: held.includes("M"),
  }) as KeyboardEvent;

test("Ctrl+C goes to the device, Ctrl+Shift+C does not", () => {
  assert.equal(shortcut(key("c", "C"), false), undefined);
  assert.equal(shortcut(key("C", "CS"), false), "copy");
  assert.equal(shortcut(key("V", "CS"), false), "paste");
  assert.equal(shortcut(key("F", "CS"), false), "find");
  assert.equal(shortcut(key("_", "CS"), false), undefined);
  assert.equal(shortcut(key("-", "C"), false), "smaller");
  assert.equal(shortcut(key("c", "CA"), false), undefined);
  assert.equal(shortcut(key("c", "M"), true), undefined);
  assert.equal(shortcut(key("f", "M"), true), "find");
  assert.equal(shortcut(key("f", "C"), true), undefined);
});

test("a serial console echoes and edits by itself", () => {
  assert.equal(presetOf(TELNET_USUAL), "telnet");
  assert.equal(presetOf({ ...TELNET_USUAL, ...TELNET_PRESETS.serial }), "serial");
  assert.equal(presetOf({ ...TELNET_USUAL, local_echo: "always" }), "other");
});

test("host keys are added below those that there are", () => {
  assert.equal(withLine("", "ssh-ed25519 AAAA\n"), "ssh-ed25519 AAAA");
  assert.equal(withLine("ssh-rsa AAAB\n", "ssh-ed25519 AAAA"), "ssh-rsa AAAB\nssh-ed25519 AAAA");
});
