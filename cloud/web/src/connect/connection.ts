// A connection to an endpoint as the page lives it: asking, opening, handshake, connected, ended, and again.
//
//   asking ──► opening ──► handshake ──► connected
//     │           │            │             │
//     └───────────┴────────────┴─────────────┴──► ended ──(Reconnect, or the countdown)──► asking
//
// Viewers (the screen; a terminal) know only the line they are attached to.

import { useEffect, useRef, useState } from "preact/hooks";

import { call, id, problemFrom, unreachable } from "../api/call.ts";
import type { ConnectTicket, Problem } from "../api/model.ts";
import { text } from "../text/en.ts";
import { dial, type Line, type Phase, type Pong, type Word } from "./line.ts";
import { passes, pauseSeconds } from "./retry.ts";

export type State =
  | { at: "asking"; since: number }
  | { at: "opening"; target: string }
  | { at: "handshake" }
  | { at: "connected" }
  | { at: "ended"; problem: Problem | undefined; again: number | undefined };

export interface RoundTrip {
  millis: number;
  deviceMillis: number | undefined;
}

interface About {
  /** The cloud lets nothing through to the device. */
  viewOnly: boolean;
  operation: string | undefined;
  target: string | undefined;
}

export interface Connection extends About {
  state: State;
  roundTrip: RoundTrip | undefined;
  /** No answer for some seconds. */
  unstable: boolean;
  reconnect(): void;
  disconnect(): void;
  /** Stops the countdown. */
  stay(): void;
}

/** What a viewer does with a line, and how it lets go of it. */
export interface Viewer {
  attach(line: Line): () => void;
  /** Words that are not about every connection. */
  heard?(word: object): void;
}

const PING_MS = 2000;
const UNSTABLE_MS = 3000;
const DEAD_MS = 30_000;

export function useConnection(device: string, endpoint: string, viewOnlyWished: boolean, viewer: Viewer): Connection {
  const [state, setState] = useState<State>({ at: "asking", since: Date.now() });
  const [roundTrip, setRoundTrip] = useState<RoundTrip>();
  const [unstable, setUnstable] = useState(false);
  const [about, setAbout] = useState<About>({ viewOnly: viewOnlyWished, operation: undefined, target: undefined });
  const [attempt, setAttempt] = useState(0);
  const failures = useRef(0);
  const line = useRef<Line>(undefined);
  const endNow = useRef<(reason: Problem | undefined) => void>(undefined);
  const latest = useRef(viewer);
  latest.current = viewer;

  useEffect(() => {
    let over = false;
    let problem: Problem | undefined;
    let letGo: (() => void) | undefined;
    let stopPinging: (() => void) | undefined;

    const end = (reason: Problem | undefined) => {
      if (over) return;
      over = true;
      stopPinging?.();
      setUnstable(false);
      const again = reason && passes(reason.code) ? pauseSeconds(failures.current++) : undefined;
      setState({ at: "ended", problem: reason, again });
    };
    endNow.current = end;
    const heard = (word: Word) => {
      switch (word.type) {
        case "phase":
          return reached(word);
        case "pong":
          return pinger.heard(word);
        case "end":
          problem = word.problem;
          return;
        default:
          latest.current.heard?.(word);
      }
    };
    const reached = ({ phase, operation_id, view_only, target }: Phase) => {
      setAbout((old) => ({ viewOnly: view_only, operation: operation_id, target: target ?? old.target }));
      if (phase === "opening") setState({ at: "opening", target: target ?? "" });
      if (phase === "handshake") setState({ at: "handshake" });
      if (phase === "connected") {
        failures.current = 0;
        setState({ at: "connected" });
      }
    };
    const pinger = pings(setRoundTrip, setUnstable);

    setState({ at: "asking", since: Date.now() });
    setRoundTrip(undefined);
    call<ConnectTicket>("POST", `/devices/${id(device)}/endpoints/${id(endpoint)}/tickets`, {
      view_only: viewOnlyWished,
    }).then(
      (ticket) => {
        if (over) return;
        const mine = dial(ticket, heard, (by) => end(problem ?? (by === "viewer" ? unreadable() : unreachable())));
        line.current = mine;
        stopPinging = pinger.start(mine, () => {
          end(unreachable());
          mine.hangUp();
        });
        letGo = latest.current.attach(mine);
      },
      (error: unknown) => end(problemFrom(error)),
    );
    return () => {
      over = true;
      stopPinging?.();
      letGo?.();
      line.current?.hangUp();
    };
  }, [device, endpoint, viewOnlyWished, attempt]);

  const reconnect = () => setAttempt((count) => count + 1);
  useEffect(() => {
    if (state.at !== "ended" || state.again === undefined) return;
    const timer = setTimeout(() => {
      if (state.again === 1) reconnect();
      else setState({ ...state, again: (state.again ?? 1) - 1 });
    }, 1000);
    return () => clearTimeout(timer);
  }, [state]);
  useEffect(() => {
    if (state.at !== "connected") return;
    // Closing the tab by accident is asked about, as is going elsewhere.
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => removeEventListener("beforeunload", ask);
  }, [state.at]);

  return {
    state,
    roundTrip,
    unstable,
    ...about,
    reconnect,
    disconnect() {
      endNow.current?.(undefined);
      line.current?.hangUp();
    },
    stay: () => setState((old) => (old.at === "ended" ? { ...old, again: undefined } : old)),
  };
}

/** The viewer gave up: what came was not what it understands. */
function unreadable(): Problem {
  const { title, remedy } = text.screen.unreadable;
  return { title, status: 0, detail: "", code: "viewer-failed", hop: "browser", remedy };
}

/** Asks every two seconds how long an answer takes; a line on which nothing at all comes any more is `dead`. */
function pings(setRoundTrip: (now: RoundTrip) => void, setUnstable: (unstable: boolean) => void) {
  const sent = new Map<number, number>();
  let next = 0;
  let answered = performance.now();
  return {
    heard(pong: Pong) {
      const at = sent.get(pong.id);
      if (at === undefined) return;
      sent.clear();
      answered = performance.now();
      setUnstable(false);
      setRoundTrip({ millis: Math.round(answered - at), deviceMillis: pong.device_ms });
    },
    start(line: Line, dead: () => void): () => void {
      const ask = () => {
        const now = performance.now();
        if (sent.size > 0 && now - line.heardAt >= DEAD_MS) return dead();
        const waited = Math.min(...sent.values(), now);
        if (now - waited >= UNSTABLE_MS && now - answered >= UNSTABLE_MS) setUnstable(true);
        sent.set(next, now);
        line.tell({ type: "ping", id: next++ });
      };
      const timer = setInterval(ask, PING_MS);
      const open = setTimeout(ask, 300);
      return () => {
        clearInterval(timer);
        clearTimeout(open);
      };
    },
  };
}
