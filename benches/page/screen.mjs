// Our page beside noVNC through websockify, in one run: from the click to the first picture, and from a key to its pixel.
//
//     cargo build --release && cd benches/page && npm ci && node screen.mjs [ROUNDS]
//
// Both look at the same Xtigervnc, one after the other, with the same Chromium and the same noVNC. A round opens a
// connection, presses keys and closes it, in two ways: `tab` opens a browser tab for the connection, as our page does;
// `loaded` connects in a tab that has everything already, as our Reconnect does.
//
// Goals, at the median: the first picture at most 150 ms after the peer's, key to pixel at most 3 ms more.

import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { firstLine, freePort, inPlace, launch, quantile, start, startTowline, table } from "./place.mjs";

const ROUNDS = Number(process.argv[2] ?? 20);
const KEYS = 10;
const WARM_UP = 2;

/** Where the terminal is on the screen; its colour flips at each key. */
const AT = [200, 150];
const FLIP = `
import os, sys, tty
tty.setraw(0)
colour = 41
while True:
    sys.stdout.write(f"\\x1b[{colour}m\\x1b[2J"); sys.stdout.flush()
    if not os.read(0, 1): break
    colour = 83 - colour
`;

/** In every page: when something was clicked or pressed, and when the pixel of the terminal became another. */
function watch([x, y]) {
  const now = () => performance.timeOrigin + performance.now();
  globalThis.seen = { clicked: 0, pressed: 0, painted: 0, colour: "" };
  addEventListener("click", () => (seen.clicked = now()), true);
  addEventListener("keydown", () => (seen.pressed = now()), true);
  const { drawImage } = CanvasRenderingContext2D.prototype;
  // noVNC shows a frame by drawing what it has prepared onto the canvas that is seen.
  CanvasRenderingContext2D.prototype.drawImage = function (...args) {
    drawImage.apply(this, args);
    if (!this.canvas.isConnected) return;
    const [red, green, blue] = this.getImageData(x, y, 1, 1).data;
    const colour = red > green + 60 ? "red" : green > red + 60 ? "green" : "";
    if (colour === "" || colour === seen.colour) return;
    seen.colour = colour;
    seen.painted = now();
  };
}

const PEER_PAGE = `<!doctype html><meta charset="utf-8"><title>noVNC</title>
<style>html, body, #screen { height: 100%; margin: 0 }</style>
<a href="?open" target="_blank">tab</a> <button>loaded</button><div id="screen"></div>
<script type="module">
import RFB from "./novnc/core/rfb.js";
const open = () => {
  globalThis.rfb = new RFB(document.getElementById("screen"), "ws://" + location.host + "/websockify");
  rfb.scaleViewport = true;
  rfb.addEventListener("connect", () => rfb.focus());
};
document.querySelector("button").onclick = open;
if (location.search === "?open") open();
</script>`;

await inPlace(async (folder) => {
  // The screen that all look at.
  const vncPort = await freePort();
  const vnc = start("Xtigervnc", [
    ..."-geometry 1280x800 -depth 24 -localhost -SecurityTypes None -displayfd 1 -rfbport".split(" "),
    String(vncPort),
  ]);
  const DISPLAY = `:${(await firstLine(vnc)).trim()}`;
  await writeFile(join(folder, "flip.py"), FLIP);
  start("xterm", ["-geometry", "80x24+40+40", "-e", "python3", join(folder, "flip.py")], { env: { ...process.env, DISPLAY } });

  // The peer.
  const web = join(folder, "web");
  await mkdir(web);
  await writeFile(join(web, "index.html"), PEER_PAGE);
  await cp(fileURLToPath(new URL("node_modules/@novnc/novnc", import.meta.url)), join(web, "novnc"), { recursive: true });
  const peerPort = await freePort();
  start("websockify", ["--web", web, `127.0.0.1:${peerPort}`, `127.0.0.1:${vncPort}`], { stdio: "ignore" });

  // Ours.
  const { loginLink, addEndpoint } = await startTowline(folder);
  await addEndpoint({ name: "Bench", protocol: "VNC", host: "127.0.0.1", port: vncPort, sign_in: "none" });

  const browser = await launch();
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 } });
  await context.addInitScript(watch, AT);

  const ours = await context.newPage();
  await ours.goto(loginLink);
  await ours.getByRole("link", { name: "demo-device", exact: true }).click();
  await ours.getByRole("link", { name: "Connect to Bench" }).waitFor();
  const peer = await context.newPage();
  await peer.goto(`http://127.0.0.1:${peerPort}/`);

  const tab = async (page, link) => {
    await page.bringToFront();
    const opened = context.waitForEvent("page");
    await link.click();
    return opened;
  };
  const forget = (page) => page.evaluate(() => Object.assign(seen, { painted: 0, colour: "" }));
  // A tab of ours that has everything already.
  const kept = await tab(ours, ours.getByRole("link", { name: "Connect to Bench" }));
  const disconnect = async () => {
    await kept.getByRole("button", { name: "Disconnect" }).click();
    await kept.getByText("You disconnected.").waitFor();
  };
  await disconnect();
  const close = (page) => page.close();
  const ways = {
    "towline, tab": { clicked: ours, open: () => tab(ours, ours.getByRole("link", { name: "Connect to Bench" })), close },
    "noVNC, tab": { clicked: peer, open: () => tab(peer, peer.getByRole("link", { name: "tab" })), close },
    "towline, loaded": {
      clicked: kept,
      open: async () => {
        await kept.bringToFront();
        await forget(kept);
        await kept.getByRole("button", { name: "Reconnect" }).click();
        return kept;
      },
      close: disconnect,
    },
    "noVNC, loaded": {
      clicked: peer,
      open: async () => {
        await peer.bringToFront();
        await forget(peer);
        await peer.getByRole("button", { name: "loaded" }).click();
        return peer;
      },
      close: (page) => page.evaluate(() => rfb.disconnect()),
    },
  };
  const figures = Object.fromEntries(Object.keys(ways).map((name) => [name, { picture: [], key: [], missed: 0 }]));

  for (let round = -WARM_UP; round < ROUNDS; round += 1) {
    for (const [name, { clicked, open, close }] of Object.entries(ways)) {
      const page = await open();
      await page.waitForFunction(() => globalThis.seen?.painted > 0, undefined, { polling: 20, timeout: 120_000 });
      const at = await page.evaluate(() => seen.painted);
      const since = await clicked.evaluate(() => seen.clicked);
      // The first update is over, and the pointer is on the terminal.
      await page.waitForTimeout(300);
      const canvas = await page.locator("canvas").last().boundingBox();
      await page.mouse.move(canvas.x + canvas.width / 6, canvas.y + canvas.height / 5);
      const keys = [];
      for (let key = 0; key < KEYS; key += 1) {
        // Not in step with the server's own clock.
        await page.waitForTimeout(60 + Math.random() * 40);
        const before = await page.evaluate(() => seen.painted);
        await page.keyboard.press("x");
        const painted = page.waitForFunction((before) => seen.painted > before, before, { polling: 10, timeout: 2000 });
        if (await painted.then(() => true, () => false)) keys.push(await page.evaluate(() => seen.painted - seen.pressed));
        else figures[name].missed += 1;
      }
      await close(page);
      if (round < 0) continue;
      figures[name].picture.push(at - since);
      figures[name].key.push(...keys);
    }
  }
  await browser.close();
  report(figures);
});

function report(figures) {
  const rows = Object.entries(figures).flatMap(([name, { picture, key, missed }]) => [
    [name, "click to first picture", picture],
    [name, `key to pixel${missed > 0 ? `, ${missed} missed` : ""}`, key],
  ]);
  table(`${ROUNDS} rounds of ${KEYS} keys`, rows);
  const more = (what, how) =>
    (quantile(figures[`towline, ${how}`][what], 0.5) - quantile(figures[`noVNC, ${how}`][what], 0.5)).toFixed(1);
  console.log(`more than the peer, p50: first picture ${more("picture", "tab")} ms in a tab, ${more("picture", "loaded")} ms loaded (goal 150)`);
  console.log(`                         key to pixel ${more("key", "tab")} ms in a tab, ${more("key", "loaded")} ms loaded (goal 3)`);
}
