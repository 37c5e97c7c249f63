// A terminal on a line: bytes and sizes go both ways, what was drawn is acknowledged, and what was there before a
// reload or a lost connection is gone on with.
//
//   attempt ──► hello ──► attached ──► bytes … ──► failed ──(keep)────► attempt, with the same session
//                                                     └──(forget, anew)► attempt, with a new one

import type { Terminal } from "@xterm/xterm";

import type { Problem } from "../../api/model.ts";
import type { Line } from "../line.ts";
import { Flow } from "./flow.ts";
import { after, type Remembered } from "./return.ts";
import type { Attached, FromPage } from "./words.ts";

/** How the shell that is on the terminal got there. */
export type Arrival = "first" | "resumed" | "anew";

const CHUNK_CHARS = 4096;
/** Full reset, in order with what is being drawn. */
const RESET = "\x1bc";
/** What a program may have left behind: the mouse, marked pastes, other modes, colours; before it the other screen. */
const LEAVE_SCREEN = "\x1b[?1049l";
const TIDY = "\x1b[?9;1000;1002;1003;1004;1005;1006;1015;2004l\x1b[!p\x1b[?25h\x1b[0m";
const DIM = "\x1b[2m";
const PLAIN = "\x1b[0m";

/** Terminals answer questions of programs. Those in output that is drawn a second time were answered long ago. */
const REPLY = /^\x1b(\[[?>=]?[\d;]*(\$y|[cnRt])|P|\]\d)/;
const REPLAY_MS = 1000;
const LONGEST_REPLAY_MS = 5000;

export class Joined {
  readonly #xterm: Terminal;
  readonly #session: Remembered;
  readonly #typed: (typed: string) => string;
  readonly #encoder = new TextEncoder();
  #line: Line | undefined;
  #flow: Flow | undefined;
  #live = false;
  #returning = false;
  #lost = false;
  #isUsed = false;
  #replayedAt = -Infinity;

  /** `typed` may change what is typed, by keys that are held elsewhere. */
  constructor(xterm: Terminal, session: Remembered, typed: (typed: string) => string) {
    this.#xterm = xterm;
    this.#session = session;
    this.#typed = typed;
  }

  /** The session to come back to. An attempt begins. */
  session(): string | undefined {
    this.#returning = this.#session.id !== undefined;
    return this.#session.id;
  }

  attach(line: Line): () => void {
    const xterm = this.#xterm;
    this.#line = line;
    line.channel.onopen = () => {
      const received = this.#session.id === undefined ? undefined : this.#flow?.received;
      this.#tell({
        type: "hello",
        columns: xterm.cols,
        rows: xterm.rows,
        ...(received === undefined ? {} : { received }),
      });
    };
    line.channel.onmessage = ({ data }) => this.#draw(new Uint8Array(data));
    const subscriptions = [
      xterm.onData((typed) => this.send(this.#typed(typed))),
      xterm.onBinary((typed) => this.#sendBytes(Uint8Array.from(typed, (character) => character.charCodeAt(0)))),
      xterm.onResize(({ cols, rows }) => this.#tell({ type: "resize", columns: cols, rows })),
    ];
    return () => {
      for (const subscription of subscriptions) subscription.dispose();
      this.#live = false;
      this.#line = undefined;
    };
  }

  /** `separator` stands between what another shell left and this one. */
  attached({ session_id, offset, resumed }: Attached, separator: string): Arrival {
    const goesOn = resumed && session_id === this.#session.id && this.#flow?.received === offset;
    if (!goesOn) {
      if (resumed) {
        this.#xterm.write(RESET);
        this.#replayedAt = performance.now();
      } else if (this.#isUsed) {
        const leave = this.#xterm.buffer.active.type === "alternate" ? LEAVE_SCREEN : "";
        this.#xterm.write(`${leave}${TIDY}\r\n${DIM}${separator}${PLAIN}\r\n`);
      }
      this.#flow = new Flow(offset);
    }
    const arrival = resumed ? "resumed" : this.#lost ? "anew" : "first";
    this.#session.id = session_id;
    this.#live = true;
    this.#isUsed = true;
    this.#returning = false;
    this.#lost = false;
    return arrival;
  }

  /** Whether there is a shell now, which has the screen. */
  get isLive(): boolean {
    return this.#live;
  }

  /** Writes what nobody on the device has said. */
  note(lines: readonly string[]): void {
    this.#xterm.write(lines.map((line) => `${DIM}${line}${PLAIN}\r\n`).join(""));
  }

  /** Whether to try again at once. */
  failed(problem: Problem, told: boolean): boolean {
    const what = after(problem, told, this.#returning);
    this.#live = false;
    this.#lost ||= problem.code === "session-lost" || what === "anew";
    if (what !== "keep") this.#forget();
    return what === "anew";
  }

  /** The person is done with it. */
  leave(): void {
    this.#tell({ type: "close" });
    this.#live = false;
    this.#forget();
  }

  /** Keys, as the characters that a terminal sends for them. */
  send(typed: string): void {
    if (!this.#live || (REPLY.test(typed) && this.isReplaying)) return;
    for (let at = 0; at < typed.length;) {
      let end = Math.min(at + CHUNK_CHARS, typed.length);
      // A character of two halves stays whole.
      if (end < typed.length && /[\ud800-\udbff]/.test(typed.charAt(end - 1))) end -= 1;
      this.#sendBytes(this.#encoder.encode(typed.slice(at, end)));
      at = end;
    }
  }

  /** Answers are given before there is a shell. */
  say(word: FromPage): void {
    this.#tell(word);
  }

  #draw(bytes: Uint8Array): void {
    const flow = this.#flow;
    if (!flow) return;
    flow.arrive(bytes.length);
    this.#xterm.write(bytes, () => {
      const drawn = flow.draw(bytes.length);
      if (drawn !== undefined && flow === this.#flow) this.#tell({ type: "ack", bytes: drawn });
    });
  }

  /** Whether what is drawn now was drawn before, on a page that is gone. */
  get isReplaying(): boolean {
    const since = performance.now() - this.#replayedAt;
    return since < REPLAY_MS || (since < LONGEST_REPLAY_MS && this.#flow?.isBehind === true);
  }

  #sendBytes(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#live && this.#line?.channel.readyState === WebSocket.OPEN) this.#line.channel.send(bytes);
  }

  #tell(word: FromPage): void {
    this.#line?.tell(word);
  }

  #forget(): void {
    this.#session.id = undefined;
    this.#flow = undefined;
  }
}
