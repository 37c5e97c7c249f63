// What was done with a device: every attempt to connect, who, when, how long, why it ended. Live.

import { useEffect, useState } from "preact/hooks";

import { call, id, me } from "../api/call.ts";
import { useChanges } from "../api/live.ts";
import { useLoaded } from "../api/loaded.ts";
import type { Device, OperationStatus } from "../api/model.ts";
import { clock, span, whole } from "../moment.ts";
import { Button, Name, Status } from "../parts/button.tsx";
import { Confirm, useAction } from "../parts/dialog.tsx";
import { Input, Select } from "../parts/field.tsx";
import { Empty, Notice, Shown, toast } from "../parts/notice.tsx";
import { More, Table } from "../parts/table.tsx";
import { plain } from "../plain.ts";
import { go } from "../router.ts";
import { text } from "../text/en.ts";
import { say } from "../text/say.ts";
import {
  changed,
  duration,
  exportHistory,
  fits,
  isLive,
  loadHistory,
  NO_FILTER,
  reason,
  type Entry,
  type Filter,
} from "./history.ts";
import { TimeLine } from "./time-line.tsx";

const { control: words } = text;
const STATES: Record<OperationStatus, "ok" | "bad" | "busy" | "idle"> = {
  PENDING: "idle",
  EXECUTING: "busy",
  SUCCESSFUL: "ok",
  FAILED: "bad",
};

export function ControlTab({ device, opened }: { device: Device; opened: string | undefined }) {
  const [filter, setFilter] = useState<Filter>(NO_FILTER);
  const loaded = useLoaded(
    (signal) => loadHistory(device.id, filter, undefined, signal),
    [device.id, ...Object.values(filter)],
    true,
  );
  const [more, setMore] = useState(false);
  const [ending, setEnding] = useState<Entry>();
  const exporting = useAction();
  const now = useNow(loaded.data?.items.some(isLive) === true);

  useChanges((change) => {
    if (change.event === "operation" && change.device_id === device.id) {
      loaded.edit((page) => {
        const isNew = !page.items.some(({ operation }) => operation.id === change.id);
        return isNew && !fits(change, filter) ? page : { ...page, items: changed(page.items, { operation: change }) };
      });
    }
    if (change.event === "session" && change.device_id === device.id) {
      loaded.edit((page) => ({ ...page, items: changed(page.items, { session: change }) }));
    }
  });

  if (!device.permissions.includes("remote-access-read")) return <Notice kind="info">{words.needsRead}</Notice>;
  const toggle = (which: string) =>
    go({ page: "device", device: device.id, tab: "control", operation: which === opened ? undefined : which }, true);
  const loadMore = () => {
    setMore(true);
    void loadHistory(device.id, filter, loaded.data?.next ?? undefined)
      .then((page) => loaded.edit((old) => ({ items: [...old.items, ...page.items], next: page.next ?? null })))
      .finally(() => setMore(false));
  };
  const isFiltered = Object.values(filter).some((value) => value !== "");
  return (
    <>
      <Filters filter={filter} onChange={setFilter} entries={loaded.data?.items ?? []}>
        <Button onClick={() => exporting.run(() => download(device, filter))} disabled={exporting.busy}>
          {words.export}
        </Button>
      </Filters>
      {exporting.problem && <Notice kind="bad">{say(exporting.problem)}</Notice>}
      <Shown loaded={loaded}>
        {({ items, next }) =>
          items.length === 0 ? (
            isFiltered ? (
              <Empty title={words.foundNone}>
                <Button onClick={() => setFilter(NO_FILTER)}>{text.common.clearFilter}</Button>
              </Empty>
            ) : (
              <Empty title={words.empty} says={words.emptySays} />
            )
          ) : (
            <>
              <HistoryTable {...{ device, items, now, opened, toggle }} end={setEnding} />
              <More next={next} loading={more} onMore={loadMore} />
            </>
          )
        }
      </Shown>
      {ending?.session && (
        <Confirm
          title={words.endAsk}
          says={words.endSays(plain(ending.operation.user))}
          action={words.end}
          onClose={() => setEnding(undefined)}
          onConfirm={async () => {
            await call("DELETE", `/sessions/${id(ending.session?.id ?? "")}`);
            toast(words.ended);
          }}
        />
      )}
    </>
  );
}

function Filters(props: {
  filter: Filter;
  onChange: (filter: Filter) => void;
  entries: readonly Entry[];
  children: preact.ComponentChildren;
}) {
  const { filter, onChange } = props;
  // Names that were seen stay in the list while one of them is chosen.
  const [seen, setSeen] = useState<readonly string[]>([]);
  useEffect(() => {
    const names = new Set([...seen, ...props.entries.map(({ operation }) => operation.user)]);
    if (names.size !== seen.length) setSeen([...names].sort());
  }, [props.entries]);
  const set = (change: Partial<Filter>) => onChange({ ...filter, ...change });
  const statuses = Object.keys(STATES) as OperationStatus[];
  return (
    <div class="bar filters">
      <Select
        label={words.who}
        value={filter.user}
        options={[{ value: "", label: words.anybody }, ...seen.map((name) => ({ value: name, label: plain(name) }))]}
        onChange={(user) => set({ user })}
      />
      <Select
        label={words.state}
        value={filter.status}
        options={[
          { value: "" as const, label: words.anyState },
          ...statuses.map((value) => ({ value, label: text.status[value] })),
        ]}
        onChange={(status) => set({ status })}
      />
      <Input label={words.since} type="date" value={filter.since} onInput={(since) => set({ since })} />
      <Input label={words.until} type="date" value={filter.until} onInput={(until) => set({ until })} />
      <span class="grow" />
      {props.children}
    </div>
  );
}

function HistoryTable(props: {
  device: Device;
  items: readonly Entry[];
  now: number;
  opened: string | undefined;
  toggle: (operation: string) => void;
  end: (entry: Entry) => void;
}) {
  const { device, items, now, opened, toggle, end } = props;
  const mayEnd = ({ operation }: Entry) =>
    operation.user === me.value?.name || device.permissions.includes("remote-access-admin");
  return (
    <Table
      caption={words.caption}
      rows={items}
      rowKey={({ operation }) => operation.id}
      onOpen={({ operation }) => toggle(operation.id)}
      below={(entry) => entry.operation.id === opened && <TimeLine entry={entry} device={device} now={now} />}
      columns={[
        {
          head: words.time,
          cell: ({ operation }) => (
            <button
              type="button"
              class="link"
              data-row=""
              aria-expanded={operation.id === opened}
              onClick={() => toggle(operation.id)}
            >
              <time dateTime={operation.created_at} title={whole(operation.created_at)}>
                {clock(operation.created_at)}
              </time>
            </button>
          ),
        },
        { head: words.who, cell: ({ operation }) => <Name>{operation.user}</Name> },
        { head: words.what, kind: "name", cell: (entry) => <What entry={entry} /> },
        {
          head: words.status,
          cell: (entry) =>
            isLive(entry) ? (
              <Status kind="ok">{words.live}</Status>
            ) : (
              <Status kind={STATES[entry.operation.status]}>{text.status[entry.operation.status]}</Status>
            ),
        },
        {
          head: words.duration,
          kind: "number",
          cell: (entry) => {
            const lasted = duration(entry, now);
            return lasted === undefined ? "–" : span(lasted);
          },
        },
        {
          head: words.reason,
          cell: (entry) => (
            <span class="reason" title={reason(entry, device.name)}>
              {reason(entry, device.name)}
            </span>
          ),
        },
        {
          head: text.common.actions,
          kind: "end",
          cell: (entry) => isLive(entry) && mayEnd(entry) && <Button onClick={() => end(entry)}>{words.end}</Button>,
        },
      ]}
    />
  );
}

function What({ entry: { operation } }: { entry: Entry }) {
  const about = [operation.protocol && text.protocol[operation.protocol], operation.target].filter(Boolean).join(" ");
  return (
    <>
      {words.connectTo(plain(operation.endpoint_name ?? words.unknownEndpoint))}
      {about !== "" && <span class="soft mono"> {plain(about)}</span>}
    </>
  );
}

/** The time, again each second while something lasts. */
function useNow(runs: boolean): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!runs) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [runs]);
  return now;
}

async function download(device: Device, filter: Filter): Promise<void> {
  const table = await exportHistory(device.id, device.name, filter);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([table], { type: "text/csv" }));
  link.download = `${device.name}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
}
