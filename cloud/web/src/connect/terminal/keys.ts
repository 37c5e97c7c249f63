// Keys as the characters that a terminal sends for them (xterm's, which everybody took over).

export interface Held {
  ctrl: boolean;
  alt: boolean;
}

export const NOTHING_HELD: Held = { ctrl: false, alt: false };

export const BAR_KEYS = ["Esc", "Tab", "^C", "Up", "Down", "Left", "Right"] as const;
export type BarKey = (typeof BAR_KEYS)[number];

const ARROWS: Partial<Record<BarKey, string>> = { Up: "A", Down: "B", Right: "C", Left: "D" };
const OTHERS: Partial<Record<BarKey, string>> = { Esc: "\x1b", Tab: "\t", "^C": "\x03" };

/** A key of the bar. `application`: the program has asked for the other kind of arrows (DECCKM). */
export function barKey(key: BarKey, { ctrl, alt }: Held, application: boolean): string {
  const arrow = ARROWS[key];
  if (arrow === undefined) return (alt ? "\x1b" : "") + (OTHERS[key] ?? "");
  const modifiers = 1 + (alt ? 2 : 0) + (ctrl ? 4 : 0);
  if (modifiers > 1) return `\x1b[1;${modifiers}${arrow}`;
  return (application ? "\x1bO" : "\x1b[") + arrow;
}

/** What was typed while keys of the bar are held. */
export function chord(typed: string, { ctrl, alt }: Held): string {
  const isOne = [...typed].length === 1;
  return (alt && isOne ? "\x1b" : "") + (ctrl && isOne ? control(typed) : typed);
}

function control(character: string): string {
  if (character === " ") return "\0";
  if (character === "?") return "\x7f";
  const code = character.toUpperCase().charCodeAt(0);
  return code >= 0x40 && code <= 0x5f ? String.fromCharCode(code & 0x1f) : character;
}

/** What the page does with a key, instead of the device. */
export type Shortcut = "copy" | "paste" | "find" | "larger" | "smaller" | "usual";

/** The keys that terminals have for themselves everywhere; with Cmd the browser copies and pastes by itself. */
export function shortcut(event: KeyboardEvent, isMac: boolean): Shortcut | undefined {
  if (event.altKey || (isMac ? !event.metaKey || event.ctrlKey : !event.ctrlKey || event.metaKey)) return undefined;
  const key = event.key.toLowerCase();
  if (key === "+" || key === "=") return "larger";
  if (key === "-" && !event.shiftKey) return "smaller";
  if (key === "0" && !event.shiftKey) return "usual";
  if (isMac) return key === "f" ? "find" : undefined;
  if (!event.shiftKey) return undefined;
  return key === "c" ? "copy" : key === "v" ? "paste" : key === "f" ? "find" : undefined;
}
