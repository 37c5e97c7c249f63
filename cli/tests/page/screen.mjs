// Screens: connecting, keys and pointer, and every way in which a connection ends.

import {
  addVnc, assert, canvas, clickAt, connect, connected, logIn, look, never, openDevice, until,
} from "./page.mjs";

// Where the demo's panel shows what stands still unless somebody does something.
const COUNTER = { x: 24, y: 190, width: 364, height: 90 };
const TEXT_BOX = { x: 24, y: 304, width: 752, height: 40 };

/** Logs in, adds the endpoint, opens its screen. */
async function open({ site, person }, endpoint = {}, options = {}) {
  const page = await logIn(await person(options), site);
  await openDevice(page, site.device);
  await addVnc(page, { name: "Panel", port: site.port, ...endpoint });
  const screen = await connect(page, "Panel");
  return { page, screen };
}

/** Types a line into the terminal on the screen, and waits until it has arrived there. */
async function typeLine(screen, ask, line) {
  await clickAt(screen, 200, 150);
  await screen.keyboard.type(line);
  await screen.keyboard.press("Enter");
  await until(`${line} is in the terminal`, async () => JSON.parse(await ask("say what was typed")).endsWith(`${line}\n`));
}

export async function demo({ site, person }) {
  const page = await (await person()).newPage();
  await page.goto(site.link);
  await page.getByRole("link", { name: "demo-device" }).click();
  const screen = await connect(page, "HMI screen");
  await connected(screen);
  await until("the clock moves", async () => {
    const before = await look(screen);
    await new Promise((resolve) => setTimeout(resolve, 200));
    return (await look(screen)) !== before;
  });

  const [counter, box] = [await look(screen, COUNTER), await look(screen, TEXT_BOX)];
  await clickAt(screen, 600, 400);
  await until("the click counts", async () => (await look(screen, COUNTER)) !== counter);
  assert.equal(await look(screen, TEXT_BOX), box);
  await screen.keyboard.type("Hello, Pump 7!");
  await until("the text appears", async () => (await look(screen, TEXT_BOX)) !== box);
  await screen.keyboard.press("Enter");
  await until("Enter empties the box", async () => (await look(screen, TEXT_BOX)) === box);

  await screen.getByRole("radio", { name: "Resize" }).check({ force: true });
  await until("the screen takes the window's size", async () => (await canvas(screen).evaluate(({ width }) => width)) > 1200);
  await screen.getByRole("button", { name: "Disconnect" }).click();
  await screen.getByText("You disconnected.").waitFor();

  // The broken one says why.
  const broken = await connect(page, "Broken");
  await broken.getByRole("alert").getByText(/Nothing listens on 127\.0\.0\.1:\d+/).waitFor();
}

export async function xterm({ site, person, ask }) {
  const { page, screen } = await open({ site, person });
  await connected(screen);
  const before = await look(screen);
  await typeLine(screen, ask, "Pump 7 <ok> \\ | @ ~");
  await until("the text shows", async () => (await look(screen)) !== before);
  const typed = await look(screen);
  await clickAt(screen, 45, 40, { clickCount: 2 });
  await until("a double click marks a word", async () => (await look(screen)) !== typed);

  await screen.getByRole("button", { name: "Disconnect" }).click();
  await screen.getByText("You disconnected.").waitFor();
  await page.bringToFront();
  await page.getByRole("tab", { name: "Control" }).click();
  const row = page.getByRole("row").filter({ hasText: "Connect to Panel" });
  await row.getByText("Successful").waitFor();
  await row.getByText(`127.0.0.1:${site.port}`).waitFor();
}

export async function wrongPassword({ site, person, ask }) {
  const { page, screen } = await open({ site, person }, { password: "guess" });
  const reason = screen.getByRole("alert");
  await reason.getByText(/refused the sign-in/).waitFor();
  await never("nobody tries a wrong password again", () => screen.getByText(/Reconnecting/).isVisible());

  await reason.getByRole("link", { name: "Edit endpoint" }).click();
  const form = screen.getByRole("dialog");
  const password = form.getByLabel("Password", { exact: true });
  assert.equal(await password.inputValue(), "", "a secret never comes back");
  await form.getByText("Saved; leave empty to keep").waitFor();
  await password.fill(site.secret);
  await form.getByRole("button", { name: "Test" }).click();
  await form.getByText("The test went through").waitFor();
  await form.getByRole("button", { name: "Save" }).click();
  await form.waitFor({ state: "detached" });

  await page.bringToFront();
  const again = await connect(page, "Panel");
  await connected(again);
  await typeLine(again, ask, "open");
  const sent = await page.evaluate(async (device) => (await fetch(`/api/v1/devices/${device}/endpoints`)).text(), site.deviceId);
  assert.ok(!sent.includes(site.secret));
}

export async function serverDies({ site, person, ask }) {
  const { screen } = await open({ site, person });
  await connected(screen);
  await ask("kill the server");
  const reason = screen.getByRole("alert");
  await reason.getByText("target-closed").waitFor();
  assert.ok((await screen.locator(".stage canvas").count()) > 0, "the last picture stays");
  await reason.getByRole("button", { name: "Reconnect" }).click();
  await reason.getByText(/Nothing listens on/).waitFor();
}

export async function agentDies({ site, person, ask }) {
  const { screen } = await open({ site, person });
  await connected(screen);
  await ask("kill the agent");
  // Had it only lost its connection, it would go on where it was. Another one in its place does not.
  await screen.getByRole("status").getByText(`${site.device} has lost its connection`).waitFor();
  await ask("start the agent");
  const reason = screen.getByRole("alert");
  // By itself, or because somebody does not want to wait.
  const button = reason.getByRole("button", { name: "Reconnect" });
  await until("connected again", async () => {
    if (await screen.getByRole("status").getByText("connected", { exact: true }).isVisible()) return true;
    if (await button.isVisible()) await button.click({ timeout: 1000 }).catch(() => undefined);
    return false;
  });
  await connected(screen);
}

export async function reload({ site, person }) {
  const { page, screen } = await open({ site, person });
  await connected(screen);
  // A tab with an open session asks whether it may go.
  screen.on("dialog", (dialog) => dialog.accept());
  await screen.reload();
  await connected(screen);
  await page.bringToFront();
  await page.getByRole("tab", { name: "Control" }).click();
  const rows = page.getByRole("row").filter({ hasText: "Connect to Panel" });
  await until("both connections are listed", async () => (await rows.count()) === 2);
  await until("one is live", async () => (await rows.getByText("live", { exact: true }).count()) === 1);
}

export async function two({ site, person, ask }) {
  const { page, screen } = await open({ site, person });
  await connected(screen);
  const other = await logIn(await person(), site);
  await openDevice(other, site.device);
  const otherScreen = await connect(other, "Panel");
  await connected(otherScreen);
  await connected(screen);
  const before = await look(otherScreen);
  await typeLine(screen, ask, "from one");
  await until("the other sees it", async () => (await look(otherScreen)) !== before);
  await typeLine(otherScreen, ask, "from the other");

  await page.bringToFront();
  await page.getByRole("tab", { name: "Control" }).click();
  await page.getByRole("button", { name: "End session" }).first().click();
  await page.getByRole("dialog").getByRole("button", { name: "End session" }).click();
  const ended = () => Promise.all([screen, otherScreen].map((each) => each.getByRole("alert").getByText("session-ended").isVisible()));
  await until("one of them is told", async () => (await ended()).filter(Boolean).length === 1);
}

export async function viewOnly({ site, person, ask }) {
  const heard = async () => JSON.parse(await ask("say what was heard"));
  const { page, screen } = await open({ site, person });
  await connected(screen);
  await clickAt(screen, 200, 150);
  await screen.keyboard.type("as told");
  await screen.keyboard.press("Enter");
  await until("keys and pointer arrive", async () => (await heard()).every((count) => count > 0));
  await until("all of them", async () => (await heard())[0] >= 16);

  // In the page: the browser sends nothing.
  await screen.getByRole("button", { name: "View only" }).click();
  await until("the pointer rests", async () => {
    const before = await heard();
    await new Promise((resolve) => setTimeout(resolve, 300));
    return (await heard())[1] === before[1];
  });
  const silent = async (screen, what) => {
    const [keys, pointers] = await heard();
    await clickAt(screen, 210, 160);
    await screen.keyboard.type("unheard");
    await screen.keyboard.press("Enter");
    await never(what, async () => {
      const [keysNow, pointersNow] = await heard();
      return keysNow !== keys || pointersNow !== pointers;
    });
  };
  await silent(screen, "view only in the page sends nothing");
  await screen.getByRole("button", { name: "Disconnect" }).click();

  // By the link that only watches, and by the endpoint's own setting: the cloud lets nothing through.
  await page.bringToFront();
  await page.getByRole("button", { name: "More for Panel" }).click();
  const opened = page.context().waitForEvent("page");
  await page.getByRole("menuitem", { name: "View only" }).click();
  const watching = await opened;
  await connected(watching);
  await silent(watching, "a connection that only watches sends nothing");
  await watching.getByRole("button", { name: "Disconnect" }).click();

  await page.bringToFront();
  await addVnc(page, { name: "Watched", port: site.port, viewOnly: true });
  const forced = await connect(page, "Watched");
  await connected(forced);
  await forced.getByText("View only").waitFor();
  assert.equal(await forced.getByRole("button", { name: "View only" }).count(), 0, "there is nothing to switch");
  await silent(forced, "an endpoint that is view only lets nothing through");
}

export async function phone({ site, person, ask }) {
  const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
  const { page, screen } = await open({ site, person }, {}, phone);
  await connected(screen);
  for (const each of [page, screen]) {
    const wide = await each.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${each.url()} is ${wide} pixels wider than the phone`);
  }
  const box = await canvas(screen).boundingBox();
  const { width } = await canvas(screen).evaluate(({ width }) => ({ width }));
  await screen.touchscreen.tap(box.x + (200 * box.width) / width, box.y + (150 * box.width) / width);
  const keys = screen.getByRole("toolbar", { name: "Keys" });
  await keys.getByRole("button", { name: "Keyboard" }).tap();
  await screen.keyboard.type("by touch");
  await screen.keyboard.press("Enter");
  await until("it arrives", async () => JSON.parse(await ask("say what was typed")).endsWith("by touch\n"));
}
