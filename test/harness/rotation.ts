// New certificates for everybody, and a new root, in a whole mesh; and what a server shows to whoever connects.

import { setTimeout as pause } from "node:timers/promises";
import { eventually } from "./eventually.ts";
import type { TestMesh } from "./mesh.ts";

/** Serial numbers of the certificates that the proxies have, by proxy; only once every proxy has acknowledged its own. */
async function serials(mesh: TestMesh): Promise<ReadonlyMap<string, string> | undefined> {
  const { proxies } = await mesh.client.proxies();
  if (!proxies.every(({ connected, synced }) => connected && synced)) return undefined;
  return new Map(proxies.map(({ id, certificate }) => [id, certificate?.serial ?? ""]));
}

/** Renews all certificates, and waits until every proxy has acknowledged another one than before. */
export async function renewAll(mesh: TestMesh): Promise<void> {
  let before: ReadonlyMap<string, string> | undefined;
  const isKnown = async () => {
    before = await serials(mesh);
    return before !== undefined;
  };
  await eventually(isKnown, 45_000, "every proxy synced before the renewal");
  await mesh.client.renewCertificates();
  const isNew = async () => {
    const now = await serials(mesh);
    return now !== undefined && [...now].every(([id, serial]) => serial !== "" && serial !== before?.get(id));
  };
  await eventually(isNew, 45_000, "new certificates everywhere");
}

/** Replaces the root, and waits until only the new one is trusted; `meanwhile` may take the control plane away. */
export async function rotateRoot(mesh: TestMesh, meanwhile: () => Promise<void> = async () => {}): Promise<void> {
  const before = (await mesh.client.rotateRoot()).roots[0]?.fingerprint;
  await meanwhile();
  const until = performance.now() + 90_000;
  for (;;) {
    const now = await mesh.client.authority().catch(() => undefined);
    if (now?.rotation?.phase === "steady" && now.roots.length === 1 && now.roots[0]?.fingerprint !== before) return;
    if (performance.now() > until) throw new Error(`the root rotation does not end: ${JSON.stringify(now)}`);
    await pause(25);
  }
}

/** Serial number of the certificate that a server shows to a client that connects now, from a pod of `from`. */
export async function shownBy(mesh: TestMesh, from: string, host: string): Promise<string> {
  const said = await mesh.run(from, { kind: "tls-say", host, port: 8080, alpn: ["istio"] });
  return (said as { readonly serial: string }).serial;
}
