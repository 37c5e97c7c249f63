// What changes in the cloud, as it changes: one event stream for the whole page.

import { effect, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { call, me } from "./call.ts";
import type { CurrentUser, Operation, Session } from "./model.ts";

export type Change =
  | { event: "device"; device_id: string; online: boolean }
  | ({ event: "operation" } & Operation)
  | ({ event: "session" } & Session)
  /** Something may have been missed: read lists again. */
  | { event: "resync" };

const KINDS = ["device", "operation", "session"];
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 15_000;
/** A hidden tab gives its stream back: browsers allow a site few connections. */
const HIDDEN_MS = 10_000;

/** Whether the cloud is heard. */
export const hearing = signal(true);

const listeners = new Set<(change: Change) => void>();
let stream: EventSource | undefined;
let timer: ReturnType<typeof setTimeout> | undefined;
let pause = FIRST_PAUSE_MS;
let interrupted = false;

/** Calls `listener` for each change, as long as the component is there. */
export function useChanges(listener: (change: Change) => void): void {
  const latest = useRef(listener);
  latest.current = listener;
  useEffect(() => {
    const heard = (change: Change) => latest.current(change);
    listeners.add(heard);
    return () => void listeners.delete(heard);
  }, []);
}

/** Listens from now on, whenever somebody is logged in and the page is seen. */
export function listen(): void {
  effect(() => (me.value ? open() : close()));
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(close, HIDDEN_MS);
    else if (me.value && !stream) open();
  });
  addEventListener("online", () => me.value && hearing.value === false && open());
}

function open(): void {
  close();
  const opened = new EventSource("/api/v1/events");
  stream = opened;
  opened.onopen = () => {
    pause = FIRST_PAUSE_MS;
    hearing.value = true;
    if (interrupted) tell({ event: "resync" });
    interrupted = false;
  };
  opened.onerror = () => {
    interrupted = true;
    // A stream that ended by itself comes back by itself, at once; what was refused does not.
    if (opened.readyState === EventSource.CLOSED) void lost(opened);
    else if (pause > FIRST_PAUSE_MS) hearing.value = false;
    else pause *= 2;
  };
  for (const kind of KINDS) {
    opened.addEventListener(kind, (event) => tell(JSON.parse((event as MessageEvent<string>).data) as Change));
  }
}

async function lost(which: EventSource): Promise<void> {
  if (which !== stream) return;
  close();
  hearing.value = false;
  // Finds out whether the login is over: then nobody is to listen.
  await call<CurrentUser>("GET", "/current-user").catch(() => undefined);
  if (!me.value || stream) return;
  timer = setTimeout(open, pause);
  pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
}

function close(): void {
  clearTimeout(timer);
  if (stream) interrupted = true;
  stream?.close();
  stream = undefined;
}

function tell(change: Change): void {
  for (const listener of [...listeners]) listener(change);
}
