// What the keyboard does on all pages but in a screen.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { Dialog } from "./parts/dialog.tsx";
import { DEVICES, go, route } from "./router.ts";
import { text } from "./text/en.ts";

const CHORD_MS = 1000;
const shown = signal(false);

export function showShortcuts(): void {
  shown.value = true;
}

export function Shortcuts() {
  useEffect(() => {
    let chord = 0;
    const key = (event: KeyboardEvent) => {
      if (
        event.ctrlKey ||
        event.metaKey ||
        event.altKey ||
        isTyping(event.target) ||
        document.querySelector("dialog[open]")
      )
        return;
      const follows = chord > event.timeStamp - CHORD_MS;
      chord = event.key === "g" ? event.timeStamp : 0;
      if (act(event.key, follows)) event.preventDefault();
    };
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, []);
  if (!shown.value) return null;
  return (
    <Dialog title={text.frame.shortcuts} onClose={() => (shown.value = false)}>
      <dl class="shortcuts">
        {text.shortcuts.map(([keys, does]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("input, textarea, select, [role=menu]") !== null;
}

/** Does what the key stands for; whether it stands for something. */
function act(key: string, afterG: boolean): boolean {
  switch (key) {
    case "/":
      if (route.value.page !== "devices") go(DEVICES);
      requestAnimationFrame(() => document.querySelector<HTMLElement>("input[type=search]")?.focus());
      return true;
    case "?":
      showShortcuts();
      return true;
    case "d":
      if (afterG) go(DEVICES);
      return afterG;
    case "j":
    case "ArrowDown":
      return moveRow(1, key);
    case "k":
    case "ArrowUp":
      return moveRow(-1, key);
    case "c":
      return press(document.activeElement?.closest("tr"), key);
    case "n":
      return press(document, key);
    default:
      return false;
  }
}

/** Arrows scroll the page as long as no row has the focus. */
function moveRow(step: number, key: string): boolean {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")];
  const at = rows.findIndex(
    (row) => row === document.activeElement || row.closest("tr")?.contains(document.activeElement) === true,
  );
  if (at < 0 && key.startsWith("Arrow")) return false;
  const next = rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + step))];
  next?.focus();
  return next !== undefined;
}

/** Presses what says that the key does the same. */
function press(inside: ParentNode | null | undefined, key: string): boolean {
  const found = inside?.querySelector<HTMLElement>(`[aria-keyshortcuts="${key}"]`);
  found?.click();
  return found != null;
}
