// Where in the page one is: every state has a URL that can be linked and loaded again.

import { signal } from "@preact/signals";

import { PROTOCOLS, type Protocol } from "./api/model.ts";

export const STATUSES = ["all", "online", "offline"] as const;
export type Status = (typeof STATUSES)[number];
export const TABS = ["remote-access", "control", "info"] as const;
export type Tab = (typeof TABS)[number];
export const SECTIONS = ["account", "users", "user-groups", "device-groups", "permissions", "connections"] as const;
export type Section = (typeof SECTIONS)[number];
export const SCALES = ["fit", "actual", "resize"] as const;
export type Scale = (typeof SCALES)[number];

/** The dialog over a device's endpoints. */
export type EndpointDialog =
  { kind: "new"; protocol?: Protocol | undefined; from?: string | undefined } | { kind: "edit"; endpoint: string };

export type Route =
  | { page: "devices"; q: string; status: Status; add: boolean }
  | { page: "device"; device: string; tab: Tab; dialog?: EndpointDialog | undefined; operation?: string | undefined }
  | { page: "connect"; device: string; endpoint: string; view: boolean; scale: Scale }
  | { page: "audit" }
  | { page: "settings"; section: Section }
  | { page: "about" }
  | { page: "unknown" };

export const DEVICES: Route = { page: "devices", q: "", status: "all", add: false };

/** What a URL shows. */
export function parse(path: string, search: string): Route {
  const query = new URLSearchParams(search);
  let parts: string[];
  try {
    parts = path
      .split("/")
      .filter((part) => part !== "")
      .map(decodeURIComponent);
  } catch {
    return { page: "unknown" };
  }
  const [first, second, third, ...rest] = parts;
  switch (first) {
    case undefined:
    case "login":
      return DEVICES;
    case "devices":
      if (second !== undefined) return device(second, third ?? "remote-access", rest, query);
      return {
        page: "devices",
        q: query.get("q") ?? "",
        status: oneOf(STATUSES, query.get("status")),
        add: query.has("add"),
      };
    case "connect":
      if (second === undefined || third === undefined || rest.length > 0) return { page: "unknown" };
      return {
        page: "connect",
        device: second,
        endpoint: third,
        view: query.get("view") === "1",
        scale: oneOf(SCALES, query.get("scale")),
      };
    case "settings":
      if (third !== undefined) return { page: "unknown" };
      return { page: "settings", section: oneOf(SECTIONS, second ?? null) };
    case "audit":
    case "about":
      return second === undefined ? { page: first } : { page: "unknown" };
    default:
      return { page: "unknown" };
  }
}

function device(id: string, tab: string, rest: string[], query: URLSearchParams): Route {
  if (!(TABS as readonly string[]).includes(tab)) return { page: "unknown" };
  const route = { page: "device" as const, device: id, tab: tab as Tab };
  const [first, second] = rest;
  if (first === undefined) {
    return tab === "control" ? { ...route, operation: query.get("op") ?? undefined } : route;
  }
  if (tab !== "remote-access" || rest.length > 2) return { page: "unknown" };
  if (first === "new" && second === undefined) {
    const protocol = PROTOCOLS.find((known) => known === query.get("protocol"));
    return { ...route, dialog: { kind: "new", protocol, from: query.get("from") ?? undefined } };
  }
  return second === "edit" ? { ...route, dialog: { kind: "edit", endpoint: first } } : { page: "unknown" };
}

function oneOf<T extends string>(words: readonly [T, ...T[]], word: string | null): T {
  return words.find((known) => known === word) ?? words[0];
}

/** The URL that shows it. */
export function href(route: Route): string {
  switch (route.page) {
    case "devices":
      return withSearch("/devices", {
        q: route.q,
        status: route.status === "all" ? "" : route.status,
        add: route.add ? "1" : "",
      });
    case "device": {
      const base = `/devices/${encodeURIComponent(route.device)}/${route.tab}`;
      const { dialog } = route;
      if (dialog?.kind === "new")
        return withSearch(`${base}/new`, { protocol: dialog.protocol ?? "", from: dialog.from ?? "" });
      if (dialog?.kind === "edit") return `${base}/${encodeURIComponent(dialog.endpoint)}/edit`;
      return withSearch(base, { op: route.operation ?? "" });
    }
    case "connect": {
      const base = `/connect/${encodeURIComponent(route.device)}/${encodeURIComponent(route.endpoint)}`;
      return withSearch(base, { view: route.view ? "1" : "", scale: route.scale === "fit" ? "" : route.scale });
    }
    case "settings":
      return `/settings/${route.section}`;
    case "audit":
    case "about":
      return `/${route.page}`;
    case "unknown":
      return "/";
  }
}

function withSearch(path: string, query: Record<string, string>): string {
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== ""));
  return search.size === 0 ? path : `${path}?${search}`;
}

/** Where one is. */
export const route = signal<Route>(DEVICES);

/** Whether one has gone anywhere since the page was loaded. */
export let hasMoved = false;

/** Shows it; with `replace` the browser's Back skips what was shown before. */
export function go(to: Route, replace = false): void {
  if (replace) history.replaceState(null, "", href(to));
  else history.pushState(null, "", href(to));
  hasMoved = true;
  route.value = to;
}

/** Follows the browser's Back and Forward from now on. */
export function follow(): void {
  const read = () => {
    route.value = parse(location.pathname, location.search);
  };
  addEventListener("popstate", () => {
    hasMoved = true;
    read();
  });
  read();
}
