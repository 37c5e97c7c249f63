// Runs one scenario in Chromium: `node run.mjs FILE SCENARIO`. The first line of standard input is JSON with what the
// scenario has to know (`site`). When it needs something done outside of the browser it says so on a line of standard
// output, `ask: …`, and waits for a line.
//
// A failure prints the reason, the last words of the page's console and where a screenshot of each page is.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
/** To end what hangs: nothing here takes more than a second or two on an idle machine. */
const PATIENCE_MS = 30_000;
const CONSOLE_LINES = 40;

const [file, name] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const site = JSON.parse((await lines.next()).value);

async function ask(what) {
  process.stdout.write(`ask: ${what}\n`);
  return (await lines.next()).value;
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
const said = [];
const pages = [];

/** A window with a cookie jar of its own. */
async function person(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, baseURL: site.url, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  context.on("page", (page) => {
    pages.push(page);
    page.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => said.push(`uncaught: ${error.message}`));
    page.on("requestfailed", (request) => said.push(`failed: ${request.method()} ${request.url()}`));
  });
  return context;
}

async function complain(error) {
  console.log(`\nscenario ${name} failed: ${error?.stack ?? error}`);
  console.log(`\nthe page's console:\n${said.slice(-CONSOLE_LINES).join("\n")}`);
  await mkdir(site.out, { recursive: true });
  for (const [number, page] of pages.entries()) {
    const path = join(site.out, `${name}-${number}.png`);
    const taken = await page.screenshot({ path, timeout: 5000 }).then(() => path, (reason) => `none: ${reason.message}`);
    console.log(`\nscreenshot of ${page.url().split("#")[0]}: ${taken}`);
  }
}

try {
  const scenarios = await import(`./${file}`);
  await scenarios[name]({ site, ask, person });
  // What the page threw is a failure even where nobody looked.
  const thrown = said.filter((line) => line.startsWith("uncaught: "));
  if (thrown.length > 0) throw new Error(thrown.join("\n"));
} catch (error) {
  await complain(error);
  process.exitCode = 1;
}
await browser.close();
process.stdin.destroy();
