// Our terminal, through cloud, agent and a real sshd, beside xterm.js on a plain WebSocket pseudo-terminal, in one run:
// from a key to its glyph, from Ctrl+C in a flood to the end of the program on the device, and on to the shell's prompt.
//
//     cargo build --release && cd benches/page && npm ci && node terminal.mjs [ROUNDS]
//
// Both have the same Chromium, the same xterm.js, and the renderer that it takes without a graphics card. What is typed
// comes back from the kernel's echo. A round presses keys in the one, then in the other; floods come after all keys.
//
// Goals: a glyph at most 3 ms later than the peer's, at the median; a flood's program ended within 100 ms, at the 99th
// percentile.

import { execFileSync } from "node:child_process";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { firstLine, freePort, inPlace, launch, quantile, start, startTowline, table } from "./place.mjs";

const ROUNDS = Number(process.argv[2] ?? 20);
const KEYS = 25;
const WARM_UP = 2;
const FLOODS = 5;
/** The terminal echoes until a line is entered, then a shell has it. */
const SHELL = `export PS1='ready> '; stty -icanon min 1; echo echoing; head -n 1 >/dev/null; stty sane; exec /bin/sh -i`;

/** In every page: when a key was pressed, when another text stood in the terminal, and when that ended with a prompt. */
function watch() {
  globalThis.seen = { pressed: 0, drawn: 0, prompted: 0 };
  addEventListener("keydown", () => (seen.pressed = performance.now()), true);
  let text = "";
  new MutationObserver(() => {
    const now = document.querySelector(".xterm-rows")?.textContent ?? "";
    if (now === text) return;
    text = now;
    seen.drawn = performance.now();
    if (/ready>\s*$/.test(text)) seen.prompted = seen.drawn;
  }).observe(document, { subtree: true, childList: true, characterData: true });
}

/** An OpenSSH server on loopback, as who runs this; what an endpoint needs to sign in to it. */
async function startSshd(folder) {
  const file = (name) => join(folder, name);
  for (const key of ["host_key", "user_key"]) execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file(key)]);
  await copyFile(file("user_key.pub"), file("authorized_keys"));
  await mkdir("/run/sshd", { recursive: true }).catch(() => undefined);
  const port = await freePort();
  const config = {
    ListenAddress: `127.0.0.1:${port}`,
    HostKey: file("host_key"),
    AuthorizedKeysFile: file("authorized_keys"),
    PidFile: "none",
    StrictModes: "no",
    UsePAM: "no",
    PasswordAuthentication: "no",
    KbdInteractiveAuthentication: "no",
  };
  await writeFile(file("sshd_config"), Object.entries(config).map((pair) => `${pair.join(" ")}\n`).join(""));
  start("/usr/sbin/sshd", ["-D", "-f", file("sshd_config")], { stdio: "ignore" });
  return { port, key: await readFile(file("user_key"), "utf8"), hostKey: await readFile(file("host_key.pub"), "utf8") };
}

await inPlace(async (folder) => {
  await writeFile(join(folder, "shell.sh"), SHELL);
  const command = `sh ${join(folder, "shell.sh")}`;
  const sshd = await startSshd(folder);
  const { loginLink, addEndpoint } = await startTowline(folder);
  await addEndpoint({
    name: "Bench",
    protocol: "SSH",
    host: "127.0.0.1",
    port: sshd.port,
    sign_in: "key-pair",
    user: userInfo().username,
    private_key: sshd.key,
    host_keys: sshd.hostKey,
  });
  const peerPort = await firstLine(start(process.execPath, [fileURLToPath(new URL("pty.mjs", import.meta.url)), command]));

  const browser = await launch();
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 } });
  await context.addInitScript(watch);
  const list = await context.newPage();
  await list.goto(loginLink);
  await list.getByRole("link", { name: "demo-device", exact: true }).click();
  const opened = context.waitForEvent("page");
  await list.getByRole("link", { name: "Connect to Bench" }).click();
  const ours = await opened;
  await ours.getByRole("status").getByText("connected", { exact: true }).waitFor();
  await ours.keyboard.insertText(`exec ${command}`);
  await ours.keyboard.press("Enter");
  const peer = await context.newPage();
  await peer.goto(`http://127.0.0.1:${peerPort}/`);

  const ways = { towline: ours, "plain pty": peer };
  const figures = Object.fromEntries(Object.keys(ways).map((name) => [name, { key: [], end: [], prompt: [] }]));
  for (const page of Object.values(ways)) await page.locator(".xterm-rows").getByText("echoing", { exact: true }).waitFor();
  for (let round = -WARM_UP; round < ROUNDS; round += 1) {
    for (const [name, page] of Object.entries(ways)) {
      await page.bringToFront();
      for (let key = 0; key < KEYS; key += 1) {
        // Not in step with the frames of the browser.
        await page.waitForTimeout(60 + Math.random() * 40);
        await page.keyboard.press("x");
        await page.waitForFunction(() => seen.drawn > seen.pressed, undefined, { polling: 10, timeout: 10_000 });
        if (round >= 0) figures[name].key.push(await page.evaluate(() => seen.drawn - seen.pressed));
      }
    }
  }
  const ended = join(folder, "ended");
  const prompted = (page) =>
    page.waitForFunction(() => seen.prompted > seen.pressed, undefined, { polling: 10, timeout: 120_000 });
  for (const page of Object.values(ways)) {
    await page.bringToFront();
    await page.keyboard.press("Enter");
    await prompted(page);
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, page] of Object.entries(ways)) {
      await page.bringToFront();
      for (let flood = 0; flood < FLOODS; flood += 1) {
        await page.keyboard.type(`sh -c 'trap : INT; yes; date +%s%N > ${ended}'\n`);
        await page.waitForTimeout(300 + Math.random() * 100);
        await page.keyboard.press("Control+c");
        await prompted(page);
        const since = await page.evaluate(() => performance.timeOrigin + seen.pressed);
        figures[name].end.push(Number(await readFile(ended, "utf8")) / 1e6 - since);
        figures[name].prompt.push(await page.evaluate(() => seen.prompted - seen.pressed));
      }
    }
  }
  await browser.close();
  const rows = Object.entries(figures).flatMap(([name, { key, end, prompt }]) => [
    [name, "key to glyph", key],
    [name, "Ctrl+C to the end of yes", end],
    [name, "Ctrl+C to the prompt", prompt],
  ]);
  table(`${ROUNDS} rounds of ${KEYS} keys and ${FLOODS} floods`, rows);
  const more = quantile(figures.towline.key, 0.5) - quantile(figures["plain pty"].key, 0.5);
  console.log(`key to glyph, more than the peer, p50: ${more.toFixed(1)} ms (goal 3)`);
  console.log(`Ctrl+C to the end of yes, p99: ${quantile(figures.towline.end, 0.99).toFixed(0)} ms (goal 100)`);
});
