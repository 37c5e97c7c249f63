// What is said between things: notices, empty states, toasts, what could not be loaded.

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";

import type { Loaded } from "../api/loaded.ts";
import { text } from "../text/en.ts";
import { say } from "../text/say.ts";
import { Button } from "./button.tsx";
import { Icon } from "./icon.tsx";

export type NoticeKind = "info" | "ok" | "warn" | "bad";

export function Notice({ kind, children }: { kind: NoticeKind; children: ComponentChildren }) {
  const icon = kind === "ok" ? "check" : kind === "info" ? "info" : "warn";
  return (
    <div class={`notice ${kind}`} role={kind === "bad" ? "alert" : "status"}>
      <Icon name={icon} />
      <div>{children}</div>
    </div>
  );
}

/** Where a list has nothing to show: why, and what to do about it. */
export function Empty({
  title,
  says,
  children,
}: {
  title: string;
  says?: string | undefined;
  children?: ComponentChildren;
}) {
  return (
    <div class="empty">
      <p class="title">{title}</p>
      {says !== undefined && <p>{says}</p>}
      {children && <div class="actions">{children}</div>}
    </div>
  );
}

/** What was loaded; before that a bar, and instead of it the reason why not. */
export function Shown<T>({ loaded, children }: { loaded: Loaded<T>; children: (data: T) => ComponentChildren }) {
  return (
    <>
      {loaded.problem && (
        <Notice kind="bad">
          {say(loaded.problem)}{" "}
          <Button kind="quiet" onClick={loaded.reload}>
            {text.common.retry}
          </Button>
        </Notice>
      )}
      {loaded.data === undefined ? loaded.loading && <Loading /> : children(loaded.data)}
    </>
  );
}

export function Loading({ says }: { says?: string }) {
  return (
    <div class="loading" role="status">
      <span>{says ?? text.common.loading}</span>
    </div>
  );
}

interface Toast {
  key: number;
  words: string;
}

const TOAST_MS = 5000;
const toasts = signal<Toast[]>([]);
let lastToast = 0;

/** Says that something was done. */
export function toast(words: string): void {
  const key = ++lastToast;
  toasts.value = [...toasts.value, { key, words }];
  setTimeout(() => (toasts.value = toasts.value.filter((each) => each.key !== key)), TOAST_MS);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map(({ key, words }) => (
        <p key={key}>{words}</p>
      ))}
    </div>
  );
}
