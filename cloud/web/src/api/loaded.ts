// Something that a component shows and that the cloud has.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import { problemFrom } from "./call.ts";
import { useChanges } from "./live.ts";
import type { Problem } from "./model.ts";

export interface Loaded<T> {
  /** The last that came; kept while it is loaded again. */
  data: T | undefined;
  /** Why the last attempt failed. */
  problem: Problem | undefined;
  loading: boolean;
  /** Loads it again; resolves when what came is shown, and never fails. */
  reload(): Promise<void>;
  /** Changes what is shown, for what is known without asking. */
  edit(change: (data: T) => T): void;
}

/**
 * Loads with `load` when the component appears and whenever `inputs` change. Meanwhile nothing is shown of what came for
 * other inputs, unless `keep` says that it may be, as while one types a search. What the cloud has may have changed
 * unheard: then it is loaded again.
 */
export function useLoaded<T>(
  load: (signal: AbortSignal) => Promise<T>,
  inputs: readonly unknown[],
  keep = false,
): Loaded<T> {
  const [state, setState] = useState<{ data?: T; problem?: Problem; loading: boolean }>({ loading: true });
  const running = useRef<AbortController>(undefined);
  const latest = useRef(load);
  latest.current = load;

  const start = useCallback((keepOld: boolean) => {
    running.current?.abort();
    const mine = new AbortController();
    running.current = mine;
    setState((old) => (keepOld ? { ...old, loading: true } : { loading: true }));
    return latest.current(mine.signal).then(
      (data) => {
        if (!mine.signal.aborted) setState({ data, loading: false });
      },
      (error: unknown) => {
        if (!mine.signal.aborted) setState((old) => ({ ...old, problem: problemFrom(error), loading: false }));
      },
    );
  }, []);

  useEffect(() => {
    void start(keep);
    return () => running.current?.abort();
  }, inputs);
  useChanges((change) => change.event === "resync" && start(true));

  return {
    data: state.data,
    problem: state.problem,
    loading: state.loading,
    reload: useCallback(() => start(true), []),
    edit: useCallback((change: (data: T) => T) => {
      setState((old) => (old.data === undefined ? old : { ...old, data: change(old.data) }));
    }, []),
  };
}
