// Terminals: keys, text, the window's size, a reload, and a host key that has changed.

import { assert, connect, logIn, openDevice, until } from "./page.mjs";

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

export async function shell({ site, person, ask }) {
  const page = await logIn(await person(), site);
  await openDevice(page, site.device);
  const terminal = await open(page, "Shell");
  await terminal.keyboard.insertText(`OUT='${site.out_file}'; kept=a-word`);
  await terminal.keyboard.press("Enter");
  await say(terminal, ask, "echo é 日本語 🚀", (seen) => seen === "é 日本語 🚀\n");

  const wide = await say(terminal, ask, "stty size", (seen) => /^\d+ \d+\n$/.test(seen));
  await terminal.setViewportSize({ width: 700, height: 500 });
  await say(terminal, ask, "stty size", (seen) => /^\d+ \d+\n$/.test(seen) && Number(seen.split(" ")[1]) < Number(wide.split(" ")[1]) - 20);

  await terminal.keyboard.insertText("sleep 1000");
  await terminal.keyboard.press("Enter");
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
