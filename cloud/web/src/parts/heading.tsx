import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

import { hasMoved } from "../router.ts";
import { text } from "../text/en.ts";

/** The heading of a page, which takes the focus when one comes to it, and the document's title. */
export function Heading({ children, title }: { children: ComponentChildren; title: string }) {
  useEffect(() => {
    document.title = `${title} · ${text.product}`;
  }, [title]);
  // Whoever does not see the page change hears its heading.
  const element = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => {
    if (hasMoved) element.current?.focus({ preventScroll: true });
  }, []);
  return (
    <h1 ref={element} tabIndex={-1}>
      {children}
    </h1>
  );
}
