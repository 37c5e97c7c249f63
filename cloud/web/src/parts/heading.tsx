import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";

import { text } from "../text/en.ts";

/** The heading of a page, which takes the focus when one comes to it, and the document's title. */
export function Heading({ children, title }: { children: ComponentChildren; title: string }) {
  useEffect(() => {
    document.title = `${title} · ${text.product}`;
  }, [title]);
  return <h1 tabIndex={-1}>{children}</h1>;
}
