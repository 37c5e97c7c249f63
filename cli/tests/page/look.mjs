// Every page, in light and dark: axe-core finds nothing serious, nothing is wider than the window, and pictures are left
// where somebody wants them.

import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";

import { assert, connected } from "./page.mjs";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What is wrong with a page as it is shown now, in a theme. */
export async function check(page, name, theme, site) {
  await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 100))));
  if (site.screenshots) await mkdir(site.screenshots, { recursive: true });
  if (site.screenshots) await page.screenshot({ path: join(site.screenshots, `${name}-${theme}.png`) });
  // By way of the debugger: the page's own policy lets no other script in.
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const bad = violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, help, nodes }) => `${id}: ${help}\n    ${nodes.map(({ html }) => html).join("\n    ")}`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  return [...bad, ...(wide > 0 ? [`${wide} pixels wider than the window`] : [])].map((said) => `${name}, ${theme}: ${said}`);
}

export async function everyPage({ site, person }) {
  const context = await person();
  const faults = [];
  const both = async (page, name) => {
    for (const theme of ["light", "dark"]) faults.push(...(await check(page, name, theme, site)));
  };

  const stranger = await (await person()).newPage();
  await stranger.goto("/devices");
  await stranger.getByLabel("User name").waitFor();
  await both(stranger, "login");

  const page = await context.newPage();
  await page.goto(site.link);
  await page.getByRole("link", { name: "demo-device" }).waitFor();
  await both(page, "devices");

  const screen = await context.newPage();
  const device = `/devices/${site.deviceId}`;
  await page.goto(`${device}/remote-access`);
  await page.getByRole("link", { name: "HMI screen", exact: true }).waitFor();
  await both(page, "endpoints");
  await screen.goto(await page.getByRole("link", { name: "Connect to HMI screen" }).getAttribute("href"));
  await connected(screen);
  await both(screen, "screen");
  await screen.getByRole("button", { name: "Disconnect" }).click();
  await screen.getByText("You disconnected.").waitFor();
  await both(screen, "screen-ended");

  const visit = async (path, name, wait) => {
    await page.goto(path);
    await wait();
    await both(page, name);
  };
  const dialog = () => page.getByRole("dialog").waitFor();
  const heading = (name) => () => page.getByRole("heading", { name, level: 1 }).waitFor();
  await visit("/devices?add=1", "add-device", dialog);
  await visit(`${device}/remote-access/new?protocol=VNC`, "new-endpoint", dialog);
  await visit(`${device}/control`, "control", () => page.getByRole("row").getByText("Successful").waitFor());
  await visit(`${device}/info`, "info", () => page.getByText("Agent version").waitFor());
  await visit("/audit", "audit", () => page.getByRole("row").nth(1).waitFor());
  await visit("/settings/account", "settings-account", heading("Settings"));
  await visit("/settings/users", "settings-users", heading("Settings"));
  await visit("/about", "about", heading("About Towline"));
  await visit("/no-such-page", "not-found", () => page.getByText("There is no such page").waitFor());

  assert.deepEqual(faults, [], faults.join("\n"));
}
