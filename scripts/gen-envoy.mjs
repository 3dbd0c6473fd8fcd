// Generates TypeScript types and codecs for Envoy's API into gen/. Input: the path of an Envoy binary, scripts/envoy-entries.mjs.
// The descriptors come out of the binary itself, so the types always match the proxy that runs. Imported as "#envoy/<file>_pb.js".
// Usage: node scripts/gen-envoy.mjs <envoy binary>. Does nothing when gen/ is already made from the same input.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ENVOY_ENTRIES } from "./envoy-entries.mjs";
import { closureOf, descriptorsIn, missingImports } from "./setup/descriptors.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
// js+dts: the generated .ts would hold enums, which type stripping refuses.
const PLUGIN_OPTIONS = "target=js+dts,json_types=true,import_extension=js";
const BLOCKS = 64;
const BLOCK_BYTES = 4096;
// protobuf-es ships these.
const WELL_KNOWN = "google/protobuf/";

/** Names a large file by its size and 64 blocks spread over it: a hash of all 100 MB costs too much at each start. */
function fileIdentity(path) {
  const { size } = statSync(path);
  const hash = createHash("sha256").update(String(size));
  const block = Buffer.alloc(BLOCK_BYTES);
  const file = openSync(path, "r");
  try {
    for (let index = 0; index < BLOCKS; index += 1) {
      const read = readSync(file, block, 0, BLOCK_BYTES, Math.floor((index * size) / BLOCKS));
      hash.update(block.subarray(0, read));
    }
  } finally {
    closeSync(file);
  }
  return hash.digest("hex");
}

/** What gen/ depends on, as one hash: the binary wherever it lies, the plugin, the entry list and the generator itself. */
export function genStamp(envoyPath, root = ROOT) {
  const plugin = JSON.parse(readFileSync(join(root, "node_modules/@bufbuild/protoc-gen-es/package.json"), "utf8"));
  const generator = ["gen-envoy.mjs", "setup/descriptors.mjs"].map((name) => readFileSync(join(root, "scripts", name), "utf8"));
  const input = [fileIdentity(envoyPath), plugin.version, PLUGIN_OPTIONS, ENVOY_ENTRIES, generator];
  return createHash("sha256").update(JSON.stringify(input)).digest("hex");
}

/** Whether gen/ was made from this very input. */
export function isGenFresh(envoyPath, root = ROOT) {
  const stamp = join(root, "gen/.stamp");
  return existsSync(stamp) && readFileSync(stamp, "utf8") === genStamp(envoyPath, root);
}

/**
 * Fills in each field's JSON name. Some descriptors in the binary come without (protoc strips them where the default holds), and the
 * plugin would name those fields "" in the JSON types.
 */
function withJsonNames(file) {
  const fill = (message) => {
    for (const field of message.field)
      field.jsonName ||= field.name.replaceAll(/_+(.)/g, (_, next) => next.toUpperCase()).replaceAll("_", "");
    message.nestedType.forEach(fill);
  };
  file.messageType.forEach(fill);
  return file;
}

/** Runs protoc-gen-es over the descriptors: {path: text}. Throws with the plugin's own message. */
async function generate(descriptors, root) {
  const { create, fromBinary, toBinary } = await import("@bufbuild/protobuf");
  const wkt = await import("@bufbuild/protobuf/wkt");
  const request = create(wkt.CodeGeneratorRequestSchema, {
    parameter: PLUGIN_OPTIONS,
    protoFile: descriptors.map(({ bytes }) => withJsonNames(fromBinary(wkt.FileDescriptorProtoSchema, bytes))),
    fileToGenerate: descriptors.map(({ name }) => name).filter((name) => !name.startsWith(WELL_KNOWN)),
  });
  const plugin = join(root, "node_modules/@bufbuild/protoc-gen-es/bin/protoc-gen-es");
  const run = spawnSync(process.execPath, [plugin], {
    input: toBinary(wkt.CodeGeneratorRequestSchema, request),
    maxBuffer: 2 ** 30,
  });
  if (run.error) throw run.error;
  if (run.status !== 0) throw new Error(`protoc-gen-es failed: ${run.stderr.toString().trim()}`);
  const response = fromBinary(wkt.CodeGeneratorResponseSchema, run.stdout);
  if (response.error !== "") throw new Error(`protoc-gen-es failed: ${response.error}`);
  return response.file;
}

/** Puts the files into gen/ by one rename, so that a reader or a second generator never sees half of them. */
function replaceGen(files, stamp, root) {
  mkdirSync(join(root, ".cache"), { recursive: true });
  const temporary = mkdtempSync(join(root, ".cache/gen-"));
  try {
    for (const file of files) {
      const path = join(temporary, file.name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, file.content);
    }
    writeFileSync(join(temporary, ".stamp"), stamp);
    // mkdtemp makes a private folder; others may use this checkout too.
    chmodSync(temporary, 0o777 & ~process.umask());
    const old = `${temporary}.old`;
    for (let attempt = 0; ; attempt += 1) {
      try {
        if (existsSync(join(root, "gen"))) renameSync(join(root, "gen"), old);
        renameSync(temporary, join(root, "gen"));
        break;
      } catch (error) {
        // Another generator renamed in between: the one that comes last wins, both hold the same text.
        if (attempt === 5) throw error;
      } finally {
        rmSync(old, { recursive: true, force: true });
      }
    }
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** Makes gen/ from the binary: {files, descriptors}, or undefined when it was fresh. Throws when the binary's descriptors are not closed. */
export async function genEnvoy(envoyPath, root = ROOT) {
  if (isGenFresh(envoyPath, root)) return undefined;
  const stamp = genStamp(envoyPath, root);
  const descriptors = descriptorsIn(readFileSync(envoyPath));
  if (descriptors.size === 0) throw new Error(`${envoyPath} holds no protobuf descriptors: it is not an Envoy binary`);
  const [missing] = missingImports(descriptors);
  if (missing !== undefined) throw new Error(`${envoyPath} lacks ${missing.name}, which ${missing.importedBy} imports`);
  const files = await generate(closureOf(descriptors, ENVOY_ENTRIES), root);
  replaceGen(files, stamp, root);
  return { files: files.length, descriptors: descriptors.size };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const envoyPath = process.argv[2];
  if (envoyPath === undefined) {
    process.stderr.write("usage: node scripts/gen-envoy.mjs <envoy binary>\n");
    process.exit(64);
  }
  const made = await genEnvoy(envoyPath);
  process.stderr.write(made === undefined ? "gen/ is up to date\n" : `gen/: ${made.files} files from ${made.descriptors} descriptors\n`);
}
