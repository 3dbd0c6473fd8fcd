// The targets as files for file_sd_configs in the run directory: written anew, each in one step, whenever pods came, went or changed.

import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MeshError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { Store } from "../../store/store.ts";
import { type DiscoveryKind, discoveryKinds, type TargetGroup } from "../../telemetry/prometheus/discovery.ts";

/** A rollout changes pods many times in a second, and Prometheus need not read each step. */
const pauseMs = 250;

export interface DiscoveryFilesOptions {
  readonly store: Pick<Store, "subscribe">;
  /** Folder of the files pods.json and applications.json; made when it isn't there. */
  readonly folder: string;
  readonly targets: (kind: DiscoveryKind) => readonly TargetGroup[];
  readonly logger: Logger;
}

export class DiscoveryFiles {
  readonly #options: DiscoveryFilesOptions;
  readonly #unsubscribe: () => void;
  readonly #written = new Map<DiscoveryKind, string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: DiscoveryFilesOptions) {
    this.#options = options;
    this.#unsubscribe = options.store.subscribe(({ stored }) => {
      if (stored.kind === "Pod") this.#timer ??= setTimeout(() => this.#write(), pauseMs);
    });
    this.#write();
  }

  close(): void {
    this.#unsubscribe();
    clearTimeout(this.#timer);
  }

  #write(): void {
    this.#timer = undefined;
    const { folder, targets, logger } = this.#options;
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      for (const kind of discoveryKinds) {
        const text = `${JSON.stringify(targets(kind), null, 1)}\n`;
        if (text === this.#written.get(kind)) continue;
        const path = join(folder, `${kind}.json`);
        writeFileSync(`${path}.new`, text, { mode: 0o600 });
        renameSync(`${path}.new`, path);
        this.#written.set(kind, text);
      }
    } catch (error) {
      logger.warn("the targets for Prometheus can't be written", { error: MeshError.from(error).message });
    }
  }
}
