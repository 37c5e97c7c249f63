// Dialogs: the browser's own, which hold the focus and close with Escape.

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

import { problemFrom } from "../api/call.ts";
import type { Problem } from "../api/model.ts";
import { text } from "../text/en.ts";
import { say } from "../text/say.ts";
import { Button } from "./button.tsx";
import { Notice } from "./notice.tsx";

export function Dialog(props: { title: string; onClose: () => void; wide?: boolean; children: ComponentChildren }) {
  const element = useRef<HTMLDialogElement>(null);
  const title = useId();
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    // Closing gives the focus back to where it was.
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={element}
      class={props.wide ? "wide" : undefined}
      aria-labelledby={title}
      onCancel={(event) => {
        event.preventDefault();
        props.onClose();
      }}
    >
      <header>
        <h2 id={title}>{props.title}</h2>
        <Button kind="quiet" icon="close" label={text.common.close} onClick={props.onClose} />
      </header>
      {props.children}
    </dialog>
  );
}

/** Runs something that may fail, once at a time; resolves when it is over, and never fails itself. */
export function useAction(): {
  busy: boolean;
  problem: Problem | undefined;
  run: (action: () => Promise<void>) => Promise<void>;
} {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const run = async (action: () => Promise<void>) => {
    if (busy) return;
    setBusy(true);
    setProblem(undefined);
    try {
      await action();
    } catch (error) {
      setProblem(problemFrom(error));
    } finally {
      setBusy(false);
    }
  };
  return { busy, problem, run };
}

/** Asks before something that cannot be taken back. With `word`, that word is to be typed. */
export function Confirm(props: {
  title: string;
  says: string;
  action: string;
  word?: { label: string; value: string };
  onConfirm: () => Promise<void>;
  onClose: () => void;
}) {
  const { busy, problem, run } = useAction();
  const [typed, setTyped] = useState("");
  const id = useId();
  const confirm = (event: Event) => {
    event.preventDefault();
    run(async () => {
      await props.onConfirm();
      props.onClose();
    });
  };
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <form onSubmit={confirm}>
        <p>{props.says}</p>
        {props.word && (
          <div class="field">
            <label for={id}>{props.word.label}</label>
            <input id={id} value={typed} autocomplete="off" onInput={(event) => setTyped(event.currentTarget.value)} />
          </div>
        )}
        {problem && <Notice kind="bad">{say(problem)}</Notice>}
        <footer>
          <Button onClick={props.onClose} autoFocus>
            {text.common.cancel}
          </Button>
          <Button kind="danger" submit disabled={busy || (props.word !== undefined && typed !== props.word.value)}>
            {props.action}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}
