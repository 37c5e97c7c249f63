// The list of devices, live.

import { useEffect, useRef, useState } from "preact/hooks";

import { call, id, me, problemFrom, withQuery } from "../api/call.ts";
import { useChanges } from "../api/live.ts";
import { useLoaded } from "../api/loaded.ts";
import type { Device, Endpoint, Page } from "../api/model.ts";
import { ago, whole } from "../moment.ts";
import { Button, Link, Name, Status } from "../parts/button.tsx";
import { Choice } from "../parts/field.tsx";
import { Heading } from "../parts/heading.tsx";
import { Icon } from "../parts/icon.tsx";
import { Menu, type MenuItem } from "../parts/menu.tsx";
import { Empty, Shown } from "../parts/notice.tsx";
import { More, Table } from "../parts/table.tsx";
import { plain } from "../plain.ts";
import { DEVICES, go, STATUSES, type Route, type Status as Wanted } from "../router.ts";
import { text } from "../text/en.ts";
import { say } from "../text/say.ts";
import { EnrolDialog } from "./enrol.tsx";
import { FirstSteps } from "./first-steps.tsx";

const PAGE = 500;
/** From the last key to the search. */
const TYPING_MS = 200;
/** What `towline up --demo` calls its device. */
const DEMO = "demo-device";
const { devices: words } = text;

export function DevicesPage({ q, status, add }: { q: string; status: Wanted; add: boolean }) {
  const load = (cursor: string | undefined, signal?: AbortSignal) =>
    call<Page<Device>>("GET", withQuery("/devices", { q, cursor, limit: PAGE }), undefined, signal);
  const loaded = useLoaded((signal) => load(undefined, signal), [q], true);
  const [more, setMore] = useState(false);

  useChanges((change) => {
    if (change.event !== "device") return;
    const known = loaded.data?.items.some((device) => device.id === change.device_id);
    if (!known) return void loaded.reload();
    // Its name or its being there may have changed too: that is what the device itself says.
    void call<Device>("GET", `/devices/${id(change.device_id)}`).then(
      (device) =>
        loaded.edit((page) => ({ ...page, items: page.items.map((each) => (each.id === device.id ? device : each)) })),
      () => loaded.edit((page) => ({ ...page, items: page.items.filter((each) => each.id !== change.device_id) })),
    );
  });

  const loadMore = () => {
    setMore(true);
    void load(loaded.data?.next ?? undefined)
      .then((page) => loaded.edit((old) => ({ items: [...old.items, ...page.items], next: page.next ?? null })))
      .finally(() => setMore(false));
  };
  const show = (change: Partial<Extract<Route, { page: "devices" }>>) =>
    go({ page: "devices", q, status, add: false, ...change }, change.add === undefined);
  const mayEnrol = me.value?.permissions.includes("device-control-admin") === true;
  const adding = mayEnrol && (
    <Button kind="primary" icon="add" hotkey="n" onClick={() => show({ add: true })}>
      {words.add}
    </Button>
  );

  return (
    <>
      <div class="heading">
        <Heading title={words.title}>{words.title}</Heading>
        {loaded.data && (
          <span class="count">
            {loaded.data.items.length}
            {loaded.data.next ? "+" : ""}
          </span>
        )}
        <span class="grow" />
        <Search q={q} onSearch={(now) => show({ q: now })} />
        <Choice
          label={words.filter}
          value={status}
          options={STATUSES.map((value) => ({ value, label: words[value] }))}
          onChange={(now) => show({ status: now })}
        />
        {adding}
      </div>
      {loaded.data?.items.some(({ name }) => name === DEMO) && <FirstSteps />}
      {loaded.problem?.code === "forbidden" ? (
        <Empty title={words.empty} says={words.emptyAsk} />
      ) : (
        <Shown loaded={loaded}>
          {({ items, next }) => {
            const rows = items.filter((device) => status === "all" || device.online === (status === "online"));
            if (rows.length > 0) {
              return (
                <>
                  <DeviceTable devices={rows} />
                  <More next={next} loading={more} onMore={loadMore} />
                </>
              );
            }
            if (q !== "" || status !== "all") {
              return (
                <Empty title={words.foundNone}>
                  <Button onClick={() => go(DEVICES, true)}>{text.common.clearFilter}</Button>
                </Empty>
              );
            }
            return (
              <Empty title={words.empty} says={mayEnrol ? words.emptySays : words.emptyAsk}>
                {adding}
              </Empty>
            );
          }}
        </Shown>
      )}
      {add && mayEnrol && <EnrolDialog onClose={() => show({ add: false })} />}
    </>
  );
}

function Search({ q, onSearch }: { q: string; onSearch: (q: string) => void }) {
  const [typed, setTyped] = useState(q);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => setTyped(q), [q]);
  const type = (now: string) => {
    setTyped(now);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onSearch(now.trim()), TYPING_MS);
  };
  return (
    <label class="search">
      <Icon name="search" />
      <span class="hidden">{words.search}</span>
      <input
        type="search"
        value={typed}
        placeholder={words.search}
        spellcheck={false}
        autocomplete="off"
        onInput={(event) => type(event.currentTarget.value)}
      />
      <kbd aria-hidden="true">/</kbd>
    </label>
  );
}

function DeviceTable({ devices }: { devices: readonly Device[] }) {
  const to = (device: Device): Route => ({ page: "device", device: device.id, tab: "remote-access" });
  return (
    <Table
      caption={words.title}
      rows={devices}
      rowKey={(device) => device.id}
      onOpen={(device) => go(to(device))}
      columns={[
        {
          head: words.name,
          kind: "name",
          cell: (device) => (
            <Link to={to(device)} row>
              <Name>{device.name}</Name>
            </Link>
          ),
        },
        { head: words.status, cell: (device) => <DeviceStatus device={device} /> },
        { head: words.lastSeen, cell: (device) => <LastSeen device={device} /> },
        { head: words.agent, kind: "mono", cell: (device) => plain(device.agent_version ?? "") || "–" },
        {
          head: text.common.actions,
          kind: "end",
          cell: (device) =>
            device.permissions.includes("remote-access-connect") && <ConnectMenu key={device.id} device={device} />,
        },
      ]}
    />
  );
}

export function DeviceStatus({ device }: { device: Device }) {
  if (device.disabled) return <Status kind="bad">{words.disabled}</Status>;
  if (device.online) return <Status kind="ok">{text.device.online}</Status>;
  if (device.reconnecting) return <Status kind="warn">{text.device.reconnecting}</Status>;
  return device.enrolled ? (
    <Status kind="idle">{text.device.offline}</Status>
  ) : (
    <Status kind="warn">{words.waiting}</Status>
  );
}

export function LastSeen({ device }: { device: Device }) {
  if (device.online) return <>{words.now}</>;
  if (device.last_seen_at === null) return <span class="soft">{words.never}</span>;
  return (
    <time dateTime={device.last_seen_at} title={whole(device.last_seen_at)}>
      {ago(device.last_seen_at)}
    </time>
  );
}

/** Endpoints are asked for when somebody wants one. */
function ConnectMenu({ device }: { device: Device }) {
  const [endpoints, setEndpoints] = useState<Endpoint[]>();
  const [fault, setFault] = useState<string>();
  const load = () => {
    call<Page<Endpoint>>("GET", `/devices/${id(device.id)}/endpoints`).then(
      (page) => setEndpoints(page.items),
      (error: unknown) => setFault(say(problemFrom(error))),
    );
  };
  const items = endpoints
    ?.filter((endpoint) => endpoint.protocol !== "PASSTHROUGH")
    .map((endpoint): MenuItem => ({
      label: plain(endpoint.name),
      hint: text.protocol[endpoint.protocol],
      to: { page: "connect", device: device.id, endpoint: endpoint.id, view: false, scale: "fit" },
    }));
  return (
    <Menu
      label={words.connectTo(plain(device.name))}
      text={words.connect}
      hotkey="c"
      disabled={!device.online}
      items={items ?? []}
      empty={<p class="hint">{fault ?? (items ? words.noEndpoints : text.common.loading)}</p>}
      onOpen={load}
    />
  );
}
