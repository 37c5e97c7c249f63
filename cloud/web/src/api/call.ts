// Calls of the REST API. The cookie says who calls; it is the browser's and never seen here.

import { signal } from "@preact/signals";

import { text } from "../text/en.ts";
import type { CurrentUser, Page, Problem } from "./model.ts";

const BASE = "/api/v1";

/** Who is logged in; `null`: nobody; `undefined`: not known yet. */
export const me = signal<CurrentUser | null | undefined>(undefined);

/** A call that did not do what it was asked. */
export class Failure extends Error {
  constructor(readonly problem: Problem) {
    super(problem.title);
  }
}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** Asks the cloud. Throws a [`Failure`]; nothing else but an abort comes out of it. */
export async function call<T = void>(method: Method, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  let response: Response;
  try {
    response = await fetch(BASE + path, {
      method,
      credentials: "same-origin",
      headers: body === undefined ? {} : { "content-type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ?? null,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Failure(unreachable());
  }
  if (response.ok) return (response.status === 204 ? undefined : await response.json()) as T;
  const problem = await problemOf(response);
  if (problem.code === "unauthenticated") me.value = null;
  throw new Failure(problem);
}

/** All pages of a list, up to `most` objects. */
export async function callAll<T>(path: string, query: Query, signal?: AbortSignal, most = 5000): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const page: Page<T> = await call("GET", withQuery(path, { ...query, limit: 1000, cursor }), undefined, signal);
    items.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined && items.length < most);
  return items;
}

export type Query = Record<string, string | number | boolean | undefined>;

/** The path with what is defined and not empty of `query`. */
export function withQuery(path: string, query: Query): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") search.set(name, String(value));
  }
  return search.size === 0 ? path : `${path}?${search}`;
}

/** An id as a part of a path. */
export const id = encodeURIComponent;

/** What to tell people of an error that was caught. */
export function problemFrom(error: unknown): Problem {
  if (error instanceof Failure) return error.problem;
  console.error(error);
  return {
    ...unreachable(),
    code: "internal",
    hop: "browser",
    title: text.reasons.pageFailed,
    remedy: text.reasons.reload,
  };
}

/** Nobody answers: the network, or the cloud, is gone. */
export function unreachable(): Problem {
  return { title: text.reasons.noAnswer, status: 0, detail: "", code: "cloud-unreachable", hop: "browser", remedy: "" };
}

async function problemOf(response: Response): Promise<Problem> {
  const told: Partial<Problem> = await response.json().catch(() => ({}));
  return {
    title: told.title ?? `${response.status} ${response.statusText}`,
    status: response.status,
    detail: told.detail ?? "",
    // What stands between may answer in its own words.
    code: told.code ?? (response.status >= 502 ? "cloud-unreachable" : "internal"),
    hop: told.hop ?? "cloud",
    remedy: told.remedy ?? "",
    ...(told.errors ? { errors: told.errors } : {}),
  };
}
