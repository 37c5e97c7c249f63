// Operations and the sessions that came of them, joined: what the Control tab lists.

import { call, id, withQuery, type Query } from "../api/call.ts";
import type { Operation, OperationStatus, Page, Session } from "../api/model.ts";
import { between, span } from "../moment.ts";
import { csv, plain } from "../plain.ts";
import { text } from "../text/en.ts";
import { say, sentence } from "../text/say.ts";

export interface Entry {
  operation: Operation;
  session?: Session | undefined;
}

export interface Filter {
  user: string;
  status: OperationStatus | "";
  /** Days as a date field gives them, `2026-11-25`, both included. */
  since: string;
  until: string;
}

export const NO_FILTER: Filter = { user: "", status: "", since: "", until: "" };
const PAGE = 100;
const MOST_EXPORTED = 10_000;

export async function loadHistory(
  device: string,
  filter: Filter,
  cursor?: string,
  signal?: AbortSignal,
): Promise<Page<Entry>> {
  const path = withQuery("/operations", { device, ...queryOf(filter), cursor, limit: PAGE });
  const operations = await call<Page<Operation>>("GET", path, undefined, signal);
  return { items: await withSessions(device, operations.items, signal), next: operations.next ?? null };
}

/** The query of the API for a filter: whole days where the reader is. */
export function queryOf({ user, status, since, until }: Filter): Query {
  const start = (day: string, daysOn: number) => {
    if (day === "") return undefined;
    const [year, month, date] = day.split("-").map(Number);
    return new Date(year ?? 0, (month ?? 1) - 1, (date ?? 1) + daysOn).toISOString();
  };
  return { user, status, since: start(since, 0), until: start(until, 1) };
}

/** Sessions come newest first too: those of these operations are on the first pages, or nearly so. */
async function withSessions(device: string, operations: readonly Operation[], signal?: AbortSignal): Promise<Entry[]> {
  const sessions = new Map<string, Session>();
  if (operations.length > 0) {
    const page = await call<Page<Session>>("GET", withQuery("/sessions", { device, limit: 1000 }), undefined, signal);
    for (const session of page.items) sessions.set(session.operation_id, session);
  }
  const missing = operations.filter(({ id, session_id }) => session_id && !sessions.has(id));
  await Promise.all(
    missing.map(async (operation) => {
      const session = await call<Session>("GET", `/sessions/${id(operation.session_id ?? "")}`, undefined, signal);
      sessions.set(operation.id, session);
    }),
  );
  return operations.map((operation) => ({ operation, session: sessions.get(operation.id) }));
}

/** What changed, put where it belongs: an operation that is new stands first. */
export function changed(entries: readonly Entry[], change: { operation: Operation } | { session: Session }): Entry[] {
  if ("session" in change) {
    const { session } = change;
    return entries.map((entry) => (entry.operation.id === session.operation_id ? { ...entry, session } : entry));
  }
  const { operation } = change;
  const known = entries.some((entry) => entry.operation.id === operation.id);
  if (!known) return [{ operation }, ...entries];
  return entries.map((entry) => (entry.operation.id === operation.id ? { ...entry, operation } : entry));
}

/** Whether a new operation belongs under a filter. */
export function fits(operation: Operation, { user, status, since, until }: Filter): boolean {
  return (
    since === "" &&
    until === "" &&
    (user === "" || user === operation.user) &&
    (status === "" || status === operation.status)
  );
}

export function isLive({ session }: Entry): boolean {
  return session !== undefined && session.ended_at === null;
}

/** How long it lasted, or lasts; nothing for what did not come about. */
export function duration({ session }: Entry, now: number): number | undefined {
  return session && between(session.started_at, session.ended_at ?? now);
}

/** Why it ended or did not come about. */
export function reason({ operation, session }: Entry, device: string): string {
  if (session?.end_detail) return sentence(plain(session.end_detail));
  if (session?.end) return text.ended[session.end];
  if (operation.status !== "FAILED") return "";
  if (operation.failure === "device-offline") return text.control.wasOffline(plain(device));
  const problem = {
    title: operation.failure ?? "",
    status: 0,
    detail: operation.detail ?? "",
    code: operation.failure ?? "internal",
    hop: "cloud" as const,
    remedy: "",
  };
  return say(problem, { device, target: operation.target ?? undefined });
}

/** Everything that fits the filter, as a table to take away. */
export async function exportHistory(device: string, deviceName: string, filter: Filter): Promise<string> {
  const { control: words } = text;
  const head = [
    words.line.requested,
    words.who,
    words.what,
    words.status,
    words.line.started,
    words.line.ended,
    words.duration,
    words.reason,
    words.from,
    words.bytes,
    words.operation,
    words.session,
  ];
  const rows: (string | number)[][] = [head];
  let cursor: string | undefined;
  do {
    const page = await loadHistory(device, filter, cursor);
    for (const entry of page.items) rows.push(row(entry, deviceName));
    cursor = page.next ?? undefined;
  } while (cursor !== undefined && rows.length < MOST_EXPORTED);
  return csv(rows);
}

function row(entry: Entry, deviceName: string): (string | number)[] {
  const { operation, session } = entry;
  const lasted = duration(entry, Date.now());
  return [
    operation.created_at,
    operation.user,
    `${operation.endpoint_name ?? ""} ${operation.protocol ?? ""} ${operation.target ?? ""}`.trim(),
    operation.status,
    session?.started_at ?? "",
    session?.ended_at ?? "",
    lasted === undefined ? "" : span(lasted),
    reason(entry, deviceName),
    session?.source ?? "",
    session ? session.bytes_to_target + session.bytes_from_target : "",
    operation.id,
    session?.id ?? "",
  ];
}
