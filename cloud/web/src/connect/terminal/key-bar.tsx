// For fingers: a bar of the keys that a keyboard on glass does not have.

import { Button } from "../../parts/button.tsx";
import { text } from "../../text/en.ts";
import { BAR_KEYS, type BarKey, type Held } from "./keys.ts";

const ARROWS: Partial<Record<BarKey, string>> = { Left: "←", Up: "↑", Down: "↓", Right: "→" };
const MODIFIERS = [
  ["Ctrl", "ctrl"],
  ["Alt", "alt"],
] as const;

export function TerminalKeyBar(props: {
  held: Held;
  hold: (held: Held) => void;
  press: (key: BarKey) => void;
  keyboard: () => void;
}) {
  const { held, hold, press } = props;
  return (
    <div
      class="key-bar"
      role="toolbar"
      aria-label={text.screen.touchKeys}
      // The terminal keeps the focus, and with it the keyboard stays.
      onPointerDown={(event) => event.preventDefault()}
    >
      {MODIFIERS.map(([name, modifier]) => (
        <Button key={name} pressed={held[modifier]} onClick={() => hold({ ...held, [modifier]: !held[modifier] })}>
          {name}
        </Button>
      ))}
      {BAR_KEYS.map((key) => (
        <Button key={key} label={key} onClick={() => press(key)}>
          {ARROWS[key] ?? key}
        </Button>
      ))}
      <span class="grow" />
      <Button icon="keyboard" label={text.screen.keyboard} onClick={props.keyboard} />
    </div>
  );
}
