// Finding text in what is on the terminal and above it.

import type { SearchAddon } from "@xterm/addon-search";
import type { Terminal } from "@xterm/xterm";
import { useEffect, useRef, useState } from "preact/hooks";

import { Button } from "../../parts/button.tsx";
import { text } from "../../text/en.ts";

const { terminal: words } = text;
const DECORATIONS = {
  matchBackground: "#5a4a1e",
  matchOverviewRuler: "#e3ae4d",
  activeMatchBackground: "#b37400",
  activeMatchColorOverviewRuler: "#ffffff",
};

export function Find({ xterm, onClose }: { xterm: Terminal; onClose: () => void }) {
  const [search, setSearch] = useState<SearchAddon>();
  const [wanted, setWanted] = useState("");
  const [exact, setExact] = useState(false);
  const [results, setResults] = useState<{ index: number; count: number }>();
  const field = useRef<HTMLInputElement>(null);

  useEffect(() => {
    field.current?.focus();
    let addon: SearchAddon | undefined;
    let over = false;
    void import("@xterm/addon-search").then(({ SearchAddon }) => {
      if (over) return;
      addon = new SearchAddon();
      addon.onDidChangeResults(({ resultIndex, resultCount }) =>
        setResults({ index: resultIndex, count: resultCount }),
      );
      xterm.loadAddon(addon);
      setSearch(addon);
    });
    return () => {
      over = true;
      addon?.dispose();
    };
  }, []);

  const options = { caseSensitive: exact, decorations: DECORATIONS };
  useEffect(() => {
    if (wanted === "") {
      search?.clearDecorations();
      setResults(undefined);
    } else {
      // Newest first: what one looks for has most likely just been written.
      search?.findPrevious(wanted, { ...options, incremental: true });
    }
  }, [search, wanted, exact]);

  const previous = () => search?.findPrevious(wanted, options);
  const next = () => search?.findNext(wanted, options);
  const key = (event: KeyboardEvent) => {
    if (event.key === "Escape") onClose();
    else if (event.key === "Enter") (event.shiftKey ? next : previous)();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="find" role="search" onKeyDown={key}>
      <input
        ref={field}
        aria-label={words.find}
        placeholder={words.find}
        value={wanted}
        spellcheck={false}
        autocomplete="off"
        onInput={(event) => setWanted(event.currentTarget.value)}
      />
      <span class="soft" role="status">
        {results && (results.count === 0 ? words.foundNone : words.found(results.index + 1, results.count))}
      </span>
      <Button kind="quiet" icon="up" label={words.findPrevious} onClick={previous} />
      <Button kind="quiet" icon="down" label={words.findNext} onClick={next} />
      <Button kind="quiet" label={words.findCase} pressed={exact} onClick={() => setExact(!exact)}>
        Aa
      </Button>
      <Button kind="quiet" icon="close" label={text.common.close} onClick={onClose} />
    </div>
  );
}
