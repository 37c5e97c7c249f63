// A menu below its button: arrows move, Escape closes, letters jump.

import type { ComponentChildren } from "preact";
import { useId, useRef, useState } from "preact/hooks";

import { href, type Route } from "../router.ts";
import { look } from "./button.tsx";
import { Icon, type IconName } from "./icon.tsx";

export type MenuItem = { label: string; danger?: boolean; checked?: boolean; hint?: string } & (
  | { run: () => void }
  /** Opens in a browser tab of its own. */
  | { to: Route }
);

/** Between a button and its menu, and between that and the edge of the window, in pixels. */
const GAP = 4;

export function Menu(props: {
  label: string;
  icon?: IconName;
  kind?: "primary" | "quiet" | undefined;
  /** What the button shows; without it only the icon. */
  text?: ComponentChildren;
  items: readonly MenuItem[];
  /** Instead of items: why there are none. */
  empty?: ComponentChildren;
  onOpen?: () => void;
  hotkey?: string | undefined;
  disabled?: boolean;
}) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);

  const place = () => {
    const [at, box] = [button.current?.getBoundingClientRect(), list.current];
    if (!at || !box) return;
    const fitsBelow = at.bottom + GAP + box.offsetHeight <= innerHeight;
    const fitsRight = at.left + box.offsetWidth + GAP <= innerWidth;
    box.style.top = `${Math.max(GAP, fitsBelow ? at.bottom + GAP : at.top - GAP - box.offsetHeight)}px`;
    box.style.left = `${Math.max(GAP, fitsRight ? at.left : at.right - box.offsetWidth)}px`;
  };
  const toggled = (event: { newState: string }) => {
    const now = event.newState === "open";
    setOpen(now);
    if (!now) return;
    props.onOpen?.();
    place();
    itemsIn(list.current)[0]?.focus();
  };
  const close = () => {
    list.current?.hidePopover();
    button.current?.focus();
  };
  const key = (event: KeyboardEvent) => {
    const items = itemsIn(list.current);
    const at = items.indexOf(document.activeElement as HTMLElement);
    const to = (index: number) => items[(index + items.length) % items.length]?.focus();
    if (event.key === "ArrowDown") to(at + 1);
    else if (event.key === "ArrowUp") to(at - 1);
    else if (event.key === "Home") to(0);
    else if (event.key === "End") to(-1);
    else if (event.key === "Escape" || event.key === "Tab") close();
    else if (event.key.length === 1 && event.key !== " ") {
      const following = [...items.slice(at + 1), ...items.slice(0, at + 1)];
      following.find((item) => item.textContent?.trim().toLowerCase().startsWith(event.key.toLowerCase()))?.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <>
      <button
        ref={button}
        type="button"
        class={look(props, props.text)}
        aria-label={props.label}
        title={props.text === undefined ? props.label : undefined}
        aria-haspopup="menu"
        aria-keyshortcuts={props.hotkey}
        aria-expanded={open}
        popovertarget={id}
        disabled={props.disabled}
      >
        {props.icon && <Icon name={props.icon} />}
        {props.text}
        {props.text !== undefined && <Icon name="down" />}
      </button>
      <div
        id={id}
        ref={list}
        popover="auto"
        role="menu"
        aria-label={props.label}
        class="menu"
        onToggle={toggled}
        onKeyDown={key}
      >
        {props.items.map((item) => {
          const common = {
            role: item.checked === undefined ? ("menuitem" as const) : ("menuitemcheckbox" as const),
            "aria-checked": item.checked,
            tabIndex: -1,
            class: item.danger ? "danger" : undefined,
          };
          const inside = (
            <>
              {item.checked !== undefined && <span class="tick">{item.checked && <Icon name="check" />}</span>}
              <span>{item.label}</span>
              {item.hint !== undefined && <small>{item.hint}</small>}
            </>
          );
          return "to" in item ? (
            <a key={item.label} {...common} href={href(item.to)} target="_blank" rel="noopener" onClick={close}>
              {inside}
            </a>
          ) : (
            <button
              key={item.label}
              {...common}
              type="button"
              onClick={() => {
                close();
                item.run();
              }}
            >
              {inside}
            </button>
          );
        })}
        {props.items.length === 0 && props.empty}
      </div>
    </>
  );
}

function itemsIn(list: HTMLElement | null): HTMLElement[] {
  return [...(list?.querySelectorAll<HTMLElement>('[role^="menuitem"]') ?? [])];
}
