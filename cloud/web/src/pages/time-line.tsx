// What happened in one connection, step by step.

import type { Device } from "../api/model.ts";
import { between, clock, size, span, whole } from "../moment.ts";
import { plain } from "../plain.ts";
import { text } from "../text/en.ts";
import { reason, type Entry } from "./history.ts";

const { control: words } = text;

interface Step {
  says: string;
  at: string;
  kind?: "ok" | "bad";
  detail?: string;
}

export function steps(entry: Entry, device: string): Step[] {
  const { operation, session } = entry;
  const list: Step[] = [{ says: words.line.requested, at: operation.created_at, detail: plain(operation.user) }];
  if (operation.executing_at) list.push({ says: words.line.executing, at: operation.executing_at });
  if (operation.status === "FAILED")
    list.push({ says: words.line.failed, at: operation.updated_at, kind: "bad", detail: reason(entry, device) });
  if (session)
    list.push({
      says: words.line.started,
      at: session.started_at,
      kind: "ok",
      ...(operation.target ? { detail: plain(operation.target) } : {}),
    });
  if (session?.ended_at) list.push({ says: words.line.ended, at: session.ended_at, detail: reason(entry, device) });
  return list;
}

export function TimeLine({ entry, device, now }: { entry: Entry; device: Device; now: number }) {
  const { operation, session } = entry;
  const list = steps(entry, device.name);
  return (
    <div class="time-line">
      <ol>
        {list.map((step, index) => {
          const before = list[index - 1];
          return (
            <li key={step.says} class={step.kind}>
              <time dateTime={step.at} title={whole(step.at)}>
                {clock(step.at)}
              </time>
              <strong>{step.says}</strong>
              {before && <span class="soft">+{span(between(before.at, step.at))}</span>}
              {step.detail !== undefined && <span class="detail">{step.detail}</span>}
            </li>
          );
        })}
        {session && !session.ended_at && (
          <li class="ok">
            <time>{span(between(session.started_at, now))}</time>
            <strong>{words.line.open}</strong>
          </li>
        )}
      </ol>
      <dl class="facts">
        {session && (
          <>
            <dt>{words.from}</dt>
            <dd class="mono">{plain(session.source)}</dd>
            <dt>{words.bytes}</dt>
            <dd>{words.bytesSay(size(session.bytes_to_target), size(session.bytes_from_target))}</dd>
            <dt>{words.session}</dt>
            <dd class="mono">{session.id}</dd>
          </>
        )}
        <dt>{words.operation}</dt>
        <dd class="mono">{operation.id}</dd>
      </dl>
    </div>
  );
}
