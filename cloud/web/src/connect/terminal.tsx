// The terminal of an SSH or Telnet endpoint: xterm.js on our line, and the tools around it.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { Button } from "../parts/button.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { TextArea } from "../parts/field.tsx";
import { Icon } from "../parts/icon.tsx";
import { Menu, type MenuItem } from "../parts/menu.tsx";
import { toast } from "../parts/notice.tsx";
import { clock } from "../moment.ts";
import { plain } from "../plain.ts";
import { text } from "../text/en.ts";
import { useConnection } from "./connection.ts";
import { download } from "./download.ts";
import { Frame } from "./frame.tsx";
import type { ViewerProps } from "./page.tsx";
import { emulator, transcript, type Emulator, type Look } from "./terminal/emulator.ts";
import { Find } from "./terminal/find.tsx";
import { Joined, type Arrival } from "./terminal/joined.ts";
import { TerminalKeyBar } from "./terminal/key-bar.tsx";
import { barKey, chord, NOTHING_HELD, shortcut, type BarKey, type Held, type Shortcut } from "./terminal/keys.ts";
import { cleaned, lines, runsAtOnce } from "./terminal/paste.ts";
import { Asked } from "./terminal/questions.tsx";
import { remembered } from "./terminal/return.ts";
import { COMMANDS, type Answer, type Exit, type FromCloud, type Question } from "./terminal/words.ts";

const { terminal: words } = text;

const LOOK_KEY = "towline-terminal";
const HINT_KEY = "towline-terminal-hint";
const TELNET_KEY = "towline-telnet-hint";
const FONT_SIZES = { usual: 14, least: 8, most: 32 };
const IS_MAC = /Mac|iPhone|iPad/.test(navigator.platform);
const PASTE_KEYS = IS_MAC ? "Cmd+V" : "Ctrl+Shift+V";

interface Shown extends Emulator {
  joined: Joined;
}

export function Terminal({ device, endpoint }: ViewerProps) {
  const at = useRef<HTMLDivElement>(null);
  const [shown, setShown] = useState<Shown>();
  // For what xterm calls, which is set up once.
  const now = useRef<Shown>(undefined);
  const [look, setLook] = useLook();
  const [size, setSize] = useState<string>();
  const [arrival, setArrival] = useState<Arrival>("first");
  const [question, setQuestion] = useState<Question>();
  const [exit, setExit] = useState<Exit>();
  const [finding, setFinding] = useState(false);
  const [pasting, setPasting] = useState<string>();
  const [held, setHeld] = useState<Held>(NOTHING_HELD);
  const heldNow = useRef(held);
  heldNow.current = held;
  const name = plain(endpoint.name);

  const connection = useConnection(device.id, endpoint.id, false, {
    session() {
      setExit(undefined);
      return now.current?.joined.session();
    },
    attach(line) {
      const letGo = now.current?.joined.attach(line);
      return () => {
        letGo?.();
        setQuestion(undefined);
      };
    },
    heard(said) {
      const word = said as FromCloud;
      const joined = now.current?.joined;
      if (word.type === "question") setQuestion(word);
      else if (word.type === "exit") setExit(word);
      else if (word.type === "attached") {
        setQuestion(undefined);
        setArrival(joined?.attached(word, words.newShell(clock(new Date().toISOString()))) ?? "first");
      } else if (word.type === "notice") {
        if (joined?.isLive) toast(plain(word.text));
        else joined?.note(word.text.trimEnd().split("\n").map(plain));
      }
      return word.type === "attached";
    },
    leave: () => now.current?.joined.leave(),
    failed(problem, told) {
      setQuestion(undefined);
      return now.current?.joined.failed(problem, told) ?? false;
    },
  });
  const live = connection.state.at === "connected";

  const paste = (raw: string) => {
    const pasted = cleaned(raw);
    const xterm = now.current?.xterm;
    if (!xterm || pasted === "") return;
    if (runsAtOnce(pasted, xterm.modes.bracketedPasteMode)) setPasting(pasted);
    else xterm.paste(pasted);
  };
  const act = (what: Shortcut) => {
    if (what === "find") setFinding(true);
    else if (what === "copy") void copy(now.current);
    else if (what !== "paste") setLook((old) => ({ ...old, fontSize: resized(old.fontSize, what) }));
  };
  const type = (typed: string) => {
    now.current?.joined.send(typed);
    setHeld(NOTHING_HELD);
  };
  const latest = useRef({ paste, act });
  latest.current = { paste, act };

  // Before the connection's effect, which asks at once which session to come back to.
  useLayoutEffect(() => {
    const place = at.current;
    if (!place) return;
    const made = emulator(place, look, (copied) => {
      // What is drawn a second time was copied the first time.
      if (now.current?.joined.isReplaying === false) deviceCopied(copied);
    });
    const { xterm } = made;
    xterm.textarea?.setAttribute("aria-label", words.label(name));
    const joined = new Joined(xterm, remembered(endpoint.id), (typed) => {
      const chorded = chord(typed, heldNow.current);
      if (chorded !== typed) setHeld(NOTHING_HELD);
      return chorded;
    });
    const sized = () => setSize(words.size(xterm.cols, xterm.rows));
    sized();
    xterm.onResize(sized);
    xterm.attachCustomKeyEventHandler((event) => {
      const what = shortcut(event, IS_MAC);
      if (what === undefined) return true;
      // What is pasted comes as an event of its own, which needs no permission.
      if (what !== "paste") event.preventDefault();
      if (event.type === "keydown") latest.current.act(what);
      return false;
    });
    const pasted = (event: ClipboardEvent) => {
      event.preventDefault();
      event.stopPropagation();
      latest.current.paste(event.clipboardData?.getData("text/plain") ?? "");
    };
    place.addEventListener("paste", pasted, true);
    const room = new ResizeObserver(() => requestAnimationFrame(() => now.current?.fit()));
    room.observe(place);
    now.current = { ...made, joined };
    setShown(now.current);
    return () => {
      room.disconnect();
      place.removeEventListener("paste", pasted, true);
      now.current = undefined;
      made.dispose();
    };
  }, []);
  useEffect(() => shown?.wear(look), [shown, look]);
  useEffect(() => {
    if (shown) shown.xterm.options.disableStdin = !live;
  }, [shown, live]);

  // A dialog that is gone leaves the focus nowhere.
  const mayType = live && question === undefined && pasting === undefined;
  useEffect(() => {
    if (mayType) shown?.xterm.focus();
  }, [shown, mayType]);

  const focus = () => shown?.xterm.focus();
  const answer = (given: Answer) => {
    if (question) now.current?.joined.say({ type: "answer", id: question.id, ...given });
    setQuestion(undefined);
  };
  const item = (label: string, run: () => void, checked?: boolean): MenuItem => ({
    label,
    run() {
      run();
      focus();
    },
    ...(checked === undefined ? {} : { checked }),
  });
  const save = (from: Shown) =>
    download(endpoint.name, "txt", new Blob([transcript(from.xterm)], { type: "text/plain" }));
  const items: MenuItem[] = shown
    ? [
        item(words.clear, () => shown.xterm.clear()),
        item(words.save, () => save(shown)),
        item(
          words.screenReader,
          () => setLook((old) => ({ ...old, screenReader: !old.screenReader })),
          look.screenReader,
        ),
        item(words.light, () => setLook((old) => ({ ...old, light: !old.light })), look.light),
      ]
    : [];
  const tools = shown && (
    <>
      {endpoint.protocol === "TELNET" && (
        <span class="tag" title={words.notEncryptedSays}>
          <Icon name="warn" /> {words.notEncrypted}
        </span>
      )}
      <Button icon="search" label={words.find} onClick={() => setFinding(true)} />
      <Button label={words.smaller} onClick={() => (act("smaller"), focus())}>
        A−
      </Button>
      <Button label={words.larger} onClick={() => (act("larger"), focus())}>
        A+
      </Button>
      <Button icon="copy" label={words.copy} onClick={() => void copy(shown)} />
      {live && <Button icon="clipboard" label={words.paste} onClick={() => void readClipboard(paste)} />}
      {live && endpoint.protocol === "TELNET" && (
        <Menu
          label={text.protocol.TELNET}
          text={text.protocol.TELNET}
          items={COMMANDS.map((command) =>
            item(words.commands[command], () => shown.joined.say({ type: "command", command })),
          )}
        />
      )}
      <Menu icon="more" label={words.more} items={items} />
    </>
  );
  const above = (
    <>
      {endpoint.protocol === "TELNET" && (
        <Once id={TELNET_KEY} kind="warn">
          {words.notEncryptedSays}
        </Once>
      )}
      <Once id={HINT_KEY} kind="info">
        {words.hint}
      </Once>
    </>
  );
  return (
    <Frame
      {...{ device, endpoint, connection, size, tools, above }}
      escapes
      connected={arrival === "first" ? undefined : words[arrival]}
      finished={exit && ending(exit)}
      below={
        <TerminalKeyBar
          held={held}
          hold={setHeld}
          press={(key: BarKey) => type(barKey(key, held, shown?.xterm.modes.applicationCursorKeysMode === true))}
          keyboard={focus}
        />
      }
    >
      <div class={look.light ? "shell light" : "shell"} ref={at} />
      {finding && shown && (
        <Find
          xterm={shown.xterm}
          onClose={() => {
            setFinding(false);
            focus();
          }}
        />
      )}
      {question && <Asked key={question.id} question={question} endpoint={name} answer={answer} />}
      {pasting !== undefined && (
        <PasteDialog
          pasted={pasting}
          onClose={() => setPasting(undefined)}
          onPaste={() => shown?.xterm.paste(pasting)}
        />
      )}
    </Frame>
  );
}

function ending({ status, signal }: Exit): string {
  return signal === undefined ? words.exited(status ?? 0) : words.killed(plain(signal));
}

function resized(fontSize: number, how: "larger" | "smaller" | "usual"): number {
  if (how === "usual") return FONT_SIZES.usual;
  return Math.min(FONT_SIZES.most, Math.max(FONT_SIZES.least, fontSize + (how === "larger" ? 1 : -1)));
}

/** What a person has chosen, for all terminals in this browser. */
function useLook() {
  const [look, setLook] = useState<Look>(() => {
    const usual: Look = { fontSize: FONT_SIZES.usual, light: false, screenReader: false };
    return { ...usual, ...(JSON.parse(localStorage.getItem(LOOK_KEY) ?? "{}") as Partial<Look>) };
  });
  useEffect(() => localStorage.setItem(LOOK_KEY, JSON.stringify(look)), [look]);
  return [look, setLook] as const;
}

async function copy(shown: Shown | undefined): Promise<void> {
  const marked = shown?.xterm.getSelection() ?? "";
  if (marked === "") return toast(words.nothingMarked);
  shown?.xterm.focus();
  try {
    await navigator.clipboard.writeText(marked);
  } catch {
    // Without TLS browsers have only the old way, which asks xterm for the text.
    document.execCommand("copy");
  }
  toast(words.copied([...marked].length));
}

async function readClipboard(paste: (text: string) => void): Promise<void> {
  try {
    paste(await navigator.clipboard.readText());
  } catch {
    toast(words.pasteKeys(PASTE_KEYS));
  }
}

function deviceCopied(copied: string | undefined): void {
  const refused = () => toast(words.deviceCopyRefused);
  if (copied === undefined) return refused();
  void Promise.resolve(navigator.clipboard?.writeText(copied) ?? Promise.reject(new Error("no clipboard"))).then(
    () => toast(words.deviceCopied([...copied].length)),
    refused,
  );
}

function PasteDialog({ pasted, onPaste, onClose }: { pasted: string; onPaste: () => void; onClose: () => void }) {
  return (
    <Dialog title={words.pasteAsk(lines(pasted))} onClose={onClose} wide>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onPaste();
          onClose();
        }}
      >
        <p>{words.pasteSays}</p>
        <TextArea label={words.pasted} rows={8} mono readOnly value={pasted} onInput={() => undefined} />
        <footer>
          <Button onClick={onClose}>{text.common.cancel}</Button>
          <Button kind="primary" submit autoFocus>
            {words.paste}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}

/** Said until somebody has taken note of it, in this browser. */
function Once({ id, kind, children }: { id: string; kind: "info" | "warn"; children: string }) {
  const [seen, setSeen] = useState(localStorage.getItem(id) !== null);
  if (seen) return null;
  return (
    <div class={`strip-note ${kind}`} role="note">
      <Icon name={kind} />
      <p>{children}</p>
      <Button
        onClick={() => {
          localStorage.setItem(id, "seen");
          setSeen(true);
        }}
      >
        {text.screen.gotIt}
      </Button>
    </div>
  );
}
