// Coming back to a terminal after a reload or a lost connection: its session's id, which is no secret, stays with the
// browser tab, and the cloud keeps the terminal for a minute.

import type { Problem } from "../../api/model.ts";

/** What the end of a connection means for the terminal behind it. */
export type After =
  /** It may still live: come back to it. */
  | "keep"
  /** It is over. */
  | "forget"
  /** It was over before this page came back to it: open a new one, now. */
  | "anew";

/** `told`: the cloud said it, and did not just fall silent. `returning`: this was an attempt to come back. */
export function after(problem: Problem, told: boolean, returning: boolean): After {
  if (returning && (problem.code === "session-lost" || problem.code === "unknown-session")) return "anew";
  return told ? "forget" : "keep";
}

export interface Remembered {
  id: string | undefined;
}

/** The id of the terminal that this tab has, or had, at an endpoint. */
export function remembered(endpoint: string): Remembered {
  const key = `towline-terminal ${endpoint}`;
  return {
    get id() {
      return sessionStorage.getItem(key) ?? undefined;
    },
    set id(id) {
      if (id === undefined) sessionStorage.removeItem(key);
      else sessionStorage.setItem(key, id);
    },
  };
}
