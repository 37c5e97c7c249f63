// What the cloud says of a terminal, and what the page says to it, beside the bytes (`cloud/api/src/terminal.rs`).

/** Something that only a person knows. */
export type Question = { type: "question"; id: number } & (
  | { about: "host-key"; target: string; algorithm: string; fingerprint: string; may_save: boolean }
  | { about: "password"; user: string; wrong_before: boolean }
  | { about: "prompts"; name: string; instructions: string; prompts: Prompt[]; wrong_before: boolean }
  | { about: "passphrase"; wrong_before: boolean }
);

export interface Prompt {
  text: string;
  /** Whether the answer may be seen. */
  echo: boolean;
}

export type Answer = { accept: boolean; save: boolean } | { texts: string[] } | { cancel: true };

/** The page has the terminal from here on: what follows begins at `offset`. */
export interface Attached {
  type: "attached";
  session_id: string;
  offset: number;
  resumed: boolean;
}

/** The program on the target has ended by itself. */
export interface Exit {
  type: "exit";
  status?: number;
  signal?: string;
}

export type FromCloud = Question | Attached | Exit | { type: "notice"; text: string };

/** Keys that only Telnet has. */
export const COMMANDS = ["break", "interrupt", "are-you-there", "abort-output"] as const;
export type Command = (typeof COMMANDS)[number];

export type FromPage =
  | { type: "hello"; columns: number; rows: number; received?: number }
  | { type: "resize"; columns: number; rows: number }
  | { type: "ack"; bytes: number }
  | ({ type: "answer"; id: number } & Answer)
  | { type: "command"; command: Command }
  | { type: "close" };
