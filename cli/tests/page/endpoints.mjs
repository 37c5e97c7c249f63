// Endpoints: adding, changing, removing, and what is said when something is wrong.

import { addVnc, assert, connect, connected, logIn, openDevice, until } from "./page.mjs";

/** What has the focus, as a screen reader would say it. */
const focused = (page) =>
  page.evaluate(() => {
    const at = document.activeElement === document.body ? null : document.activeElement;
    return at?.getAttribute("aria-label") ?? at?.labels?.[0]?.textContent ?? at?.textContent ?? "";
  });

/** Tab until something with this name has the focus. */
async function tabTo(page, name) {
  for (let presses = 0; presses < 60; presses += 1) {
    if ((await focused(page)).includes(name)) return;
    await page.keyboard.press("Tab");
  }
  assert.fail(`Tab does not lead to ${name}, but to ${await focused(page)}`);
}

/** Opens the menu that has the focus, and does what begins with a letter. */
async function choose(page, letter) {
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement?.getAttribute("role") === "menuitem");
  await page.keyboard.press(letter);
  await page.keyboard.press("Enter");
}

export async function keyboard({ site, person }) {
  const page = await logIn(await person(), site);
  const keys = page.keyboard;
  await page.getByRole("link", { name: site.device }).waitFor();
  await keys.press("j");
  await keys.press("Enter");
  await page.getByRole("heading", { name: "Endpoints" }).waitFor();

  await tabTo(page, "Add VNC");
  await keys.press("Enter");
  const form = page.getByRole("dialog");
  await form.waitFor();
  await tabTo(page, "Name");
  await keys.type("Panel");
  await keys.press("Tab");
  assert.match(await focused(page), /^Host/);
  await keys.press("Tab");
  await keys.press("Control+a");
  await keys.type(String(site.port));
  await keys.press("Tab");
  assert.match(await focused(page), /^Sign-in/);
  await keys.press("ArrowDown");
  await tabTo(page, "Test");
  await keys.press("Enter");
  await form.getByText("The test went through").waitFor();
  await tabTo(page, "Save");
  await keys.press("Enter");
  await form.waitFor({ state: "detached" });

  // Into the row, and out to the screen.
  await page.getByRole("link", { name: "Panel", exact: true }).waitFor();
  await keys.press("j");
  const opened = page.context().waitForEvent("page");
  await keys.press("c");
  const screen = await opened;
  await connected(screen);
  await screen.close();

  await page.bringToFront();
  await tabTo(page, "More for Panel");
  await choose(page, "e");
  await form.waitFor();
  await tabTo(page, "Name");
  await keys.press("Control+a");
  await keys.type("Panel 2");
  await keys.press("Enter");
  await form.waitFor({ state: "detached" });
  await page.getByRole("link", { name: "Panel 2", exact: true }).waitFor();

  await tabTo(page, "More for Panel 2");
  await choose(page, "r");
  await form.waitFor();
  await tabTo(page, "Remove");
  await keys.press("Enter");
  await page.getByText("No endpoints yet").waitFor();
}

export async function faults({ site, person }) {
  const page = await logIn(await person(), site);
  await openDevice(page, site.device);
  await addVnc(page, { name: "Panel", port: 5901 });

  // What the browser itself would hold back goes to the cloud, so that its own words are seen.
  await page.getByRole("button", { name: "Add endpoint" }).click();
  const form = page.getByRole("dialog");
  await form.locator("form").evaluate((form) => (form.noValidate = true));
  const fault = async (label, expected) => {
    const field = form.getByLabel(label, { exact: true });
    await page.waitForFunction((field) => field.getAttribute("aria-invalid") === "true", await field.elementHandle());
    const said = await field.evaluate((field) => document.getElementById(field.getAttribute("aria-describedby").split(" ").at(-1)).textContent);
    assert.match(said, expected);
  };
  await form.getByLabel("Name").fill("");
  await form.getByLabel("Host").fill("two words");
  await form.getByLabel("Port", { exact: true }).fill("0");
  await form.getByRole("button", { name: "Save" }).click();
  await fault("Name", /\w/);
  await fault("Host", /\w/);
  await fault("Port", /1.*65/);

  await form.getByLabel("Name").fill("Panel");
  await form.getByLabel("Host").fill("127.0.0.1");
  await form.getByLabel("Port", { exact: true }).fill("5902");
  await form.getByRole("button", { name: "Save" }).click();
  await fault("Password", /password/);

  await form.getByLabel("Sign-in").selectOption("none");
  await form.getByRole("button", { name: "Save" }).click();
  await form.getByText(/already|taken|exists/).first().waitFor();
  await form.getByLabel("Name").fill("Panel 2");
  await form.getByRole("button", { name: "Save" }).click();
  await form.waitFor({ state: "detached" });
}

export async function names({ site, person }) {
  const page = await logIn(await person(), site);
  await openDevice(page, site.device);
  const markup = `<img src=x onerror="document.title='owned'">`;
  const turned = "safe\u202egnp.exe";
  await addVnc(page, { name: markup, port: 5901 });
  await page.getByText(markup, { exact: true }).waitFor();
  assert.equal(await page.locator("img").count(), 0);

  // A name with an override is refused, or shown with the override written out; it turns nothing around.
  const answer = await page.evaluate(async ({ device, name }) => {
    const body = JSON.stringify({ name, protocol: "VNC", host: "127.0.0.1", port: 5902 });
    const headers = { "content-type": "application/json" };
    return (await fetch(`/api/v1/devices/${device}/endpoints`, { method: "POST", headers, body })).status;
  }, { device: site.deviceId, name: turned });
  await page.reload();
  await page.getByText(markup, { exact: true }).waitFor();
  if (answer === 201) await page.getByText("safe⟨U+202E⟩gnp.exe").first().waitFor();
  else assert.equal(answer, 400);
  const raw = await page.evaluate(() => document.body.innerText);
  assert.doesNotMatch(raw, /[\u0000-\u0008\u200e\u200f\u202a-\u202e\u2066-\u2069]/);

  const screen = await connect(page, markup);
  await screen.getByRole("heading", { name: markup }).waitFor();
  assert.notEqual(await screen.title(), "owned");
  assert.notEqual(await page.title(), "owned");
}

export async function closed({ site, person }) {
  const page = await logIn(await person(), site);
  await openDevice(page, site.device);
  await addVnc(page, { name: "Panel", port: site.port });
  const screen = await connect(page, "Panel");
  const reason = screen.getByRole("alert");
  await reason.getByText(`Nothing listens on 127.0.0.1:${site.port} (connection refused).`).waitFor();
  await reason.getByText("target-refused").waitFor();
  await reason.getByRole("link", { name: "Edit endpoint" }).waitFor();
  await reason.getByRole("link", { name: "See the operation" }).click();
  await screen.getByRole("heading", { name: site.device }).waitFor();
  const row = screen.getByRole("row").filter({ hasText: "Connect to Panel" });
  await row.getByText("Failed").waitFor();
  await row.getByText(/Nothing listens on/).waitFor();
}

export async function keys({ site, person }) {
  const page = await logIn(await person(), site);
  await openDevice(page, site.device);
  await page.getByRole("button", { name: "Add SSH" }).click();
  const form = page.getByRole("dialog");
  await form.getByLabel("Name", { exact: true }).fill("Shell");
  await form.getByLabel("Port", { exact: true }).fill(String(site.port));
  await form.getByLabel("User name").fill(site.targetUser);
  await form.getByLabel("Sign-in").selectOption("key-pair");

  // What is pasted is told for what it is, whichever half and whatever is wrong.
  await form.getByRole("radio", { name: "Paste" }).check({ force: true });
  const privateKey = form.getByLabel("Private key");
  const recognised = form.getByLabel("Recognised");
  await privateKey.fill("no key at all");
  await form.getByText(/no key|not a key/i).first().waitFor();
  await privateKey.fill(site.line);
  await form.getByText(/public half/).waitFor();
  await privateKey.fill(site.key);
  await recognised.getByText(site.fingerprint).waitFor();
  assert.match(await recognised.textContent(), /ssh-ed25519, 256 bits, openssh-key-v1/);
  await form.getByLabel(/^Host keys/).fill(site.line);
  await until("both are recognised", async () => (await recognised.count()) === 2);
  await form.getByLabel(/^Host keys/).fill("");

  await form.getByRole("radio", { name: "Generate" }).check({ force: true });
  await form.getByRole("button", { name: "Save" }).click();
  await form.getByText("authorized_keys").waitFor();
  await form.getByRole("button", { name: "Install it with a password" }).click();
  await form.getByLabel(/^Password of/).fill("a guess");
  await form.getByRole("button", { name: "Install public key" }).click();
  await form.getByText(site.hostFingerprint).waitFor();
  await form.getByRole("button", { name: "That is my server" }).click();
  await form.getByText("the password is wrong").waitFor();
  await form.getByLabel(/^Password of/).fill(site.targetPassword);
  await form.getByRole("button", { name: "Install public key" }).click();
  await form.getByRole("button", { name: "That is my server" }).click();
  await page.getByText("Public key installed").waitFor();

  // The key lets in, and once is enough.
  await page.getByRole("button", { name: "More for Shell" }).click();
  await page.getByRole("menuitem", { name: "Install public key" }).click();
  await form.getByLabel(/^Password of/).fill(site.targetPassword);
  await form.getByRole("button", { name: "Install public key" }).click();
  await page.getByText("The public key was there already").waitFor();
  await page.getByRole("button", { name: "More for Shell" }).click();
  await page.getByRole("menuitem", { name: "Test" }).click();
  await form.getByText("The test went through").waitFor();
}
