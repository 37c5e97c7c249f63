// The peer of terminal.mjs: a page with nothing but xterm.js, and each WebSocket a pseudo-terminal, byte for byte.
//
//     node pty.mjs COMMAND
//
// Prints its port.

import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

import { WebSocketServer } from "ws";

const COMMAND = process.argv[2];
const PAGE = `<!doctype html><meta charset="utf-8"><title>pty</title><link rel="stylesheet" href="/css/xterm.css">
<style>html, body, #terminal { height: 100%; margin: 0 }</style><div id="terminal"></div>
<script type="module">
import { Terminal } from "/lib/xterm.mjs";
const terminal = new Terminal({ cols: 140, rows: 40 });
terminal.open(document.getElementById("terminal"));
const socket = new WebSocket("ws://" + location.host);
socket.binaryType = "arraybuffer";
socket.onmessage = ({ data }) => terminal.write(new Uint8Array(data));
terminal.onData((data) => socket.send(data));
terminal.focus();
</script>`;
const TYPES = { css: "text/css", mjs: "text/javascript" };

const server = createServer(async (request, response) => {
  if (request.url === "/") return response.setHeader("content-type", "text/html").end(PAGE);
  try {
    const file = await readFile(fileURLToPath(new URL(`node_modules/@xterm/xterm${request.url}`, import.meta.url)));
    response.setHeader("content-type", TYPES[request.url.split(".").pop()]).end(file);
  } catch {
    response.writeHead(404).end();
  }
});
new WebSocketServer({ server, perMessageDeflate: false }).on("connection", (socket) => {
  const pty = spawn("socat", ["-", `EXEC:"${COMMAND}",pty,setsid,ctty,stderr`], { stdio: ["pipe", "pipe", "ignore"] });
  socket.on("message", (data) => pty.stdin.write(data));
  pty.stdout.on("data", (data) => socket.send(data));
  socket.on("close", () => pty.kill());
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
