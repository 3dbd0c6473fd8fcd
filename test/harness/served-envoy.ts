// A real Envoy under an ADS server of its own, without captured connections: in goes what it is desired to have, out comes that it has it.

import { join } from "node:path";
import { bootstrapOf } from "../../src/translate/bootstrap.ts";
import { AdsServer } from "../../src/xds/ads-server.ts";
import type { TakeExport } from "../../src/xds/proxy-exports.ts";
import type { Desired } from "../../src/xds/proxy-session.ts";
import { type RunningEnvoy, startEnvoy, temporaryFolder } from "./envoy.ts";

const acknowledgedWithinMs = 60_000;

export interface ServedEnvoyOptions {
  readonly kind: "sidecar" | "gateway";
  /** "pod.namespace". */
  readonly proxyId: string;
  /** What it is to have first. */
  readonly desired: Desired;
  /** Takes what it reports. */
  readonly onExport?: TakeExport;
}

export interface ServedEnvoy extends AsyncDisposable {
  readonly envoy: RunningEnvoy;
  /** Gives it something newer; resolves when it has acknowledged it. @throws Error with where it stands when it doesn't in time. */
  push(desired: Desired): Promise<void>;
  /** Where it stands, for messages. */
  state(): string;
}

/** Starts both. */
export async function startServedEnvoy({ kind, proxyId, desired: first, onExport }: ServedEnvoyOptions): Promise<ServedEnvoy> {
  await using cleanup = new AsyncDisposableStack();
  const folder = cleanup.use(await temporaryFolder());
  let desired = first;
  const ads = new AdsServer({ generate: () => desired, ...(onExport === undefined ? {} : { onExport }) });
  cleanup.defer(() => ads.close());
  const xdsPath = join(folder.path, "xds.sock");
  await ads.openSocket(proxyId, xdsPath);
  const [podName = "", namespace = ""] = proxyId.split(".");
  const envoy = cleanup.use(await startEnvoy(bootstrapOf({ kind, podName, namespace, xdsPath, adminPath: "unused", marked: false })));
  const state = () => `${JSON.stringify(ads.status())}\n${envoy.log()}`;
  const stack = cleanup.move();
  return {
    envoy,
    state,
    push: async (next) => {
      desired = next;
      ads.setDesired(proxyId, next);
      await ads.whenAcknowledged(next.revision, AbortSignal.timeout(acknowledgedWithinMs));
      const isBehind = ads.status().some(({ acknowledgedRevision = -1 }) => acknowledgedRevision < next.revision);
      if (isBehind) throw new Error(`not acknowledged: ${state()}`);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
