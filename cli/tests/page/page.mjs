// What the scenarios share: ways through the page, and looks at the picture of a screen.

import assert from "node:assert/strict";

export { assert };

/** Logs in by the form; leaves at the list of devices. */
export async function logIn(context, { user = "admin", password } = {}, path = "/devices") {
  const page = await context.newPage();
  await page.goto(path);
  await page.getByLabel("User name").fill(user);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("button", { name: `Account of ${user}` }).waitFor();
  return page;
}

/** From the list of devices to a device's endpoints. */
export async function openDevice(page, name) {
  await page.goto("/devices");
  await page.getByRole("link", { name, exact: true }).click();
  await page.getByRole("heading", { name: "Endpoints" }).waitFor();
}

/** Fills the form of a new endpoint and saves it. */
export async function addVnc(page, { name, port, password, viewOnly = false }) {
  await page.getByRole("button", { name: /^Add (endpoint|VNC)$/ }).first().click();
  const form = page.getByRole("dialog");
  await form.getByLabel("Name").fill(name);
  await form.getByLabel("Port", { exact: true }).fill(String(port));
  await form.getByLabel("Sign-in").selectOption(password === undefined ? "none" : "password");
  if (password !== undefined) await form.getByLabel("Password", { exact: true }).fill(password);
  if (viewOnly) await form.getByLabel(/^View only/).check();
  await form.getByRole("button", { name: "Save" }).click();
  await form.waitFor({ state: "detached" });
}

/** Clicks Connect; the browser tab that opens. */
export async function connect(page, name) {
  const opened = page.context().waitForEvent("page");
  await page.getByRole("link", { name: `Connect to ${name}`, exact: true }).click();
  return opened;
}

/** Waits until a screen is connected and has a picture. */
export async function connected(screen) {
  await screen.getByRole("status").getByText("connected", { exact: true }).waitFor();
  await until("the screen has a picture", async () => (await colours(screen)) > 1);
}

/** The canvas of a screen. */
export function canvas(screen) {
  return screen.getByRole("application");
}

/** How many colours a sample of the picture has. The last picture of a connection before may still be there. */
function colours(screen) {
  return canvas(screen).last().evaluate((canvas) => {
    // Before the screen's size is known it has none.
    if (canvas.width === 0 || canvas.height === 0) return 0;
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const seen = new Set();
    for (let at = 0; at < data.length; at += 4 * 97) seen.add((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]);
    return seen.size;
  });
}

/** A part of the picture, or all of it, as a number that is another if a pixel is. */
export function look(screen, part) {
  return canvas(screen).evaluate((canvas, part) => {
    const { x = 0, y = 0, width = canvas.width, height = canvas.height } = part ?? {};
    const { data } = canvas.getContext("2d").getImageData(x, y, width, height);
    let hash = 0;
    for (const byte of data) hash = (Math.imul(hash, 31) + byte) | 0;
    return hash;
  }, part);
}

/** Clicks at a pixel of the picture, however large it is shown. */
export async function clickAt(screen, x, y, options = {}) {
  const box = await canvas(screen).boundingBox();
  const size = await canvas(screen).evaluate(({ width, height }) => ({ width, height }));
  await screen.mouse.click(box.x + (x * box.width) / size.width, box.y + (y * box.height) / size.height, options);
}

/** Waits until something is so. */
export async function until(what, isSo, patienceMs = 30_000) {
  const began = Date.now();
  while (!(await isSo())) {
    assert.ok(Date.now() - began < patienceMs, `not within ${patienceMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Nothing is so for a while. */
export async function never(what, isSo, whileMs = 1500) {
  const began = Date.now();
  while (Date.now() - began < whileMs) {
    assert.ok(!(await isSo()), what);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
