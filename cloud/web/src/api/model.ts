// What the REST API sends and takes, in the words of `cloud/api`.

export type Hop = "operator" | "browser" | "cloud" | "proxy" | "agent" | "target";

/** A failure (RFC 9457), with the hop, the cause (`title`) and the remedy. */
export interface Problem {
  title: string;
  status: number;
  detail: string;
  code: string;
  hop: Hop;
  remedy: string;
  /** One entry for each wrong field of a form. */
  errors?: FieldError[];
}

export interface FieldError {
  field: string;
  detail: string;
}

export interface Page<T> {
  items: T[];
  next?: string | null;
}

export type Permission =
  | "remote-access-read"
  | "remote-access-connect"
  | "remote-access-admin"
  | "device-control-read"
  | "device-control-admin"
  | "user-admin";

export const PERMISSIONS: readonly Permission[] = [
  "remote-access-read",
  "remote-access-connect",
  "remote-access-admin",
  "device-control-read",
  "device-control-admin",
  "user-admin",
];

export interface CurrentUser {
  id: string;
  name: string;
  /** What the user may do anywhere. */
  permissions: Permission[];
  totp: boolean;
}

/** What can be known before a login. */
export interface About {
  version: string;
  protocols: Protocol[];
}

export interface Device {
  id: string;
  name: string;
  online: boolean;
  reconnecting: boolean;
  enrolled: boolean;
  disabled: boolean;
  last_seen_at: string | null;
  created_at: string;
  agent_version: string | null;
  external_ids: { type: string; value: string }[];
  /** What the caller may do on this device. */
  permissions: Permission[];
}

export type Protocol = "VNC" | "SSH" | "TELNET" | "PASSTHROUGH";
export const PROTOCOLS: readonly Protocol[] = ["VNC", "SSH", "TELNET", "PASSTHROUGH"];
export type SignIn = "none" | "password" | "key-pair" | "ask";

export interface Endpoint {
  id: string;
  device_id: string;
  name: string;
  protocol: Protocol;
  host: string;
  port: number;
  sign_in: SignIn;
  view_only: boolean;
  has_password: boolean;
  created_at: string;
  user?: string | null;
  public_key?: string | null;
  /** What the server may have. */
  host_keys?: HostKey[];
  legacy_algorithms?: boolean;
  telnet?: TelnetOptions | null;
}

export interface HostKey {
  key: string;
  fingerprint: string;
}

/** Keys that somebody pasted; asked what they are, and not kept. */
export interface InspectKeys {
  private_key?: string;
  passphrase?: string;
  host_keys?: string;
  /** The target that they are for. */
  host?: string;
  port?: number;
}

export interface InspectedKeys {
  private_key: InspectedKey | null;
  host_keys: InspectedKey[];
}

/** What only a passphrase would show is `null`. */
export interface InspectedKey {
  format: string;
  algorithm: string | null;
  bits: number | null;
  fingerprint: string | null;
  comment: string | null;
  encrypted: boolean;
  private: boolean;
}

/** The public half of a key pair is on its target now. */
export interface InstalledKey {
  was_there: boolean;
  host_key: HostKey;
}

export type TelnetWhen = "negotiated" | "always" | "never";

/** How keys and text are treated on a Telnet connection. */
export interface TelnetOptions {
  newline: "cr-nul" | "cr-lf" | "lf" | "raw";
  backspace: "as-is" | "delete" | "control-h";
  interrupt: "byte" | "process" | "break";
  local_echo: TelnetWhen;
  local_editing: TelnetWhen;
  speak_first: boolean;
  /** A name of the Encoding Standard, or cp437. */
  charset: string;
}

/** An endpoint as a form sends it; secrets go this way only. */
export interface EndpointWish {
  name: string;
  protocol: Protocol;
  host: string;
  port: number;
  sign_in?: SignIn;
  view_only?: boolean;
  password?: string;
  user?: string;
  private_key?: string;
  passphrase?: string;
  generate_key?: boolean;
  host_keys?: string;
  legacy_algorithms?: boolean;
  telnet?: TelnetOptions;
}

/** What is decided for all sessions of the cloud. */
export interface Settings {
  save_host_keys: boolean;
  allow_telnet: boolean;
  /** 0 for none. */
  idle_limit_seconds: number;
  total_limit_seconds: number;
}

export type TestStep = "device" | "target" | "protocol" | "sign-in";

export const TEST_STEPS: readonly TestStep[] = ["device", "target", "protocol", "sign-in"];

/** How far a test came: what passed, and why the step after that did not. */
export interface TestResult {
  passed: { step: TestStep; detail: string }[];
  problem?: Problem | null;
  /** SSH: what the server showed. */
  host_key?: HostKey | null;
  /** Telnet: where the same host speaks SSH. */
  ssh_port?: number | null;
}

export interface EnrolmentTicket {
  token: string;
  device: Device;
  expires_at: string;
}

export interface ConnectTicket {
  ticket: string;
  expires_at: string;
  subprotocol: string;
}

export type OperationStatus = "PENDING" | "EXECUTING" | "SUCCESSFUL" | "FAILED";

/** An attempt to connect an endpoint. */
export interface Operation {
  id: string;
  device_id: string;
  endpoint_id: string | null;
  user: string;
  status: OperationStatus;
  failure?: string | null;
  detail?: string | null;
  created_at: string;
  updated_at: string;
  executing_at?: string | null;
  session_id?: string | null;
  /** As they were then. */
  endpoint_name?: string | null;
  protocol?: Protocol | null;
  target?: string | null;
}

export type SessionEnd =
  | "finished"
  | "operator-closed"
  | "target-closed"
  | "device-lost"
  | "operator-lost"
  | "revoked"
  | "cloud-stopped"
  | "limit-reached";

/** A connection that came about. */
export interface Session {
  id: string;
  operation_id: string;
  device_id: string;
  endpoint_id: string;
  user: string;
  source: string;
  started_at: string;
  ended_at: string | null;
  end: SessionEnd | null;
  end_detail?: string | null;
  bytes_to_target: number;
  bytes_from_target: number;
  view_only?: boolean;
}

export interface AuditRecord {
  sequence: number;
  at: string;
  actor: string;
  source: string;
  action: string;
  object: string;
  outcome: string;
  detail?: string;
  hash: string;
}

export interface AuditVerdict {
  whole: boolean;
  records: number;
  broken_at?: number | null;
  reason?: string | null;
}

export interface Named {
  id: string;
  name: string;
}

export interface User extends Named {
  disabled: boolean;
  totp: boolean;
  groups: Named[];
  created_at: string;
  last_login_at: string | null;
}

export interface UserGroup extends Named {
  members: Named[];
}

export interface DeviceGroup extends Named {
  device_count: number;
}

export interface Grant {
  id: string;
  user_group: Named;
  device_group: Named;
  permission: Permission;
}

/** A login that is in force. */
export interface AccessToken {
  id: string;
  user: string;
  current: boolean;
  source: string;
  created_at: string;
  expires_at: string;
}

export interface TotpSetup {
  secret: string;
  uri: string;
}
