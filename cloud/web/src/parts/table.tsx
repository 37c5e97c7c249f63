// Tables: a caption for who does not see, columns, rows that open on a click.

import type { ComponentChildren } from "preact";

import { text } from "../text/en.ts";
import { Button } from "./button.tsx";

export interface Column<T> {
  /** Also what stands before the cell on a narrow screen. */
  head: string;
  cell: (item: T) => ComponentChildren;
  /**
   * `name`: heaviest; `end`: buttons at the end; `number`: figures under each other; `mono`: ids and addresses; `tick`: a
   * narrow column of checks; `long`: broken anywhere rather than pushing the others out.
   */
  kind?: "name" | "end" | "number" | "mono" | "tick" | "long" | undefined;
}

export function Table<T>(props: {
  caption: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  rowKey: (row: T) => string;
  /** What a click on a row does; there is always a link or button in it that does the same. */
  onOpen?: ((row: T) => void) | undefined;
  /** What is shown under an opened row. */
  below?: ((row: T) => ComponentChildren) | undefined;
}) {
  return (
    // Where no row has anything to focus, the keyboard scrolls by the table itself.
    <div class="scroll" {...(props.onOpen ? {} : { tabIndex: 0, role: "group", "aria-label": props.caption })}>
      <table>
        <caption class="hidden">{props.caption}</caption>
        <thead>
          <tr>
            {props.columns.map(({ head, kind }) => (
              <th key={head} scope="col" class={kind}>
                {kind === "end" ? <span class="hidden">{head}</span> : head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {props.rows.map((row) => {
            const below = props.below?.(row);
            return [
              <tr
                key={props.rowKey(row)}
                class={props.onOpen ? "opens" : undefined}
                onClick={(event) => openOn(event, () => props.onOpen?.(row))}
              >
                {props.columns.map(({ head, kind, cell }) => (
                  <td key={head} class={kind} data-head={head}>
                    {cell(row)}
                  </td>
                ))}
              </tr>,
              below && (
                <tr key={`${props.rowKey(row)}-below`} class="below">
                  <td colSpan={props.columns.length}>{below}</td>
                </tr>
              ),
            ];
          })}
        </tbody>
      </table>
    </div>
  );
}

/** A click on the row, not on something in it, and not the end of marking text. */
function openOn(event: MouseEvent, open: () => void): void {
  const onSomething = (event.target as Element).closest("a, button, input, select, label, [popover]") !== null;
  if (!onSomething && getSelection()?.isCollapsed !== false) open();
}

export function More({
  next,
  loading,
  onMore,
}: {
  next: string | null | undefined;
  loading: boolean;
  onMore: () => void;
}) {
  if (!next) return null;
  return (
    <p class="more">
      <Button onClick={onMore} disabled={loading}>
        {text.common.loadMore}
      </Button>
    </p>
  );
}
