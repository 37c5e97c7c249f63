// Full screen, with the keys that the browser lets go of.

import { useEffect, useState } from "preact/hooks";

import { Button } from "../parts/button.tsx";
import { text } from "../text/en.ts";

/** Chromium only: Escape, Alt+Tab and the like go to the page while it fills the screen. */
interface KeyboardLock {
  lock?(): Promise<void>;
  unlock?(): void;
}

export function FullScreenButton({ frame }: { frame: { current: HTMLElement | null } }) {
  const [full, setFull] = useState(false);
  useEffect(() => {
    const keyboard = (navigator as { keyboard?: KeyboardLock }).keyboard;
    const changed = () => {
      const now = document.fullscreenElement !== null;
      setFull(now);
      if (now) void keyboard?.lock?.().catch(() => undefined);
      else keyboard?.unlock?.();
    };
    document.addEventListener("fullscreenchange", changed);
    return () => document.removeEventListener("fullscreenchange", changed);
  }, []);
  if (!document.fullscreenEnabled) return null;
  const toggle = () => void (full ? document.exitFullscreen() : frame.current?.requestFullscreen());
  return <Button icon="full" label={full ? text.screen.leaveFull : text.screen.full} pressed={full} onClick={toggle} />;
}
