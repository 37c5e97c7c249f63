// What both benches stand on: processes that end with them, a cloud with a demo device, a browser, and quantiles.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import os, { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const TOWLINE = process.env.TOWLINE ?? fileURLToPath(new URL("../../target/release/towline", import.meta.url));
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"];

const children = [];

/** Runs a bench in a folder of its own; whatever it started and wrote is gone after it. */
export async function inPlace(bench) {
  const folder = await mkdtemp(join(tmpdir(), "towline-bench-"));
  try {
    await bench(folder);
  } finally {
    for (const child of children.reverse()) child.kill("SIGKILL");
    await rm(folder, { recursive: true, force: true });
  }
}

export function start(program, args, options = {}) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"], ...options });
  child.on("error", (error) => {
    console.error(`${program}: ${error.message}`);
    process.exit(1);
  });
  children.push(child);
  return child;
}

export async function firstLine(child) {
  for await (const line of createInterface({ input: child.stdout })) return line;
  throw new Error("it said nothing");
}

export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** A cloud with a demo device; `addEndpoint` adds one to that. */
export async function startTowline(folder) {
  const cloud = start(TOWLINE, ["up", "--demo", "--listen", "127.0.0.1:0", "--data-dir", join(folder, "towline"), "--output", "json"]);
  let said = "";
  for await (const chunk of cloud.stdout) {
    said += chunk;
    if (said.trimEnd().endsWith("\n}")) break;
  }
  const started = JSON.parse(said);
  const { origin } = new URL(started.login_link);
  const { token } = JSON.parse(await readFile(started.session_file, "utf8"));
  const addEndpoint = async (endpoint) => {
    const made = await fetch(`${origin}/api/v1/devices/${started.device.id}/endpoints`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify(endpoint),
    });
    if (!made.ok) throw new Error(await made.text());
  };
  return { loginLink: started.login_link, addEndpoint };
}

export function launch() {
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
}

export const quantile = (values, q) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] ?? NaN;

/** Rows of `[name, what, values]` in milliseconds, under a line that says where they were taken. */
export function table(title, rows) {
  const { cpus, loadavg, release } = os;
  const columns = (cells) => cells.map((cell) => cell.padStart(8)).join("");
  console.log(`${title}; Linux ${release()}, ${cpus().length} processors, load ${loadavg()[0].toFixed(1)}`);
  console.log(`${"".padEnd(43)}${columns(["min", "p50", "p90", "p99"])}   ms`);
  for (const [name, what, values] of rows) {
    const figures = columns([0, 0.5, 0.9, 0.99].map((q) => quantile(values, q).toFixed(1)));
    console.log(`${name.padEnd(17)}${what.padEnd(26)}${figures}   (${values.length})`);
  }
}
