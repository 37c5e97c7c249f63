// The audit: what was done or refused, by whom, in a chain that can be verified.

import { useState } from "preact/hooks";

import { call, me, withQuery } from "../api/call.ts";
import { useLoaded } from "../api/loaded.ts";
import type { AuditRecord, AuditVerdict, Page } from "../api/model.ts";
import { clock, whole } from "../moment.ts";
import { Button, Name, Status } from "../parts/button.tsx";
import { useAction } from "../parts/dialog.tsx";
import { Heading } from "../parts/heading.tsx";
import { Icon } from "../parts/icon.tsx";
import { Menu } from "../parts/menu.tsx";
import { Empty, Notice, Shown } from "../parts/notice.tsx";
import { More, Table } from "../parts/table.tsx";
import { plain } from "../plain.ts";
import { text } from "../text/en.ts";
import { say } from "../text/say.ts";

const { audit: words } = text;
const PAGE = 200;

export function AuditPage() {
  const load = (cursor: string | undefined, signal?: AbortSignal) =>
    call<Page<AuditRecord>>("GET", withQuery("/audit", { cursor, limit: PAGE }), undefined, signal);
  const loaded = useLoaded((signal) => load(undefined, signal), []);
  const [more, setMore] = useState(false);
  const [wanted, setWanted] = useState("");
  const [verdict, setVerdict] = useState<AuditVerdict>();
  const { busy, problem, run } = useAction();

  if (me.value?.permissions.includes("user-admin") !== true) return <NotAllowed />;
  const loadMore = () => {
    setMore(true);
    void load(loaded.data?.next ?? undefined)
      .then((page) => loaded.edit((old) => ({ items: [...old.items, ...page.items], next: page.next ?? null })))
      .finally(() => setMore(false));
  };
  // The browser's own download: the file is written as it comes, and the cookie goes along.
  const take = (format: string) => location.assign(`/api/v1/audit/export?format=${format}`);
  return (
    <>
      <div class="heading">
        <Heading title={words.title}>{words.title}</Heading>
        <span class="grow" />
        <label class="search">
          <Icon name="search" />
          <span class="hidden">{words.filter}</span>
          <input
            type="search"
            value={wanted}
            placeholder={words.filter}
            spellcheck={false}
            autocomplete="off"
            onInput={(event) => setWanted(event.currentTarget.value)}
          />
        </label>
        <Button onClick={() => run(async () => setVerdict(await call("GET", "/audit/verify")))} disabled={busy}>
          {busy ? words.verifying : words.verify}
        </Button>
        <Menu
          label={words.export}
          text={words.export}
          items={[
            { label: words.exportCsv, run: () => take("csv") },
            { label: words.exportJson, run: () => take("jsonl") },
          ]}
        />
      </div>
      {problem && <Notice kind="bad">{say(problem)}</Notice>}
      {verdict && (
        <Notice kind={verdict.whole ? "ok" : "bad"}>
          {verdict.whole
            ? words.whole(String(verdict.records))
            : words.broken(String(verdict.broken_at), plain(verdict.reason ?? ""))}
        </Notice>
      )}
      <Shown loaded={loaded}>
        {({ items, next }) => {
          const rows = items.filter((record) => matches(record, wanted));
          return (
            <>
              {rows.length > 0 ? (
                <RecordTable records={rows} />
              ) : (
                items.length > 0 && (
                  <Empty title={text.control.foundNone}>
                    <Button onClick={() => setWanted("")}>{text.common.clearFilter}</Button>
                  </Empty>
                )
              )}
              {items.length === 0 && <Empty title={words.empty} />}
              <More next={next} loading={more} onMore={loadMore} />
            </>
          );
        }}
      </Shown>
    </>
  );
}

function NotAllowed() {
  return (
    <>
      <div class="heading">
        <Heading title={words.title}>{words.title}</Heading>
      </div>
      <Notice kind="info">{words.needs}</Notice>
    </>
  );
}

function matches(record: AuditRecord, wanted: string): boolean {
  const all =
    `${record.actor} ${record.source} ${record.action} ${record.object} ${record.outcome} ${record.detail ?? ""}`.toLowerCase();
  return wanted
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}

function RecordTable({ records }: { records: readonly AuditRecord[] }) {
  return (
    <Table
      caption={words.caption}
      rows={records}
      rowKey={(record) => String(record.sequence)}
      columns={[
        {
          head: words.sequence,
          kind: "number",
          cell: (record) => <span title={`${words.hash}: ${record.hash}`}>{record.sequence}</span>,
        },
        {
          head: words.at,
          cell: (record) => (
            <time dateTime={record.at} title={whole(record.at)}>
              {clock(record.at)}
            </time>
          ),
        },
        { head: words.actor, cell: (record) => <Name>{record.actor}</Name> },
        { head: words.action, kind: "mono", cell: (record) => record.action },
        {
          head: words.outcome,
          cell: (record) => <Status kind={record.outcome === "ok" ? "ok" : "bad"}>{plain(record.outcome)}</Status>,
        },
        { head: words.object, kind: "long", cell: (record) => <span class="mono">{plain(record.object)}</span> },
        { head: words.detail, kind: "long", cell: (record) => plain(record.detail ?? "") },
        { head: words.source, kind: "mono", cell: (record) => plain(record.source) },
      ]}
    />
  );
}
