// The screen of a VNC endpoint: noVNC on our line, and the tools around it.

import RFB from "@novnc/novnc";
import { useEffect, useRef, useState } from "preact/hooks";

import { Button } from "../parts/button.tsx";
import { Choice } from "../parts/field.tsx";
import { Icon } from "../parts/icon.tsx";
import { Menu } from "../parts/menu.tsx";
import { toast } from "../parts/notice.tsx";
import { plain } from "../plain.ts";
import { go, route, SCALES, type Scale } from "../router.ts";
import { text } from "../text/en.ts";
import { ClipboardTool, useClipboard } from "./clipboard.tsx";
import { useConnection } from "./connection.ts";
import { download } from "./download.ts";
import { Frame } from "./frame.tsx";
import { KeyBar, useHeldKeys } from "./key-bar.tsx";
import { KeysTool } from "./keys-tool.tsx";
import type { Line } from "./line.ts";
import type { ViewerProps } from "./page.tsx";

const { screen: words } = text;

const QUALITIES = {
  auto: { qualityLevel: 6, compressionLevel: 2 },
  low: { qualityLevel: 2, compressionLevel: 9 },
  high: { qualityLevel: 9, compressionLevel: 1 },
} as const;
type Quality = keyof typeof QUALITIES;

const HINT_KEY = "towline-screen-hint";

export function Screen({ device, endpoint, view, scale }: ViewerProps) {
  const target = useRef<HTMLDivElement>(null);
  const [rfb, setRfb] = useState<RFB>();
  const [size, setSize] = useState<string>();
  const [watching, setWatching] = useState(view);
  const [quality, setQuality] = useState<Quality>("auto");
  const [dragging, setDragging] = useState(false);
  const mayDrag = scale === "actual" && matchMedia("(pointer: coarse)").matches;
  const clipboard = useClipboard(rfb);
  const held = useHeldKeys(rfb);

  const attach = (line: Line) => {
    const at = target.current;
    if (!at) return () => undefined;
    const made = new RFB(at, line.channel);
    const canvas = at.querySelector<HTMLCanvasElement>(":scope > div > canvas");
    const stop = canvas ? prepare(canvas, plain(endpoint.name), setSize) : () => undefined;
    made.background = "transparent";
    let letGo = false;
    let isOver = false;
    made.addEventListener("connect", () => {
      // What was left of the connection before this one.
      for (const old of at.querySelectorAll(":scope > canvas")) old.remove();
      setRfb(made);
      made.focus({ preventScroll: true });
    });
    made.addEventListener("disconnect", () => {
      isOver = true;
      // By now another may be in its place.
      if (letGo) return;
      setRfb(undefined);
      // noVNC takes its picture away: the last one stays, under the curtain.
      if (canvas && canvas.width > 0) at.replaceChildren(canvas);
    });
    made.addEventListener("clipboard", ({ detail }) => clipboard.received(detail.text));
    made.addEventListener("bell", () => toast(words.bell));
    return () => {
      letGo = true;
      stop();
      setRfb(undefined);
      if (!isOver) made.disconnect();
    };
  };
  const connection = useConnection(device.id, endpoint.id, view, { attach });
  const forced = connection.viewOnly;

  useEffect(() => {
    if (!rfb) return;
    rfb.scaleViewport = scale !== "actual";
    rfb.resizeSession = scale === "resize";
    // Fingers have no scroll bars: they move the picture itself, while they are said to.
    rfb.clipViewport = mayDrag;
    rfb.dragViewport = mayDrag && dragging;
  }, [rfb, scale, mayDrag, dragging]);
  useEffect(() => {
    if (rfb) rfb.viewOnly = watching || forced;
  }, [rfb, watching, forced]);
  useEffect(() => {
    if (rfb) Object.assign(rfb, QUALITIES[quality]);
  }, [rfb, quality]);
  useWakeLock(rfb !== undefined);

  const mayType = rfb !== undefined && !watching && !forced;
  const tools = rfb && connection.state.at === "connected" && (
    <>
      <Choice
        label={words.scale.title}
        value={scale}
        options={SCALES.map((value) => ({ value, label: words.scale[value], title: words.scaleSays[value] }))}
        onChange={(now: Scale) => {
          if (route.value.page === "connect") go({ ...route.value, scale: now }, true);
        }}
      />
      {mayDrag && <Button icon="move" label={words.drag} pressed={dragging} onClick={() => setDragging(!dragging)} />}
      {mayType && <KeysTool rfb={rfb} held={held} />}
      {mayType && <ClipboardTool clipboard={clipboard} />}
      {forced ? (
        <span class="tag">
          <Icon name="eye" /> {words.viewOnlyForced}
        </span>
      ) : (
        <Button icon="eye" label={words.viewOnly} pressed={watching} onClick={() => setWatching(!watching)} />
      )}
      <Menu
        label={words.quality}
        text={words.quality}
        items={(Object.keys(QUALITIES) as Quality[]).map((each) => ({
          label: words.qualities[each],
          checked: quality === each,
          run: () => setQuality(each),
        }))}
      />
      <Button icon="camera" label={words.shot} onClick={() => shoot(rfb, endpoint.name)} />
    </>
  );
  return (
    <Frame {...{ device, endpoint, connection, size, tools }} below={mayType && <KeyBar rfb={rfb} held={held} />}>
      <div class="screen" ref={target} />
      {mayType && <Hint />}
    </Frame>
  );
}

/** Makes noVNC's canvas something that has a name, lets go of keys with the focus, and says how large it is. */
function prepare(canvas: HTMLCanvasElement, name: string, setSize: (size: string) => void): () => void {
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", words.label(name));
  canvas.tabIndex = 0;
  // noVNC lets go of all keys when the window loses the focus; the same holds when only the canvas does.
  canvas.addEventListener("blur", () => dispatchEvent(new Event("blur")));
  const sizes = new MutationObserver(() => setSize(words.size(canvas.width, canvas.height)));
  sizes.observe(canvas, { attributeFilter: ["width", "height"] });
  return () => sizes.disconnect();
}

/** Keeps the screen of who watches from going dark. */
function useWakeLock(on: boolean): void {
  useEffect(() => {
    if (!on || !("wakeLock" in navigator)) return;
    let lock: WakeLockSentinel | undefined;
    const take = () => {
      if (!document.hidden)
        void navigator.wakeLock.request("screen").then(
          (taken) => (lock = taken),
          () => undefined,
        );
    };
    take();
    document.addEventListener("visibilitychange", take);
    return () => {
      document.removeEventListener("visibilitychange", take);
      void lock?.release();
    };
  }, [on]);
}

function shoot(rfb: RFB, name: string): void {
  rfb.toBlob((blob) => blob && download(name, "png", blob), "image/png");
}

/** Said once, to who has never been here. */
function Hint() {
  const [seen, setSeen] = useState(localStorage.getItem(HINT_KEY) !== null);
  if (seen) return null;
  const dismiss = () => {
    localStorage.setItem(HINT_KEY, "seen");
    setSeen(true);
  };
  return (
    <div class="hint-card card">
      <p>{words.hint}</p>
      <Button onClick={dismiss}>{words.gotIt}</Button>
    </div>
  );
}
