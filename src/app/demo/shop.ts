// Where the example shop lies, how visitors reach it, and what one can try on it while it runs.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { MeshError } from "../../lib/errors.ts";
import { parseLateenYaml } from "../../platform/local/lateen-yaml.ts";

/** Host name of the shop's Gateway, and the page that says which version of each service answered. */
export const shopHost = "shop.example.com";
export const shopPath = "/api/shop";
export const shopNamespace = "shop";
/** The gateway's port that visitors come in by. */
export const gatewayPort = "80";

export interface ShopFiles {
  readonly manifests: string;
  readonly lateenYaml: string;
  readonly tryFolder: string;
  /** Newer versions, and a Release per strategy. */
  readonly releasesFolder: string;
}

/** The shop of this checkout: found upwards from this program, whether it runs from src/ or bundled in dist/. @throws MeshError */
export function shopFiles(): ShopFiles {
  const folder = join(packageRoot(dirname(fileURLToPath(import.meta.url))), "examples", "shop");
  return {
    manifests: join(folder, "manifests"),
    lateenYaml: join(folder, "lateen.yaml"),
    tryFolder: join(folder, "try"),
    releasesFolder: join(folder, "releases"),
  };
}

function packageRoot(folder: string): string {
  if (existsSync(join(folder, "examples", "shop", "lateen.yaml"))) return folder;
  const parent = dirname(folder);
  if (parent !== folder) return packageRoot(parent);
  throw new MeshError("internal", "the example shop (examples/shop) is missing", { fix: "run `lateen demo` from a whole checkout" });
}

/** The host port that the shop's lateen.yaml gives its gateway; 0 (any) when it names none. */
export function wantedPort({ lateenYaml }: ShopFiles): number {
  const { value } = parseLateenYaml(readFileSync(lateenYaml, "utf8"), lateenYaml);
  return value?.gateway.ports[gatewayPort] ?? 0;
}

/** A command to copy, and what it shows. */
export interface Suggestion {
  readonly what: string;
  readonly command: string;
}

/** What to try next, each one line that works in another terminal. */
export function suggestions(options: { readonly mesh: string; readonly port: number; readonly cwd: string }): readonly Suggestion[] {
  const { mesh, port, cwd } = options;
  const { tryFolder } = shopFiles();
  const below = relative(cwd, tryFolder);
  const folder = below !== "" && !below.startsWith("..") ? below : tryFolder;
  const apply = (file: string): string => `npx lateen apply --mesh ${mesh} -f ${join(folder, file)}`;
  const curl = `curl -s -H 'Host: ${shopHost}'`;
  const url = `http://127.0.0.1:${port}${shopPath}`;
  return [
    { what: "one request", command: `${curl} ${url}` },
    { what: "web half and half", command: apply("shift-50.yaml") },
    { what: "testers see v2", command: apply("testers-v2.yaml") },
    { what: "… as a tester", command: `${curl} -H 'x-shop-tester: yes' ${url}` },
    { what: "delays and errors", command: apply("fault.yaml") },
    { what: "mirror to web v2", command: apply("mirror.yaml") },
    { what: "cut the remote API", command: apply("cut-remote.yaml") },
    { what: "all as at the start", command: apply("reset.yaml") },
    { what: "why releases went so", command: `npx lateen release why catalog --mesh ${mesh} -n ${shopNamespace}` },
    { what: "all its runs", command: `npx lateen release history catalog --mesh ${mesh} -n ${shopNamespace}` },
    { what: "pods and proxies", command: `npx lateen status --mesh ${mesh}` },
    { what: "who calls whom, encrypted", command: `npx lateen graph --mesh ${mesh}` },
    {
      what: "may rates call catalog?",
      command: `npx lateen policy can --mesh ${mesh} -n ${shopNamespace} deployment/rates-v1 service/catalog GET /products`,
    },
    { what: "who acknowledged", command: `npx lateen proxy list --mesh ${mesh}` },
    { what: "access log", command: `npx lateen logs --mesh ${mesh} -n ${shopNamespace} deployment/web-v1 -c istio-proxy --tail 5` },
  ];
}
