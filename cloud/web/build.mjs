// Builds the page: `node build.mjs FOLDER`. Files under assets/ carry a hash of their content in their names, so that
// browsers may keep them for ever; index.html, which names them, is asked for each time.

import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import { build } from "esbuild";

/** Already compressed, or too small to gain. */
const MIN_COMPRESSED_BYTES = 512;

const here = import.meta.dirname;
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
  const names = (await readdir(path)).filter((name) => /^(licen[cs]e|notice|authors)/i.test(name)).sort();
  const places = names.map((name) => join(path, name));
  for (const below of ["docs", "vendor/pako"]) {
    const there = await readdir(join(path, below)).catch(() => []);
    places.push(...there.filter((name) => /^licen[cs]e/i.test(name)).map((name) => join(path, below, name)));
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
  assetNames: "assets/[name]-[hash]",
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

/** What the browser asks for to begin with, by URL: the parts of the program at once instead of one after the other. */
const urlOf = (path) => "/" + path.slice(path.lastIndexOf("assets/"));
const outputOf = (entry) => {
  const found = Object.entries(metafile.outputs).find(([, output]) => output.entryPoint === entry);
  if (!found) throw new Error(`${entry} was not built`);
  return { url: urlOf(found[0]), imports: found[1].imports.filter(({ kind }) => kind === "import-statement") };
};
const script = outputOf("src/main.tsx");
const values = {
  script: script.url,
  style: outputOf("src/style.css").url,
  icon: outputOf("src/icon.svg").url,
  preload: script.imports.map(({ path }) => `<link rel="modulepreload" href="${urlOf(path)}">`).join("\n    "),
};
const template = await readFile(join(here, "index.html"), "utf8");
await writeFile(join(folder, "index.html"), template.replace(/\{\{(\w+)\}\}/g, (_, name) => values[name]));

const names = (await readdir(path)).filter((name) => /^(licen[cs]e|notice|authors)/i.test(name)).sort();
  const places = names.map((name) => join(path, name));
  for (const below of ["docs", "vendor/pako"]) {
    const there = await readdir(join(path, below)).catch(() => []);
    places.push(...there.filter((name) => /^licen[cs]e/i.test(name)).map((name) => join(path, below, name)));
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
  assetNames: "assets/[name]-[hash]",
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

const outputOf = (entry) => {
  const found = Object.entries(metafile.outputs).find(([, output]) => output.entryPoint === entry);
  if (!found) throw new Error(`${entry} was not built`);
  return found;
};
const place = (path) => path.slice(path.lastIndexOf("/assets/") < 0 ? path.lastIndexOf("assets/") - 1 : path.lastIndexOf("/assets/"));
const names = (await readdir(path)).filter((name) => /^(licen[cs]e|notice|authors)/i.test(name)).sort();
  const places = names.map((name) => join(path, name));
  for (const below of ["docs", "vendor/pako"]) {
    const there = await readdir(join(path, below)).catch(() => []);
    places.push(...there.filter((name) => /^licen[cs]e/i.test(name)).map((name) => join(path, below, name)));
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
  assetNames: "assets/[name]-[hash]",
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

const outputOf = (entry) => {
  const [path] = Object.entries(metafile.outputs).find(([, output]) => output.entryPoint === entry) ?? [];
  if (path === undefined) throw new Error(`${entry} was not built`);
  return path.slice(path.lastIndexOf("assets/"));
};
const places = { script: outputOf("src/main.tsx"), style: outputOf("src/style.css"), icon: outputOf("src/icon.svg") };
const template = await readFile(join(here, "index.html"), "utf8");
const page = template.replace(/\{\{(\w+)\}\}/g, (_, name) => "/" + places[name]);
await writeFile(join(folder, "index.html"), page);

const names = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
for (const entry of names) {
  const path = join(entry.parentPath, entry.name);
  const content = await readFile(path);
  if (content.length < MIN_COMPRESSED_BYTES) continue;
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } };
  await writeFile(path + ".br", brotliCompressSync(content, quality));
  await writeFile(path + ".gz", gzipSync(content, { level: 9 }));
}
