// Every text of the page, in English. Another language is another object of the type `Texts`.

import type { Hop, OperationStatus, Permission, Protocol, SessionEnd, SignIn, TestStep } from "../api/model.ts";
import { device } from "./device.ts";
import { people } from "./people.ts";
import { reasons } from "./reasons.ts";
import { screen } from "./screen.ts";
import { terminal } from "./terminal.ts";

const protocol: Record<Protocol, string> = { VNC: "VNC", SSH: "SSH", TELNET: "Telnet", PASSTHROUGH: "Passthrough" };

const protocolSays: Record<Protocol, string> = {
  VNC: "Screen, mouse and keyboard",
  SSH: "Terminal, encrypted",
  TELNET: "Terminal, not encrypted",
  PASSTHROUGH: "Any TCP port, from the command line",
};

const signIn: Record<SignIn, string> = {
  none: "No sign-in",
  password: "Password",
  "key-pair": "Key pair",
  ask: "Ask each time",
};

const permission: Record<Permission, string> = {
  "remote-access-read": "Remote access: read",
  "remote-access-connect": "Remote access: connect",
  "remote-access-admin": "Remote access: admin",
  "device-control-read": "Device control: read",
  "device-control-admin": "Device control: admin",
  "user-admin": "User administration",
};

const status: Record<OperationStatus, string> = {
  PENDING: "Pending",
  EXECUTING: "Executing",
  SUCCESSFUL: "Successful",
  FAILED: "Failed",
};

const ended: Record<SessionEnd, string> = {
  finished: "Both sides were done.",
  "operator-closed": "Disconnected by the operator.",
  "target-closed": "Closed by the target.",
  "device-lost": "The connection to the device was lost.",
  "operator-lost": "The connection to the operator was lost.",
  revoked: "Ended by the cloud.",
  "cloud-stopped": "The cloud stopped.",
  "limit-reached": "A limit of time was reached.",
};

const testStep: Record<TestStep, string> = {
  device: "The device answers",
  target: "The target is connected",
  protocol: "It speaks the protocol",
  "sign-in": "The sign-in is accepted",
};

const hop: Record<Hop, string> = {
  operator: "your side",
  browser: "your browser",
  cloud: "the cloud",
  proxy: "the proxy on the way to the cloud",
  agent: "the device",
  target: "the target",
};

export const text = {
  language: "en",
  product: "Towline",
  protocol,
  protocolSays,
  signIn,
  permission,
  status,
  ended,
  testStep,
  hop,
  reasons,
  people,
  screen,
  terminal,

  common: {
    add: "Add",
    cancel: "Cancel",
    close: "Close",
    save: "Save",
    remove: "Remove",
    edit: "Edit",
    duplicate: "Duplicate",
    copy: "Copy",
    copied: "Copied",
    retry: "Try again",
    loadMore: "Load more",
    loading: "Loading …",
    clearFilter: "Clear filter",
    actions: "Actions",
    moreFor: (name: string) => `More for ${name}`,
    none: "None",
    skip: "Skip to content",
    optional: "optional",
  },

  moment: { now: "just now" },

  frame: {
    navigation: "Main",
    devices: "Devices",
    audit: "Audit",
    settings: "Settings",
    about: "About",
    logout: "Log out",
    account: "My account",
    theme: "Appearance",
    themes: { system: "System", light: "Light", dark: "Dark" },
    userMenu: (name: string) => `Account of ${name}`,
    notHearing: "The cloud does not answer. What is shown may be old; this page keeps trying.",
    notFound: "There is no such page",
    toDevices: "Go to the devices",
    shortcuts: "Keyboard shortcuts",
  },

  shortcuts: [
    ["/", "Search devices"],
    ["j  k", "Next and previous row"],
    ["Enter", "Open the row"],
    ["c", "Connect"],
    ["n", "Add an endpoint or a device"],
    ["g d", "Go to the devices"],
    ["?", "This list"],
    ["Ctrl+Alt+Shift", "In a screen or terminal: leave it for the tool bar"],
    ["Ctrl+Shift+C V F", "In a terminal: copy, paste, find"],
    ["Ctrl + − 0", "In a terminal: larger, smaller, usual text"],
  ] as readonly (readonly [string, string])[],

  login: {
    title: "Log in",
    user: "User name",
    password: "Password",
    code: "Code of your authenticator",
    codeHint: "Six digits",
    submit: "Log in",
    linkUsed: "This login link has been used or is too old. Log in with your password, or get a new link.",
    back: "Other user",
  },

  devices: {
    title: "Devices",
    search: "Search devices",
    filter: "Show",
    all: "All",
    online: "Online",
    offline: "Offline",
    disabled: "disabled",
    waiting: "never connected",
    name: "Name",
    status: "Status",
    lastSeen: "Last seen",
    agent: "Agent",
    now: "now",
    never: "never",
    connect: "Connect",
    connectTo: (name: string) => `Connect to ${name}`,
    noEndpoints: "No endpoints yet",
    add: "Add device",
    empty: "No devices yet",
    emptySays: "A device is any machine that runs the agent. It dials out by itself; no port is opened on it.",
    emptyAsk: "You see the devices that an administrator has given you a permission on.",
    foundNone: "No device matches",
    demo: {
      title: "Have a look around",
      steps: [
        "Open demo-device and connect to its screen.",
        "See the session in its Control tab.",
        "Add a device of your own.",
      ],
      dismiss: "Dismiss",
    },
  },

  enrol: {
    title: "Add a device",
    name: "Name of the device",
    nameHint: "As it will stand in the list, such as press-line-4",
    next: "Show the command",
    run: "Run this on the device. It needs no privileges and opens no port.",
    once: "The command can be used once",
    until: (at: string) => `until ${at}`,
    waiting: (name: string) => `Waiting for ${name} …`,
    arrived: (name: string) => `${name} is connected`,
    open: "Open the device",
    done: "Done",
  },

  ...device,

  audit: {
    title: "Audit",
    caption: "Records, newest first",
    filter: "Filter these records",
    sequence: "No.",
    at: "Time",
    actor: "Who",
    source: "From",
    action: "Action",
    object: "Object",
    outcome: "Outcome",
    detail: "Detail",
    verify: "Verify",
    verifying: "Verifying …",
    whole: (records: string) => `The chain is whole: ${records} records, none changed, none missing.`,
    broken: (at: string, reason: string) => `The chain is broken at record ${at}: ${reason}`,
    export: "Export",
    exportCsv: "CSV",
    exportJson: "JSON lines",
    needs: "To read the audit you need the permission “User administration”.",
    empty: "Nothing has been recorded yet",
    hash: "Hash",
  },

  about: {
    title: "About Towline",
    version: (version: string) => `Version ${version}`,
    licences: "What this page is made of",
    licencesSay: "These packages are part of the page. Each is used unchanged, under its own licence.",
    source: "Source",
    own: "Towline itself is licensed under MIT or Apache-2.0, at your choice.",
    api: "API description",
  },
};

export type Texts = typeof text;
