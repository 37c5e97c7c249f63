// What every viewer has around it: the bar with the state and the tools, and the curtain with phases and reasons.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { call, id } from "../api/call.ts";
import type { Device, Endpoint } from "../api/model.ts";
import { ago, span } from "../moment.ts";
import { Button, Link, Name, Status } from "../parts/button.tsx";
import { Toasts } from "../parts/notice.tsx";
import { plain } from "../plain.ts";
import { text } from "../text/en.ts";
import { say } from "../text/say.ts";
import type { Connection, Limit, RoundTrip, State } from "./connection.ts";
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
    /** Between the bar and the stage. */
    above?: ComponentChildren;
    below?: ComponentChildren;
    /** What being connected means here, if there is more to say. */
    connected?: string | undefined;
    /** Whether Ctrl+Shift+Escape leads to the tool bar too: a chord that no device waits for. */
    escapes?: boolean;
    /** How it ended by itself, when nothing failed. */
    finished?: string | undefined;
  },
) {
  const { device, endpoint, connection } = props;
  const frame = useRef<HTMLElement>(null);
  const [open, setOpen] = useState(false);
  useToolBarChord(frame, props.escapes === true, () => setOpen(true));
  useVisibleHeight(frame);
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
            <Status kind={props.finished === undefined ? kindOf(connection) : "idle"}>
              {live
                ? connection.unstable
                  ? words.unstable
                  : connection.away
                    ? words.away(plain(device.name))
                    : (props.connected ?? words.connected)
                : stateText(connection.state, device, endpoint)}
            </Status>
          </p>
          {live && props.size !== undefined && <span class="size">{props.size}</span>}
          {live && connection.roundTrip && <Badge {...connection.roundTrip} />}
          <span class="grow" />
          <Button kind="quiet" icon="menu" label={words.more} pressed={open} onClick={() => setOpen(!open)} />
        </div>
        <div class="tools">
          {props.tools}
          <FullScreenButton frame={frame} />
          {connection.state.at !== "ended" && (
            <Button icon="unplug" onClick={connection.disconnect}>
              {words.disconnect}
            </Button>
          )}
        </div>
      </div>
      <div class="strips">
        {connection.limit && <LimitNear {...connection.limit} extend={connection.extend} />}
        {props.above}
      </div>
      <div class={live && !connection.unstable && !connection.away ? "stage" : "stage dim"}>
        {props.children}
        {!live && <Curtain device={device} endpoint={endpoint} connection={connection} finished={props.finished} />}
      </div>
      {props.below}
      <Toasts />
    </main>
  );
}

/** In a viewer all keys go to the device, but this chord: it leads to the tool bar. */
function useToolBarChord(frame: { current: HTMLElement | null }, escapes: boolean, open: () => void): void {
  useEffect(() => {
    const key = (event: KeyboardEvent) => {
      const modifiers = event.altKey && ["Control", "Alt", "Shift"].includes(event.key);
      if (!(event.ctrlKey && event.shiftKey && (modifiers || (escapes && event.key === "Escape")))) return;
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
  }, [escapes]);
}

/** A keyboard on glass covers a part of the window: what is below it is of no use. */
function useVisibleHeight(frame: { current: HTMLElement | null }): void {
  useEffect(() => {
    const visible = visualViewport;
    if (!visible) return;
    const follow = () => {
      // Zoomed in by fingers: then the part that is seen is not the window.
      if (frame.current && visible.scale === 1)
        frame.current.style.inset = `${visible.offsetTop}px 0 ${Math.max(0, innerHeight - visible.offsetTop - visible.height)}px`;
    };
    visible.addEventListener("resize", follow);
    visible.addEventListener("scroll", follow);
    return () => {
      visible.removeEventListener("resize", follow);
      visible.removeEventListener("scroll", follow);
    };
  }, []);
}

function LimitNear({ kind, endsAt, extend }: Limit & { extend: () => void }) {
  const left = () => Math.max(0, Math.ceil((endsAt - Date.now()) / 1000));
  const [seconds, setSeconds] = useState(left);
  useEffect(() => {
    setSeconds(left());
    const timer = setInterval(() => setSeconds(left()), 1000);
    return () => clearInterval(timer);
  }, [endsAt]);
  return (
    <div class="strip-note warn">
      <p role="alert">{words.limitNear[kind]}</p>
      <b role="timer">{span(seconds * 1000)}</b>
      <Button onClick={extend}>{words.extend}</Button>
    </div>
  );
}

function kindOf({ state, unstable, away }: Connection): "ok" | "warn" | "bad" | "busy" | "idle" {
  if (state.at === "connected") return unstable || away ? "warn" : "ok";
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
function Curtain(props: Place & { connection: Connection; finished: string | undefined }) {
  const { device, endpoint } = props;
  const { state } = props.connection;
  if (state.at === "ended") return <Ended {...props} state={state} />;
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

function Ended(
  props: Place & { connection: Connection; finished: string | undefined; state: Extract<State, { at: "ended" }> },
) {
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
      <div class={problem?.code === "host-key-changed" ? "card alarm" : "card"} role="alert">
        <p class="title">{props.finished ?? (problem ? say(problem, around) : words.byYou)}</p>
        {problem && props.finished === undefined && <p class="soft mono">{problem.code}</p>}
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
          {aboutEndpoint && mayEdit && props.finished === undefined && (
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
