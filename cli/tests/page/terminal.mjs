// Terminals: keys, text, the window's size, the mouse, a reload, much text both ways, and a host key that has changed.

import { check } from "./look.mjs";
import { assert, connect, logIn, never, openDevice, until } from "./page.mjs";

/** The terminal of an endpoint, connected. */
async function open(page, name) {
  const terminal = await connect(page, name);
  await connected(terminal);
  return terminal;
}

async function connected(terminal, words = "connected") {
  await terminal.getByRole("status").getByText(words, { exact: true }).waitFor();
}

/** Types a line whose output goes into a file on the device, until that is there: what follows Ctrl+C may be lost. */
async function say(terminal, ask, command, isGood) {
  let seen = "";
  await until(`${command} has said what it should`, async () => {
    await terminal.keyboard.insertText(`${command} > "$OUT"`);
    await terminal.keyboard.press("Enter");
    await new Promise((resolve) => setTimeout(resolve, 500));
    seen = JSON.parse(await ask("read what was said"));
    return isGood(seen);
  });
  return seen;
}

/** A terminal to the device's shell; what is said into `$OUT` can be read. */
async function openShell({ site, person }, options) {
  const page = await logIn(await person(options), site);
  await openDevice(page, site.device);
  const terminal = await open(page, "Shell");
  await enter(terminal, `OUT='${site.out_file}'; kept=a-word`);
  return { page, terminal };
}

async function enter(terminal, line) {
  await terminal.keyboard.insertText(line);
  await terminal.keyboard.press("Enter");
}

/** Waits until a line of the terminal is `text`. */
async function shows(terminal, text) {
  await terminal.locator(".xterm-rows > div").filter({ hasText: new RegExp(`^${text}\\s*$`) }).first().waitFor();
}

const read = async (ask) => JSON.parse(await ask("read what was said"));

export async function shell(scene) {
  const { terminal } = await openShell(scene);
  await passesAsAShell(terminal, scene.ask);
}

export async function shellOfAnUnknownHost(scene) {
  const { site, person, ask } = scene;
  const page = await logIn(await person(), site);
  await openDevice(page, site.device);
  const terminal = await connect(page, "Shell");
  await terminal.getByText(/SHA256:/).first().waitFor();
  await terminal.getByRole("button", { name: /trust/i }).first().click();
  await connected(terminal);
  await enter(terminal, `OUT='${site.out_file}'; kept=a-word`);
  await passesAsAShell(terminal, ask);
}

async function passesAsAShell(terminal, ask) {
  await say(terminal, ask, "echo é 日本語 🚀", (seen) => seen === "é 日本語 🚀\n");

  const wide = await say(terminal, ask, "stty size", (seen) => /^\d+ \d+\n$/.test(seen));
  await terminal.setViewportSize({ width: 700, height: 500 });
  await say(terminal, ask, "stty size", (seen) => /^\d+ \d+\n$/.test(seen) && Number(seen.split(" ")[1]) < Number(wide.split(" ")[1]) - 20);

  // A shell that has not handed the terminal over yet does not heed it.
  await enter(terminal, "sh -c 'echo up-$((40+2)); exec sleep 1000'");
  await shows(terminal, "up-42");
  await terminal.keyboard.press("Control+c");
  await say(terminal, ask, "echo interrupted", (seen) => seen === "interrupted\n");

  await terminal.reload();
  await connected(terminal, "connected, back in the same shell");
  await say(terminal, ask, "echo $kept", (seen) => seen === "a-word\n");

  // In a narrow window the tool bar is folded.
  await terminal.setViewportSize({ width: 1280, height: 800 });
  await terminal.getByRole("button", { name: "Disconnect" }).click();
  await terminal.getByText("You disconnected.").waitFor();
}

export async function keys(scene) {
  const { terminal } = await openShell(scene);
  await enter(terminal, `stty raw -echo; echo go-$((40+2)); exec od -An -tx1 -v -w1 > "$OUT"`);
  await shows(terminal, "go-42");
  const letters = [..."abcdefghijklmnopqrstuvwxyz"];
  const expected = [];
  const press = async (key, ...bytes) => {
    await terminal.keyboard.press(key);
    expected.push(...bytes);
  };
  await press("Control+Space", 0);
  for (const letter of letters) await press(`Control+${letter}`, letter.charCodeAt(0) - 96);
  await press("Control+BracketLeft", 0x1b);
  await press("Control+Backslash", 0x1c);
  await press("Control+BracketRight", 0x1d);
  await press("Control+6", 0x1e);
  await press("Control+7", 0x1f);
  await press("Backspace", 0x7f);
  await press("Escape", 0x1b);
  await press("Tab", 9);
  await press("Enter", 13);
  for (const letter of letters) await press(`Alt+${letter}`, 0x1b, letter.charCodeAt(0));
  for (const digit of "0123456789") await press(`Alt+${digit}`, 0x1b, digit.charCodeAt(0));
  await press("Alt+Shift+X", 0x1b, 0x58);
  await press("Alt+Backspace", 0x1b, 0x7f);
  await press("Alt+Enter", 0x1b, 13);
  await press("ArrowUp", ...Buffer.from("\x1b[A"));
  await press("Control+ArrowLeft", ...Buffer.from("\x1b[1;5D"));
  await press("Home", ...Buffer.from("\x1b[H"));
  await press("PageUp", ...Buffer.from("\x1b[5~"));
  await press("F5", ...Buffer.from("\x1b[15~"));
  // od writes a block at a time.
  const filled = 4096 / 4;
  await terminal.keyboard.insertText("é".repeat(filled));
  const hex = expected.map((byte) => byte.toString(16).padStart(2, "0"));
  let seen = [];
  await until("the device has seen the keys", async () => {
    seen = (await read(scene.ask)).split("\n").map((line) => line.trim());
    return seen.length > hex.length;
  });
  assert.deepEqual(seen.slice(0, hex.length), hex);
}

export async function paste(scene) {
  const { terminal } = await openShell(scene, { permissions: ["clipboard-read", "clipboard-write"] });
  const text = Array.from({ length: 1280 }, (_, line) => `${line} é ${"x".repeat(79 - String(line).length - 3)}\n`).join("");
  assert.ok(text.length > 100_000);
  await enter(terminal, `stty -echo; echo go-$((40+2)); exec cat > "$OUT"`);
  await shows(terminal, "go-42");
  await terminal.evaluate((text) => navigator.clipboard.writeText(text), text);
  await terminal.getByRole("button", { name: "Paste" }).click();
  const question = terminal.getByRole("dialog", { name: "Paste 1280 lines?" });
  await question.getByRole("button", { name: "Paste" }).click();
  await until("all of it has arrived", async () => (await read(scene.ask)).length >= text.length);
  assert.equal(await read(scene.ask), text);
}

export async function mouse(scene) {
  const { terminal } = await openShell(scene);
  await enter(terminal, `seq -f 'line-%02g-abcdefghijklmnopqrstuvwxyz' 30 > "$OUT"; stty size; exec vim -Nu NONE -c 'set mouse=a ttymouse=sgr' "$OUT"`);
  await shows(terminal, "line-30-abcdefghijklmnopqrstuvwxyz");
  const size = await terminal.locator(".xterm-rows > div").count();
  const box = await terminal.locator(".xterm-screen").boundingBox();
  const columns = Number((await terminal.getByText(/^\d+×\d+$/).textContent()).split("×")[0]);
  const [row, column] = [11, 9];
  await terminal.mouse.click(box.x + ((column + 0.5) * box.width) / columns, box.y + ((row + 0.5) * box.height) / size);
  await terminal.keyboard.type("r#:wq\n");
  await until("vim has replaced the letter that was clicked", async () => {
    const line = (await read(scene.ask)).split("\n")[row] ?? "";
    return line === "line-12-a#cdefghijklmnopqrstuvwxyz";
  });
}

export async function flood(scene) {
  const { ask } = scene;
  const { page, terminal } = await openShell(scene);
  const other = await open(page, "Shell");
  await enter(other, "echo ready-$((40+2))");
  await shows(other, "ready-42");
  await ask("measure the cloud's memory");
  // Without an end, until it is interrupted.
  await terminal.bringToFront();
  await enter(terminal, "yes 'a line that nobody reads, of which there are many'");
  await terminal.locator(".xterm-rows").getByText("a line that nobody reads").first().waitFor();
  await other.bringToFront();
  await enter(other, "echo quick-$((40+2))");
  await shows(other, "quick-42");
  await terminal.bringToFront();
  await terminal.keyboard.press("Control+c");
  await say(terminal, ask, "echo interrupted", (seen) => seen === "interrupted\n");
  // With an end, which is seen.
  await enter(terminal, "yes 'another line that nobody reads' | head -c 10000000; echo; echo end-$((40+2))");
  await shows(terminal, "end-42");
  await ask("compare the cloud's memory");
}

export async function lostDevice(scene) {
  const { site, ask } = scene;
  const { terminal } = await openShell(scene);
  await say(terminal, ask, "echo before", (seen) => seen === "before\n");

  await ask("shut the gate");
  const status = terminal.getByRole("status");
  await status.getByText(`${site.device} has lost its connection: what you do waits for it`).waitFor();
  const button = await terminal.getByRole("button", { name: "Disconnect" }).boundingBox();
  assert.ok(button.x + button.width <= terminal.viewportSize().width, "what is said pushes the tools out of the window");
  const faults = [];
  for (const theme of ["light", "dark"]) faults.push(...(await check(terminal, "terminal-lost-device", theme, site)));
  assert.deepEqual(faults, [], faults.join("\n"));
  await enter(terminal, 'echo once-$((40+2)) >> "$OUT"');
  await never("it arrives over no connection", async () => (await read(ask)) !== "before\n");

  await ask("open the gate");
  await connected(terminal);
  await until("what was typed has arrived", async () => (await read(ask)).includes("once-42"));
  await never("it arrives twice", async () => (await read(ask)) !== "before\nonce-42\n");
  await say(terminal, ask, "echo $kept", (seen) => seen === "a-word\n");
  await check(terminal, "terminal-device-back", "light", site);
}

export async function changedKey({ site, person, ask }) {
  const page = await logIn(await person(), site);
  await openDevice(page, site.device);
  await open(page, "Shell");
  await ask("change the host key");
  const stopped = await connect(page, "Shell");
  const alert = stopped.getByRole("alert");
  await alert.waitFor();
  assert.match(await alert.textContent(), /host key/i);
  await stopped.getByText("host-key-changed").waitFor();
}
