// One connection to an endpoint: a WebSocket whose binary frames are the protocol's bytes and whose text frames are the
// cloud's own words about them.

import type { ConnectTicket, Problem } from "../api/model.ts";

export type PhaseWord = "asking" | "opening" | "handshake" | "connected";

export interface Phase {
  type: "phase";
  phase: PhaseWord;
  operation_id: string;
  session_id?: string;
  target?: string;
  view_only: boolean;
}

export interface Pong {
  type: "pong";
  id: number;
  device_ms?: number;
}

/** A limit of time is near; without a limit it is no longer. */
export interface Countdown {
  type: "countdown";
  limit?: "idle" | "total";
  seconds: number;
}

/** The device's own connection was lost, or is back. */
export interface DeviceWord {
  type: "device";
  connected: boolean;
}

/** The last before the close: what happened. */
export interface End {
  type: "end";
  problem: Problem;
}

/** What the cloud says on every connection; what it says on some only is not among these. */
export type Word = Phase | Pong | Countdown | DeviceWord | End;

/** A WebSocket as a viewer sees it: only the protocol's bytes. Plain, because noVNC looks for these names on it. */
export interface Channel {
  binaryType: string;
  readonly protocol: string;
  readonly readyState: number;
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent<ArrayBuffer>) => void) | null;
  onerror: ((event: Event) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  send(data: BufferSource): void;
  close(): void;
}

export interface Line {
  channel: Channel;
  /** When something last came, by `performance.now()`. */
  readonly heardAt: number;
  /** Says something to the cloud, beside the bytes. */
  tell(word: object): void;
  /** Ends it. */
  hangUp(): void;
}

const CLOSED_NORMALLY = 1000;

/** Who ended it: the viewer, which could not go on, or whatever is not here. */
export type ClosedBy = "viewer" | "elsewhere";

/** Opens the connection that the ticket is for; the ticket stands in no URL. `heard` gets the words, `closed` is last. */
export function dial(ticket: ConnectTicket, heard: (word: Word) => void, closed: (by: ClosedBy) => void): Line {
  const url = `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/api/v1/connect`;
  const socket = new WebSocket(url, [ticket.subprotocol, `towline.ticket.v1.${ticket.ticket}`]);
  socket.binaryType = "arraybuffer";
  let heardAt = performance.now();
  let closedBy: ClosedBy = "elsewhere";
  const channel: Channel = {
    binaryType: "arraybuffer",
    get protocol() {
      return socket.protocol;
    },
    get readyState() {
      return socket.readyState;
    },
    onopen: null,
    onmessage: null,
    onerror: null,
    onclose: null,
    send: (data) => socket.send(data),
    close() {
      if (socket.readyState === WebSocket.OPEN) closedBy = "viewer";
      socket.close(CLOSED_NORMALLY);
    },
  };
  socket.onopen = (event) => channel.onopen?.(event);
  socket.onerror = (event) => channel.onerror?.(event);
  socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => {
    heardAt = performance.now();
    if (typeof event.data === "string") heard(JSON.parse(event.data) as Word);
    else channel.onmessage?.(event as MessageEvent<ArrayBuffer>);
  };
  socket.onclose = (event) => {
    channel.onclose?.(event);
    closed(closedBy);
  };
  return {
    channel,
    get heardAt() {
      return heardAt;
    },
    tell: (word) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(word)),
    hangUp: () => socket.close(CLOSED_NORMALLY),
  };
}
