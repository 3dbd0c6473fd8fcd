// Rows of `lateen tap` as they come, the first second's together: by then every busy proxy has told of something once, so that columns are wide enough
// for what is usual in this mesh from the first row on.

import type { TapEvent } from "../http/tap-contract.ts";
import type { Terminal } from "./output.ts";
import type { TapView } from "./tap-view.ts";

/** Proxies send once a second. */
const holdMs = 1000;
/** Fill a screen; nobody should wait while there is so much to see. */
const mostHeld = 100;

export class TapTable {
  readonly #view: Pick<TapView, "heading" | "line">;
  readonly #terminal: Pick<Terminal, "out" | "colours">;
  #held: TapEvent[] | undefined = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(view: Pick<TapView, "heading" | "line">, terminal: Pick<Terminal, "out" | "colours">) {
    this.#view = view;
    this.#terminal = terminal;
  }

  event(event: TapEvent): void {
    if (this.#held === undefined) {
      this.#terminal.out(this.#view.line(event));
      return;
    }
    this.#held.push(event);
    this.#timer ??= setTimeout(() => this.#begin(), holdMs);
    if (this.#held.length >= mostHeld) this.#begin();
  }

  /** Prints what is held; there is no heading above nothing. */
  end(): void {
    if (this.#held !== undefined && this.#held.length > 0) this.#begin();
  }

  #begin(): void {
    clearTimeout(this.#timer);
    const held = this.#held ?? [];
    this.#held = undefined;
    // A line that is made widens its columns.
    for (const event of held) this.#view.line(event);
    this.#terminal.out(this.#terminal.colours.dim(this.#view.heading()));
    for (const event of held) this.#terminal.out(this.#view.line(event));
  }
}
