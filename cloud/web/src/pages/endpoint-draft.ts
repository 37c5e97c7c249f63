// What stands in the endpoint form, and what of it is sent.

import type { Endpoint, EndpointWish, Protocol, SignIn } from "../api/model.ts";

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
  privateKey: string;
  passphrase: string;
  hostKey: string;
}

export const PORTS: Record<Protocol, number> = { VNC: 5900, SSH: 22, TELNET: 23, PASSTHROUGH: 22 };

/** How one can sign in, most usual first. */
export const SIGN_INS: Record<Protocol, readonly SignIn[]> = {
  VNC: ["password", "none"],
  SSH: ["password", "key-pair", "ask"],
  TELNET: ["none"],
  PASSTHROUGH: ["none"],
};

const EMPTY = { password: "", user: "", privateKey: "", passphrase: "", hostKey: "" };

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
    hostKey: endpoint.host_key ?? "",
  };
}

/** Another protocol: what it has no use for goes, and a port that nobody typed follows. */
export function withProtocol(draft: Draft, protocol: Protocol): Draft {
  const port = draft.port === String(PORTS[draft.protocol]) || draft.port === "" ? String(PORTS[protocol]) : draft.port;
  const signIn = SIGN_INS[protocol].includes(draft.signIn) ? draft.signIn : (SIGN_INS[protocol][0] ?? "none");
  return { ...draft, protocol, port, signIn, viewOnly: draft.viewOnly && protocol === "VNC" };
}

/** What is sent; an empty secret is left out, so that a saved one is kept. */
export function wish(draft: Draft): EndpointWish {
  const { protocol, signIn } = draft;
  const sent: EndpointWish = { name: draft.name.trim(), protocol, host: draft.host.trim(), port: Number(draft.port) };
  if (protocol === "VNC") sent.view_only = draft.viewOnly;
  if (protocol === "VNC" || protocol === "SSH") sent.sign_in = signIn;
  if (signIn === "password" && draft.password !== "") sent.password = draft.password;
  if (protocol === "SSH") {
    sent.user = draft.user.trim();
    if (draft.hostKey.trim() !== "") sent.host_key = draft.hostKey.trim();
    if (signIn === "key-pair" && draft.privateKey !== "") sent.private_key = draft.privateKey;
    if (signIn === "key-pair" && draft.passphrase !== "") sent.passphrase = draft.passphrase;
  }
  return sent;
}
