// Writes a pod's latest status to the API: coalesced, in order, and again until it has arrived, since the control plane may be away.

import type { Logger } from "../../../lib/log.ts";

export interface StatusWriterOptions {
  /** The status as it is now; read at the moment of writing. */
  readonly status: () => unknown;
  readonly write: (status: unknown) => Promise<unknown>;
  /** True for an error that trying again can't help (the pod is gone). */
  readonly isFinal: (error: unknown) => boolean;
  readonly logger: Logger;
}

const retryMs = 200;

export class StatusWriter {
  readonly #options: StatusWriterOptions;
  #dirty = false;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  /** Notes that the status changed; never waits. */
  changed(): void {
    this.#dirty = true;
    if (this.#closed) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  close(): void {
    this.#closed = true;
  }

  async #run(): Promise<void> {
    // One turn of the event loop gathers what changes together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#dirty && !this.#closed) {
      this.#dirty = false;
      try {
        await this.#options.write(this.#options.status());
      } catch (error) {
        if (this.#options.isFinal(error)) {
          this.#closed = true;
          return;
        }
        this.#options.logger.debug("status not written yet", { error: String(error) });
        this.#dirty = true;
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }
}
