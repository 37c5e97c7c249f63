// Builds the page: `node build.mjs FOLDER`. Files under assets/ carry a hash of their content in their names, so that
// browsers may keep them for ever; index.html, which names them, is asked for each time.

import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import { build } from "esbuild";

/** Less has nothing to gain from being compressed. */
const MIN_COMPRESSED_BYTES = 512;

const here = fileURLToPath(new URL(".", import.meta.url));
const folder = resolve(process.argv[2] ?? "dist");

/** The licences of everything that gets into the browser, as the module `towline:licences`. */
const licences = {
  name: "licences",
  setup(bundler) {
    bundler.onResolve({ filter: /^towline:licences$/ }, ({ path }) => ({ path, namespace: "licences" }));
    bundler.onLoad({ filter: /.*/, namespace: "licences" }, async () => ({
      contents: JSON.stringify(await collectLicences()),
      loader: "json",
    }));
  },
};

async function collectLicences() {
  const lock = JSON.parse(await readFile(join(here, "package-lock.json"), "utf8"));
  const found = [];
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (path === "" || entry.dev || entry.optional) continue;
    const about = JSON.parse(await readFile(join(here, path, "package.json"), "utf8"));
    found.push({
      name: about.name,
      version: about.version,
      licence: about.license,
      source: about.repository?.url?.replace(/^git\+/, "").replace(/\.git$/, "") ?? "",
      text: await licenceText(join(here, path)),
    });
  }
  return found;
}

/** What the package ships of licence texts, its own and those of what it carries along. */
async function licenceText(path) {
  const places = [];
  for (const below of ["", "docs", "vendor/pako"]) {
    const names = await readdir(join(path, below)).catch(() => []);
    const wanted = names.filter((name) => /^(licen[cs]e|notice|authors)/i.test(name)).sort();
    places.push(...wanted.map((name) => join(path, below, name)));
  }
  const texts = await Promise.all(places.map((place) => readFile(place, "utf8")));
  return texts.map((text) => text.trim()).join("\n\n----\n\n");
}

await rm(folder, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: ["src/main.tsx", "src/style.css", "src/icon.svg"],
  outdir: folder,
  entryNames: "assets/[name]-[hash]",
  chunkNames: "assets/[name]-[hash]",
  loader: { ".svg": "copy" },
  bundle: true,
  splitting: true,
  format: "esm",
  // noVNC awaits at its top level.
  target: "es2022",
  minify: true,
  // Licence texts are shown under About, whole.
  legalComments: "none",
  jsx: "automatic",
  jsxImportSource: "preact",
  metafile: true,
  plugins: [licences],
  logLevel: "warning",
});

const urlOf = (path) => "/" + path.slice(path.lastIndexOf("assets/"));
const outputOf = (entry) => {
  const found = Object.entries(metafile.outputs).find(([, output]) => output.entryPoint === entry);
  if (!found) throw new Error(`${entry} was not built`);
  return found;
};
const [script, { imports }] = outputOf("src/main.tsx");
const chunks = imports.filter(({ kind }) => kind === "import-statement").map(({ path }) => urlOf(path));
const values = {
  script: urlOf(script),
  style: urlOf(outputOf("src/style.css")[0]),
  icon: urlOf(outputOf("src/icon.svg")[0]),
  // So that the browser asks for all of them at once, and not for each when the one before has named it.
  preload: chunks.map((url) => `<link rel="modulepreload" href="${url}">`).join("\n    "),
};
const template = await readFile(join(here, "index.html"), "utf8");
await writeFile(
  join(folder, "index.html"),
  template.replace(/\{\{(\w+)\}\}/g, (_, name) => values[name]),
);

for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const path = join(entry.parentPath, entry.name);
  const content = await readFile(path);
  if (content.length < MIN_COMPRESSED_BYTES) continue;
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } };
  await writeFile(path + ".br", brotliCompressSync(content, quality));
  await writeFile(path + ".gz", gzipSync(content, { level: 9 }));
}
