// Keys that browser and system keep for themselves, from a menu.

import type RFB from "@novnc/novnc";
import { useState } from "preact/hooks";

import { Button } from "../parts/button.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { Input } from "../parts/field.tsx";
import { Menu, type MenuItem } from "../parts/menu.tsx";
import { plain } from "../plain.ts";
import { text } from "../text/en.ts";
import type { HeldKeys } from "./key-bar.tsx";
import { combination, type Key } from "./keys.ts";

const { screen: words } = text;
const COMBINATIONS = [
  "Ctrl+Alt+Del",
  "Esc",
  "Tab",
  "Alt+Tab",
  "Alt+F4",
  "Win",
  "Win+L",
  "PrtSc",
  "Ctrl+Alt+F1",
  "Ctrl+Alt+F7",
];
const HOLDS = ["Ctrl", "Alt", "Shift", "Win"];

/** Presses them in this order and lets go in the other. */
export function press(rfb: RFB, keys: readonly Key[]): void {
  for (const { keysym, code } of keys) rfb.sendKey(keysym, code, true);
  for (const { keysym, code } of [...keys].reverse()) rfb.sendKey(keysym, code, false);
}

export function KeysTool({ rfb, held }: { rfb: RFB; held: HeldKeys }) {
  const [asking, setAsking] = useState(false);
  const [typed, setTyped] = useState("");
  const send = (which: string) => {
    const keys = combination(which);
    if (typeof keys === "string") return;
    press(rfb, keys);
    rfb.focus();
  };
  const found = combination(typed);
  const fault = typed !== "" && typeof found === "string" ? words.combinationUnknown(plain(found)) : undefined;
  const items: MenuItem[] = [
    ...COMBINATIONS.map((each) => ({ label: each, run: () => send(each) })),
    ...HOLDS.map((each) => ({
      label: words.hold(each),
      checked: held.names.includes(each),
      run: () => {
        held.toggle(each);
        rfb.focus();
      },
    })),
    { label: words.combination, run: () => setAsking(true) },
  ];
  return (
    <>
      <Menu label={words.keys} text={words.keys} items={items} />
      {asking && (
        <Dialog title={words.combination} onClose={() => setAsking(false)}>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              setAsking(false);
              send(typed);
            }}
          >
            <Input
              label={words.combinationKeys}
              hint={words.combinationHint}
              fault={fault}
              value={typed}
              onInput={setTyped}
              required
              autoFocus
            />
            <footer>
              <Button onClick={() => setAsking(false)}>{text.common.cancel}</Button>
              <Button kind="primary" submit disabled={typeof found === "string"}>
                {words.send}
              </Button>
            </footer>
          </form>
        </Dialog>
      )}
    </>
  );
}
