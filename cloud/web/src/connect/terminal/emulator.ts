// xterm.js as this page uses it: what it looks like, which of its addons it has, what of the browser it may touch.

import { FitAddon } from "@xterm/addon-fit";
import { Unicode11Addon } from "@xterm/addon-unicode11";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { Terminal, type ILinkHandler, type ITheme } from "@xterm/xterm";

import { text } from "../../text/en.ts";
import { copiedBy } from "./paste.ts";

const SCROLLBACK_LINES = 10_000;
const MIN_CONTRAST = 4.5;

const DARK: ITheme = {
  background: "#0b0f12",
  foreground: "#dde5ea",
  cursor: "#5cb8d6",
  cursorAccent: "#0b0f12",
  selectionBackground: "#2c6e88",
  black: "#20282e",
  red: "#dd5a51",
  green: "#4bb076",
  yellow: "#e3ae4d",
  blue: "#4a80cc",
  magenta: "#b06cc4",
  cyan: "#3a9fb2",
  white: "#c8d2d8",
  brightBlack: "#7c8b96",
  brightRed: "#ff9a92",
  brightGreen: "#8be0ac",
  brightYellow: "#f5cd80",
  brightBlue: "#94c3ff",
  brightMagenta: "#e3b3f0",
  brightCyan: "#8fe0ee",
  brightWhite: "#ffffff",
};

const LIGHT: ITheme = {
  background: "#ffffff",
  foreground: "#17212a",
  cursor: "#0b647f",
  cursorAccent: "#ffffff",
  selectionBackground: "#a9d8e8",
  black: "#17212a",
  red: "#b0261c",
  green: "#136c3a",
  yellow: "#7a5200",
  blue: "#1c56a8",
  magenta: "#86308f",
  cyan: "#0b647f",
  white: "#b9c3ca",
  brightBlack: "#51606c",
  brightRed: "#c9392e",
  brightGreen: "#1b7f47",
  brightYellow: "#8a5f00",
  brightBlue: "#2a69c4",
  brightMagenta: "#9b3fa5",
  brightCyan: "#127894",
  brightWhite: "#e4eaee",
};

/** What a person has chosen for all terminals. */
export interface Look {
  fontSize: number;
  light: boolean;
  screenReader: boolean;
}

export interface Emulator {
  xterm: Terminal;
  /** Takes as many columns and rows as there is room for. */
  fit(): void;
  wear(look: Look): void;
  dispose(): void;
}

/** `copied` gets what a program wants in the clipboard; nothing if it wants what it may not have. */
export function emulator(at: HTMLElement, look: Look, copied: (text: string | undefined) => void): Emulator {
  const links = openWithKey(at);
  const xterm = new Terminal({
    // The addons for Unicode and for finding are built on it.
    allowProposedApi: true,
    scrollback: SCROLLBACK_LINES,
    fontFamily: getComputedStyle(at).getPropertyValue("--mono"),
    macOptionClickForcesSelection: true,
    linkHandler: links,
    ...styleOf(look),
  });
  const fit = new FitAddon();
  xterm.loadAddon(fit);
  xterm.loadAddon(new Unicode11Addon());
  xterm.unicode.activeVersion = "11";
  xterm.loadAddon(
    new WebLinksAddon((event, url) => links.activate(event, url, NOWHERE), {
      hover: (event, url) => links.hover?.(event, url, NOWHERE),
      leave: (event, url) => links.leave?.(event, url, NOWHERE),
    }),
  );
  // Programs may write the clipboard, not read it: a question is not even answered.
  xterm.parser.registerOscHandler(52, (command) => {
    if (!command.endsWith(";?")) copied(copiedBy(command));
    return true;
  });
  xterm.open(at);
  fit.fit();
  let gone = false;
  void drawFast(xterm, () => gone);
  return {
    xterm,
    fit: () => fit.fit(),
    wear(now) {
      Object.assign(xterm.options, styleOf(now));
      fit.fit();
    },
    dispose() {
      gone = true;
      xterm.dispose();
    },
  };
}

function styleOf({ fontSize, light, screenReader }: Look) {
  return {
    fontSize,
    theme: light ? LIGHT : DARK,
    // Programs choose their colours for dark terminals.
    minimumContrastRatio: light ? MIN_CONTRAST : 1,
    screenReaderMode: screenReader,
  };
}

const NOWHERE = { start: { x: 0, y: 0 }, end: { x: 0, y: 0 } };

/** Links open with Ctrl or Cmd only, and say before where they lead: what a program shows may be something else. */
function openWithKey(at: HTMLElement): ILinkHandler {
  return {
    activate(event, url) {
      if ((event.ctrlKey || event.metaKey) && /^https?:\/\//i.test(url)) open(url, "_blank", "noopener,noreferrer");
    },
    hover(_, url) {
      at.title = `${url}\n${text.terminal.linkHint}`;
    },
    leave() {
      at.removeAttribute("title");
    },
  };
}

const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;

/** WebGL that the processor computes is slower than the DOM. */
function hasGraphicsCard(): boolean {
  const probe = document.createElement("canvas").getContext("webgl2", { failIfMajorPerformanceCaveat: true });
  if (!probe) return false;
  const about = probe.getExtension("WEBGL_debug_renderer_info");
  const renderer = String(probe.getParameter(about?.UNMASKED_RENDERER_WEBGL ?? probe.RENDERER));
  probe.getExtension("WEBGL_lose_context")?.loseContext();
  return !SOFTWARE.test(renderer);
}

/** Draws with the graphics card, if there is one; without, or when it is taken away, the DOM does it. */
async function drawFast(xterm: Terminal, gone: () => boolean): Promise<void> {
  if (!hasGraphicsCard()) return;
  try {
    const { WebglAddon } = await import("@xterm/addon-webgl");
    if (gone()) return;
    const webgl = new WebglAddon();
    webgl.onContextLoss(() => webgl.dispose());
    xterm.loadAddon(webgl);
  } catch (error) {
    console.warn("drawing with the DOM", error);
  }
}

/** All that is there as plain text, with lines that were broken at the edge made whole. */
export function transcript({ buffer }: Terminal): string {
  const rows = buffer.normal;
  let whole = "";
  for (let row = 0; row < rows.length; row += 1) {
    const line = rows.getLine(row);
    if (!line) continue;
    const goesOn = rows.getLine(row + 1)?.isWrapped === true;
    whole += line.translateToString(!goesOn) + (goesOn ? "" : "\n");
  }
  return `${whole.trimEnd()}\n`;
}
