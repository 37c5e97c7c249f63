// Tabs that are places: each has its URL.

import { go, href, type Route } from "../router.ts";

export interface Tab {
  label: string;
  to: Route;
  current: boolean;
}

export function Tabs({ label, tabs }: { label: string; tabs: readonly Tab[] }) {
  const key = (event: KeyboardEvent) => {
    const at = tabs.findIndex((tab) => tab.current);
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const next = step === undefined ? undefined : tabs[(at + step + tabs.length) % tabs.length];
    if (!next) return;
    event.preventDefault();
    const list = event.currentTarget as HTMLElement;
    go(next.to);
    requestAnimationFrame(() => list.querySelector<HTMLElement>('[aria-selected="true"]')?.focus());
  };
  return (
    <div class="tabs" role="tablist" aria-label={label} onKeyDown={key}>
      {tabs.map((tab) => (
        <a
          key={tab.label}
          role="tab"
          href={href(tab.to)}
          aria-selected={tab.current}
          tabIndex={tab.current ? 0 : -1}
          onClick={(event) => {
            if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
            event.preventDefault();
            go(tab.to);
          }}
        >
          {tab.label}
        </a>
      ))}
    </div>
  );
}
