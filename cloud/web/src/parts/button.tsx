// Buttons, links, and the small pieces around them.

import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { plain } from "../plain.ts";
import { go, href, type Route } from "../router.ts";
import { text } from "../text/en.ts";
import { Icon, type IconName } from "./icon.tsx";

interface Look {
  /** `primary`: what one most likely came for; `danger`: what cannot be taken back; `quiet`: no border. */
  kind?: "primary" | "danger" | "quiet" | undefined;
  icon?: IconName | undefined;
  /** What it is called where its content does not say so. */
  label?: string | undefined;
  /** The key that does the same, outside of fields (`shortcuts.tsx`). */
  hotkey?: string | undefined;
}

export function look({ kind }: Look, children: unknown): string {
  return ["button", kind, children === undefined ? "bare" : undefined].filter((word) => word !== undefined).join(" ");
}

/** Gives the focus to an element when it appears; the attribute `autofocus` does so only once for each document. */
export function useFocus<T extends HTMLElement>(wanted: boolean | undefined): RefObject<T | null> {
  const element = useRef<T>(null);
  useEffect(() => {
    if (wanted) element.current?.focus();
  }, []);
  return element;
}

export function Button(
  props: Look & {
    onClick?: (() => void) | undefined;
    disabled?: boolean | undefined;
    pressed?: boolean | undefined;
    submit?: boolean | undefined;
    autoFocus?: boolean | undefined;
    children?: ComponentChildren;
  },
) {
  const element = useFocus<HTMLButtonElement>(props.autoFocus);
  return (
    <button
      ref={element}
      type={props.submit ? "submit" : "button"}
      class={look(props, props.children)}
      aria-label={props.label}
      title={props.children === undefined ? props.label : undefined}
      aria-pressed={props.pressed}
      aria-keyshortcuts={props.hotkey}
      disabled={props.disabled}
      // A dialog that opens looks for this.
      autofocus={props.autoFocus}
      onClick={props.onClick}
    >
      {props.icon && <Icon name={props.icon} />}
      {props.children}
    </button>
  );
}

/** A link to another place in the page; with `tab` it opens in a browser tab of its own. */
export function Link(
  props: Look & {
    to: Route;
    tab?: boolean | undefined;
    button?: boolean | undefined;
    class?: string | undefined;
    current?: boolean | undefined;
    row?: boolean | undefined;
    replace?: boolean | undefined;
    children?: ComponentChildren;
  },
) {
  const open = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(props.to, props.replace);
  };
  return (
    <a
      href={href(props.to)}
      class={props.button ? look(props, props.children) : props.class}
      aria-label={props.label}
      aria-current={props.current ? "page" : undefined}
      aria-keyshortcuts={props.hotkey}
      data-row={props.row ? "" : undefined}
      {...(props.tab ? { target: "_blank", rel: "noopener" } : { onClick: open })}
    >
      {props.icon && <Icon name={props.icon} />}
      {props.children}
    </a>
  );
}

/** A name that somebody gave: never markup, and nothing in it moves what stands around it. */
export function Name({ children }: { children: string }) {
  return <bdi>{plain(children)}</bdi>;
}

/** Online, offline and the like: a dot and the word. */
export function Status({ kind, children }: { kind: "ok" | "bad" | "warn" | "busy" | "idle"; children: string }) {
  return <span class={`status ${kind}`}>{children}</span>;
}

/** Text to take away, with a button that does. */
export function Copyable({ value, label }: { value: string; label: string }) {
  const [copied, setCopied] = useState(false);
  const shown = useRef<HTMLPreElement>(null);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(value);
      setCopied(true);
      setTimeout(() => setCopied(false), 2000);
    } catch {
      // The browser does not let the page: then the reader's own keys have it marked.
      if (shown.current) getSelection()?.selectAllChildren(shown.current);
    }
  };
  return (
    <div class="copyable">
      <pre ref={shown} tabIndex={0} aria-label={label}>
        <code>{value}</code>
      </pre>
      <Button icon={copied ? "check" : "copy"} onClick={() => void copy()}>
        {copied ? text.common.copied : text.common.copy}
      </Button>
    </div>
  );
}
