// Getting in and out.

import { assert, logIn } from "./page.mjs";

export async function link({ site, person }) {
  const context = await person();
  const page = await context.newPage();
  await page.goto(site.link);
  await page.getByRole("heading", { name: "Devices" }).waitFor();
  await page.getByRole("link", { name: "demo-device" }).waitFor();
  assert.equal(new URL(page.url()).hash, "", "the code is gone from the address");
  await page.reload();
  await page.getByRole("heading", { name: "Devices" }).waitFor();

  // Whoever finds the link later gets nothing by it.
  const stranger = await (await person()).newPage();
  await stranger.goto(site.link);
  await stranger.getByText("This login link has been used").waitFor();
  assert.equal(new URL(stranger.url()).hash, "");
  await stranger.getByLabel("User name").waitFor();
}

export async function password({ site, person }) {
  const context = await person();
  const page = await context.newPage();
  await page.goto(`/devices/${site.deviceId}/control`);
  await page.getByLabel("User name").fill("admin");
  await page.getByLabel("Password", { exact: true }).fill("not it");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("User name or password is wrong.").waitFor();
  await page.getByLabel("Password", { exact: true }).fill(site.password);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: site.device }).waitFor();
  await page.getByText("Connections will be listed here").waitFor();

  const cookies = await context.cookies();
  assert.deepEqual(cookies.map(({ httpOnly, sameSite }) => ({ httpOnly, sameSite })), [{ httpOnly: true, sameSite: "Strict" }]);
  assert.ok(!JSON.stringify(await page.evaluate(() => ({ ...localStorage, ...sessionStorage }))).includes(cookies[0].value));

  await page.getByRole("button", { name: "Account of admin" }).click();
  await page.getByRole("menuitem", { name: "Log out" }).click();
  await page.getByLabel("User name").waitFor();
  await page.goto("/devices");
  await page.getByLabel("User name").waitFor();
  await logIn(await person(), site);
}
