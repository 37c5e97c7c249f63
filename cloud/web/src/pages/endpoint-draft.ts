// What stands in the endpoint form, and what of it is sent.

import type { Endpoint, EndpointWish, Protocol, SignIn, TelnetOptions } from "../api/model.ts";

/** Where the private key comes from; `kept`: the one that is there stays. */
export type KeySource = "kept" | "generate" | "paste" | "upload";

/** All as typed. */
export interface Draft {
  protocol: Protocol;
  name: string;
  host: string;
  port: string;
  signIn: SignIn;
  viewOnly: boolean;
  password: string;
  user: string;
  keySource: KeySource;
  privateKey: string;
  passphrase: string;
  /** One a line. */
  hostKeys: string;
  legacy: boolean;
  telnet: TelnetOptions;
}

export const PORTS: Record<Protocol, number> = { VNC: 5900, SSH: 22, TELNET: 23, PASSTHROUGH: 22 };

/** How one can sign in, most usual first. */
export const SIGN_INS: Record<Protocol, readonly SignIn[]> = {
  VNC: ["password", "none"],
  SSH: ["ask", "password", "key-pair"],
  TELNET: ["none"],
  PASSTHROUGH: ["none"],
};

export const TELNET_USUAL: TelnetOptions = {
  newline: "cr-nul",
  backspace: "as-is",
  interrupt: "byte",
  local_echo: "negotiated",
  local_editing: "negotiated",
  speak_first: false,
  charset: "utf-8",
};

export type TelnetPreset = "telnet" | "serial" | "other";

/** A console behind plain TCP does all by itself, and negotiates nothing. */
export const TELNET_PRESETS: Record<Exclude<TelnetPreset, "other">, Partial<TelnetOptions>> = {
  telnet: { local_echo: "negotiated", local_editing: "negotiated" },
  serial: { local_echo: "never", local_editing: "never", speak_first: false },
};

export function presetOf({ local_echo: echo, local_editing: editing }: TelnetOptions): TelnetPreset {
  if (echo !== editing || echo === "always") return "other";
  return echo === "never" ? "serial" : "telnet";
}

const EMPTY = {
  password: "",
  user: "",
  keySource: "generate" as KeySource,
  privateKey: "",
  passphrase: "",
  hostKeys: "",
  legacy: false,
  telnet: TELNET_USUAL,
};

/** A new endpoint of that protocol. */
export function blank(protocol: Protocol): Draft {
  return {
    ...EMPTY,
    protocol,
    name: "",
    host: "127.0.0.1",
    port: String(PORTS[protocol]),
    signIn: SIGN_INS[protocol][0] ?? "none",
    viewOnly: false,
  };
}

/** What there is, without secrets: those never come back. */
export function draftOf(endpoint: Endpoint): Draft {
  return {
    ...EMPTY,
    protocol: endpoint.protocol,
    name: endpoint.name,
    host: endpoint.host,
    port: String(endpoint.port),
    signIn: endpoint.sign_in,
    viewOnly: endpoint.view_only,
    user: endpoint.user ?? "",
    keySource: endpoint.sign_in === "key-pair" ? "kept" : "generate",
    hostKeys: (endpoint.host_keys ?? []).map(({ key }) => key).join("\n"),
    legacy: endpoint.legacy_algorithms === true,
    telnet: endpoint.telnet ?? TELNET_USUAL,
  };
}

/** The same again as a new endpoint: its secrets do not come along. */
export function copyOf(endpoint: Endpoint): Draft {
  return { ...draftOf(endpoint), name: `${endpoint.name} 2`, keySource: "generate" };
}

/** Another protocol: what it has no use for goes, and a port that nobody typed follows. */
export function withProtocol(draft: Draft, protocol: Protocol): Draft {
  const port = draft.port === String(PORTS[draft.protocol]) || draft.port === "" ? String(PORTS[protocol]) : draft.port;
  const signIn = SIGN_INS[protocol].includes(draft.signIn) ? draft.signIn : (SIGN_INS[protocol][0] ?? "none");
  return { ...draft, protocol, port, signIn, viewOnly: draft.viewOnly && protocol === "VNC" };
}

/** What is sent; an empty secret is left out, so that a saved one is kept. */
export function wish(draft: Draft): EndpointWish {
  const { protocol, signIn, keySource } = draft;
  const sent: EndpointWish = { name: draft.name.trim(), protocol, host: draft.host.trim(), port: Number(draft.port) };
  if (protocol === "VNC") sent.view_only = draft.viewOnly;
  if (protocol === "VNC" || protocol === "SSH") sent.sign_in = signIn;
  if (signIn === "password" && draft.password !== "") sent.password = draft.password;
  if (protocol === "SSH") {
    sent.user = draft.user.trim();
    sent.host_keys = draft.hostKeys.trim();
    sent.legacy_algorithms = draft.legacy;
    if (signIn === "key-pair" && keySource === "generate") sent.generate_key = true;
    if (signIn === "key-pair" && (keySource === "paste" || keySource === "upload")) {
      sent.private_key = draft.privateKey;
      if (draft.passphrase !== "") sent.passphrase = draft.passphrase;
    }
  }
  if (protocol === "TELNET") sent.telnet = draft.telnet;
  return sent;
}
