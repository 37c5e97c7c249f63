// The clipboard between here and the device: by itself where the browser grants it, by a panel everywhere.

import type RFB from "@novnc/novnc";
import { useEffect, useRef, useState } from "preact/hooks";

import { Button } from "../parts/button.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { TextArea } from "../parts/field.tsx";
import { toast } from "../parts/notice.tsx";
import { text } from "../text/en.ts";

const { screen: words } = text;

export interface Clipboard {
  /** The last text that the device copied. */
  last: string | undefined;
  /** Whether the browser lets the page read without asking. */
  shared: boolean;
  received(copied: string): void;
  send(copied: string): void;
}

export function useClipboard(rfb: RFB | undefined): Clipboard {
  const [last, setLast] = useState<string>();
  const [shared, setShared] = useState(false);
  const known = useRef<string>(undefined);

  const send = (copied: string) => {
    known.current = copied;
    rfb?.clipboardPasteFrom(copied);
  };
  useEffect(() => {
    if (!rfb) return;
    const look = async () => {
      // Other browsers know no such permission: there it goes by the panel.
      const granted = await navigator.permissions
        .query({ name: "clipboard-read" as PermissionName })
        .catch(() => undefined);
      setShared(granted?.state === "granted");
      if (granted?.state !== "granted" || !document.hasFocus()) return;
      const copied = await navigator.clipboard.readText().catch(() => "");
      if (copied !== "" && copied !== known.current) send(copied);
    };
    void look();
    const focused = () => void look();
    addEventListener("focus", focused);
    return () => removeEventListener("focus", focused);
  }, [rfb]);

  return {
    last,
    shared,
    send,
    received(copied) {
      setLast(copied);
      known.current = copied;
      navigator.clipboard.writeText(copied).then(
        () => toast(words.clipboardGot([...copied].length)),
        () => undefined,
      );
    },
  };
}

export function ClipboardTool({ clipboard }: { clipboard: Clipboard }) {
  const [open, setOpen] = useState(false);
  const [typed, setTyped] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    clipboard.send(typed);
    setOpen(false);
  };
  return (
    <>
      <Button icon="clipboard" label={words.clipboard} onClick={() => setOpen(true)} />
      {open && (
        <Dialog title={words.clipboard} onClose={() => setOpen(false)}>
          <form onSubmit={submit}>
            <p class="hint">{clipboard.shared ? words.clipboardAuto : words.clipboardManual}</p>
            <TextArea label={words.clipboardSend} rows={4} value={typed} onInput={setTyped} />
            <TextArea
              label={words.clipboardReceived}
              rows={4}
              readOnly
              value={clipboard.last ?? ""}
              onInput={() => undefined}
            />
            {clipboard.last === undefined && <p class="hint">{words.clipboardNothing}</p>}
            <footer>
              <Button onClick={() => setOpen(false)}>{text.common.close}</Button>
              <Button kind="primary" submit disabled={typed === ""}>
                {words.clipboardSendDo}
              </Button>
            </footer>
          </form>
        </Dialog>
      )}
    </>
  );
}
