import assert from "node:assert/strict";
import { test } from "node:test";

import { address, csv, plain, shellWord } from "../src/plain.ts";

test("what would turn or hide text is written out", () => {
  assert.equal(plain("pump\u202e7"), "pump⟨U+202E⟩7");
  assert.equal(plain("a\u200bb\u00adc\ufeff"), "a⟨U+200B⟩b⟨U+00AD⟩c⟨U+FEFF⟩");
  assert.equal(plain("line\nbreak\u0007"), "line⟨U+000A⟩break⟨U+0007⟩");
  assert.equal(plain("\ud800 alone"), "⟨U+D800⟩ alone");
  assert.equal(plain("\u{e0041}"), "⟨U+E0041⟩");
});

test("letters of any script, signs and emoji stay as they are", () => {
  for (const name of ["Presse 4 – Süd", "プレス", "مضخة", "☀️ 🚀", "<b>&amp;</b>"]) assert.equal(plain(name), name);
});

test("a name is one word for a shell, whatever is in it", () => {
  assert.equal(shellWord("pump-7"), "pump-7");
  assert.equal(shellWord("press line"), "'press line'");
  assert.equal(shellWord("it's; rm -rf /"), "'it'\\''s; rm -rf /'");
  assert.equal(shellWord("--help"), "'--help'");
  assert.equal(shellWord(""), "''");
});

test("an IPv6 address keeps its colons apart from the port's", () => {
  assert.equal(address("fe80::1", 22), "[fe80::1]:22");
  assert.equal(address("hmi-2", 5900), "hmi-2:5900");
});

test("a table's cells end where they should and compute nothing", () => {
  assert.equal(csv([["a,b", 'c"d', 3]]), '"a,b","c""d","3"\r\n');
  assert.equal(csv([["=cmd()", "-1", -1]]), '"\'=cmd()","\'-1","-1"\r\n');
});
