// Bundles src/cli/main.ts and all it imports into dist/ (ESM, split into chunks). Input: src, gen; output: dist/main.js and dist/chunks/.
// Usage: node scripts/build.mjs <stamp>. A running lateen keeps its old chunks: their names carry their hash, and they go after an hour.
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { rolldown } from "rolldown";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const DIST = join(ROOT, "dist");
const KEEP_CHUNKS_MS = 3_600_000;
// Native code, or files that a package looks for beside itself.
const EXTERNAL = [/^koffi($|\/)/, /^@koromix\//, /^@electric-sql\//, /^pg-native$/];

function writeAtomically(path, content) {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, content);
  renameSync(temporary, path);
}

function removeOldChunks(current) {
  const folder = join(DIST, "chunks");
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (!current.has(`chunks/${name}`) && Date.now() - statSync(path).mtimeMs > KEEP_CHUNKS_MS) rmSync(path, { force: true });
  }
}

// Compiled code of bundles that are gone.
rmSync(join(DIST, "compile-cache"), { recursive: true, force: true });

const warnings = [];

const bundle = await rolldown({
  input: { main: join(ROOT, "src/cli/main.ts") },
  cwd: ROOT,
  platform: "node",
  external: EXTERNAL,
  onLog: (level, log) => {
    if (level === "warn" && log.code !== "EVAL" && log.code !== "CIRCULAR_DEPENDENCY") warnings.push(log.message);
  },
});
async function generate() {
  try {
    return (await bundle.generate({ format: "esm", entryFileNames: "[name].js", chunkFileNames: "chunks/[name]-[hash].js" })).output;
  } catch (error) {
    process.stderr.write(`${stripVTControlCharacters(error.message)}\n`);
    process.exit(1);
  } finally {
    await bundle.close();
  }
}

const output = await generate();

// Chunks before entries, so that an entry never names a chunk that is not there.
const chunks = output.filter(({ type }) => type === "chunk");
for (const { fileName, code } of [...chunks].sort((a, b) => Number(a.isEntry) - Number(b.isEntry)))
  writeAtomically(join(DIST, fileName), code);
removeOldChunks(new Set(chunks.map(({ fileName }) => fileName)));
if (process.argv[2] !== undefined) writeAtomically(join(DIST, ".stamp"), process.argv[2]);
for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
const size = chunks.reduce((sum, { code }) => sum + code.length, 0);
process.stdout.write(`${chunks.length} files, ${(size / 1e6).toFixed(1)} MB\n`);
