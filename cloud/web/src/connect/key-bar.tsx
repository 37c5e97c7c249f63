// For fingers: a bar of the keys that a keyboard on glass does not have, and the way to that keyboard.

import type RFB from "@novnc/novnc";
import { useEffect, useRef, useState } from "preact/hooks";

import { Button } from "../parts/button.tsx";
import { text } from "../text/en.ts";
import { keyNamed, keyOf, typed, type Key } from "./keys.ts";

/** Keys that stay down until they are touched again. */
export interface HeldKeys {
  names: readonly string[];
  toggle(name: string): void;
}

export function useHeldKeys(rfb: RFB | undefined): HeldKeys {
  const [names, setNames] = useState<readonly string[]>([]);
  useEffect(() => setNames([]), [rfb]);
  return {
    names,
    toggle(name) {
      const key = keyNamed(name);
      const down = !names.includes(name);
      if (key) rfb?.sendKey(key.keysym, key.code, down);
      setNames(down ? [...names, name] : names.filter((each) => each !== name));
    },
  };
}

/** Text that is always before the cursor, so that there is something to erase. */
const GROUND = " ".repeat(32);
const BAR = ["Esc", "Tab", "Left", "Up", "Down", "Right"];
const ARROWS: Record<string, string> = { Left: "←", Up: "↑", Down: "↓", Right: "→" };

export function KeyBar({ rfb, held }: { rfb: RFB; held: HeldKeys }) {
  const field = useRef<HTMLTextAreaElement>(null);
  const before = useRef(GROUND);
  const type = ({ keysym, code }: Key) => rfb.sendKey(keysym, code);
  const reset = () => {
    before.current = GROUND;
    if (field.current) field.current.value = GROUND;
  };
  const changed = () => {
    const now = field.current?.value ?? "";
    const { erased, added } = typed(before.current, now);
    const backspace = keyNamed("Backspace");
    for (let left = erased; left > 0 && backspace; left -= 1) type(backspace);
    for (const character of added) type(keyOf(character));
    before.current = now;
    if (now.length < 8 || now.length > 4 * GROUND.length) reset();
  };
  return (
    <div class="key-bar" role="toolbar" aria-label={text.screen.touchKeys}>
      {["Ctrl", "Alt"].map((name) => (
        <Button key={name} pressed={held.names.includes(name)} onClick={() => held.toggle(name)}>
          {name}
        </Button>
      ))}
      {BAR.map((name) => {
        const key = keyNamed(name);
        return (
          <Button key={name} label={name} onClick={() => key && type(key)}>
            {ARROWS[name] ?? name}
          </Button>
        );
      })}
      <span class="grow" />
      <Button
        icon="keyboard"
        label={text.screen.keyboard}
        onClick={() => {
          reset();
          field.current?.focus();
        }}
      />
      <textarea
        ref={field}
        class="glass"
        aria-label={text.screen.keyboard}
        tabIndex={-1}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        onInput={changed}
      />
    </div>
  );
}
