// What every viewer has around it: the bar with the state and the tools, and the curtain with phases and reasons.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { call, id } from "../api/call.ts";
import type { Device, Endpoint } from "../api/model.ts";
import { ago } from "../moment.ts";
import { Button, Link, Name, Status } from "../parts/button.tsx";
import { Toasts } from "../parts/notice.tsx";
import { plain } from "../plain.ts";
import { text } from "../text/en.ts";
import { say } from "../text/say.ts";
import type { Connection, RoundTrip, State } from "./connection.ts";
import { FullScreenButton } from "./full-screen.tsx";

const { screen: words } = text;
const SLOW_MS = 150;
const VERY_SLOW_MS = 400;
const PATIENCE_MS = 10_000;

interface Place {
  device: Device;
  endpoint: Endpoint;
}

export function Frame(
  props: Place & {
    connection: Connection;
    /** What the viewer has to say of its size. */
    size: string | undefined;
    tools: ComponentChildren;
    children: ComponentChildren;
    below?: ComponentChildren;
  },
) {
  const { device, endpoint, connection } = props;
  const frame = useRef<HTMLElement>(null);
  const [open, setOpen] = useState(false);
  useToolBarChord(frame, () => setOpen(true));
  const live = connection.state.at === "connected";
  return (
    <main class={open ? "connect open" : "connect"} ref={frame}>
      <div class="tool-bar" role="toolbar" aria-label={words.toolBar}>
        <div class="head">
          <Link
            button
            kind="quiet"
            icon="back"
            label={words.toDevice}
            to={{ page: "device", device: device.id, tab: "remote-access" }}
          />
          <h1>
            <Name>{endpoint.name}</Name>{" "}
            <span class="soft">
              · <Name>{device.name}</Name>
            </span>
          </h1>
          <p class="state" role="status" aria-live="polite">
            <Status kind={kindOf(connection)}>
              {connection.unstable && live ? words.unstable : stateText(connection.state, device, endpoint)}
            </Status>
          </p>
          {live && props.size !== undefined && <span class="size">{props.size}</span>}
          {live && connection.roundTrip && <Badge {...connection.roundTrip} />}
          <span class="grow" />
          <Button kind="quiet" icon="menu" label={words.more} pressed={open} onClick={() => setOpen(!open)} />
        </div>
        <div class="tools">
          {live && props.tools}
          <FullScreenButton frame={frame} />
          {connection.state.at !== "ended" && (
            <Button icon="unplug" onClick={connection.disconnect}>
              {words.disconnect}
            </Button>
          )}
        </div>
      </div>
      <div class={live && !connection.unstable ? "stage" : "stage dim"}>
        {props.children}
        {!live && <Curtain device={device} endpoint={endpoint} connection={connection} />}
      </div>
      {live && props.below}
      <Toasts />
    </main>
  );
}

/** In a viewer all keys go to the device, but this chord: it leads to the tool bar. */
function useToolBarChord(frame: { current: HTMLElement | null }, open: () => void): void {
  useEffect(() => {
    const key = (event: KeyboardEvent) => {
      if (!(event.ctrlKey && event.altKey && event.shiftKey) || !["Control", "Alt", "Shift"].includes(event.key))
        return;
      event.preventDefault();
      event.stopPropagation();
      open();
      // Once the tools are unfolded.
      requestAnimationFrame(() =>
        frame.current?.querySelector<HTMLElement>(".tools :is(button, input:checked)")?.focus(),
      );
    };
    addEventListener("keydown", key, true);
    return () => removeEventListener("keydown", key, true);
  }, []);
}

function kindOf({ state, unstable }: Connection): "ok" | "warn" | "bad" | "busy" | "idle" {
  if (state.at === "connected") return unstable ? "warn" : "ok";
  if (state.at === "ended") return state.problem ? "bad" : "idle";
  return "busy";
}

function stateText(state: State, device: Device, endpoint: Endpoint): string {
  const name = plain(device.name);
  switch (state.at) {
    case "asking":
      return words.asking(name);
    case "opening":
      return words.opening(name, plain(state.target));
    case "handshake":
      return words.handshake[endpoint.protocol];
    case "connected":
      return words.connected;
    case "ended":
      return words.disconnected;
  }
}

function Badge({ millis, deviceMillis }: RoundTrip) {
  const kind = millis > VERY_SLOW_MS ? "bad" : millis > SLOW_MS ? "warn" : "ok";
  const says = words.roundTripSays(millis, deviceMillis === undefined ? undefined : Math.round(deviceMillis));
  return (
    <span class={`badge ${kind}`} title={says} aria-label={says} role="img">
      {words.roundTrip(millis)}
    </span>
  );
}

/** Over the last picture: what is being waited for, or why it ended and what can be done. */
function Curtain({ device, endpoint, connection }: Place & { connection: Connection }) {
  const { state } = connection;
  if (state.at === "ended") return <Ended {...{ device, endpoint, connection, state }} />;
  return (
    <div class="curtain">
      <div class="waiting" aria-hidden="true" />
      <p>{stateText(state, device, endpoint)}</p>
      {state.at === "asking" && <Patience device={device} since={state.since} />}
    </div>
  );
}

function Patience({ device, since }: { device: Device; since: number }) {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), since + PATIENCE_MS - Date.now());
    return () => clearTimeout(timer);
  }, [since]);
  return late ? <p class="soft">{words.noAnswerYet(plain(device.name), seen(device))}</p> : null;
}

function Ended(props: Place & { connection: Connection; state: Extract<State, { at: "ended" }> }) {
  const { device, endpoint, connection, state } = props;
  const [now, setNow] = useState(device);
  const { problem } = state;
  useEffect(() => {
    // When it was last seen is known only now.
    if (problem?.code === "device-offline")
      void call<Device>("GET", `/devices/${id(device.id)}`).then(setNow, () => undefined);
  }, [problem]);
  const mayEdit = device.permissions.includes("remote-access-admin");
  const aboutEndpoint = problem?.hop === "target" || problem?.code === "policy-denied";
  const around = {
    device: device.name,
    target: connection.target ?? `${endpoint.host}:${endpoint.port}`,
    seen: seen(now),
  };
  return (
    <div class="curtain ended">
      <div class="card" role="alert">
        <p class="title">{problem ? say(problem, around) : words.byYou}</p>
        {problem && <p class="soft mono">{problem.code}</p>}
        {state.again !== undefined && (
          <p class="countdown">
            {words.reconnecting(state.again)}{" "}
            <Button kind="quiet" onClick={connection.stay}>
              {words.cancel}
            </Button>
          </p>
        )}
        <footer>
          {connection.operation !== undefined && (
            <Link
              button
              kind="quiet"
              to={{ page: "device", device: device.id, tab: "control", operation: connection.operation }}
            >
              {words.openOperation}
            </Link>
          )}
          {aboutEndpoint && mayEdit && (
            <Link
              button
              to={{
                page: "device",
                device: device.id,
                tab: "remote-access",
                dialog: { kind: "edit", endpoint: endpoint.id },
              }}
            >
              {words.editEndpoint}
            </Link>
          )}
          <Button kind="primary" autoFocus onClick={connection.reconnect}>
            {words.reconnect}
          </Button>
        </footer>
      </div>
    </div>
  );
}

function seen(device: Device): string {
  return device.last_seen_at === null ? text.devices.never : ago(device.last_seen_at);
}
