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

export interface Limit {
  kind: "idle" | "total";
  /** By `Date.now()`. */
  endsAt: number;
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
  /** The device has lost its connection, and what is sent waits for it. */
  away: boolean;
  /** A limit of time that is near. */
  limit: Limit | undefined;
  reconnect(): void;
  disconnect(): void;
  /** Lets the limits of time begin anew. */
  extend(): void;
  /** Stops the countdown. */
  stay(): void;
}

/** What a viewer does with a line, and how it lets go of it. */
export interface Viewer {
  attach(line: Line): () => void;
  /** Words that are not about every connection; with `true` one of them says that it stands, as when one comes back. */
  heard?(word: object): boolean;
  /** The session to come back to, if there is one. */
  session?(): string | undefined;
  /** The person ends it: what is to be said before the line is closed. */
  leave?(line: Line): void;
  /** It failed, as the cloud `told`, or in silence. With `true` another attempt is made at once. */
  failed?(problem: Problem, told: boolean): boolean;
}

const PING_MS = 2000;
const UNSTABLE_MS = 3000;
const DEAD_MS = 30_000;

export function useConnection(device: string, endpoint: string, viewOnlyWished: boolean, viewer: Viewer): Connection {
  const [state, setState] = useState<State>({ at: "asking", since: Date.now() });
  const [roundTrip, setRoundTrip] = useState<RoundTrip>();
  const [unstable, setUnstable] = useState(false);
  const [away, setAway] = useState(false);
  const [about, setAbout] = useState<About>({ viewOnly: viewOnlyWished, operation: undefined, target: undefined });
  const [limit, setLimit] = useState<Limit>();
  const [attempt, setAttempt] = useState(0);
  const failures = useRef(0);
  const line = useRef<Line>(undefined);
  const endNow = useRef<(reason: Problem | undefined) => void>(undefined);
  const latest = useRef(viewer);
  latest.current = viewer;
  const reconnect = () => setAttempt((count) => count + 1);

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
      setAway(false);
      setLimit(undefined);
      if (reason && latest.current.failed?.(reason, problem !== undefined)) return reconnect();
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
        case "countdown":
          return setLimit(word.limit && { kind: word.limit, endsAt: Date.now() + word.seconds * 1000 });
        case "device":
          return setAway(!word.connected);
        case "end":
          problem = word.problem;
          return;
        default:
          if (latest.current.heard?.(word)) stands();
      }
    };
    const reached = ({ phase, operation_id, view_only, target }: Phase) => {
      setAbout((old) => ({ viewOnly: view_only, operation: operation_id, target: target ?? old.target }));
      if (phase === "opening") setState({ at: "opening", target: target ?? "" });
      if (phase === "handshake") setState({ at: "handshake" });
      if (phase === "connected") stands();
    };
    const stands = () => {
      failures.current = 0;
      setState({ at: "connected" });
    };
    const pinger = pings(setRoundTrip, setUnstable);

    setState({ at: "asking", since: Date.now() });
    setRoundTrip(undefined);
    const session = latest.current.session?.();
    call<ConnectTicket>("POST", `/devices/${id(device)}/endpoints/${id(endpoint)}/tickets`, {
      view_only: viewOnlyWished,
      ...(session === undefined ? {} : { session_id: session }),
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
    away,
    limit,
    ...about,
    reconnect,
    extend: () => line.current?.tell({ type: "extend" }),
    disconnect() {
      endNow.current?.(undefined);
      if (line.current) latest.current.leave?.(line.current);
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
