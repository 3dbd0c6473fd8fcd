// Commands that go on end when nobody reads their output any more (`lateen logs -f … | head`).

/** Aborts with the given signal, or when standard output is closed. Dispose of it when the command ends. */
export class ReaderSignal implements Disposable {
  readonly signal: AbortSignal;
  readonly #gone = new AbortController();
  readonly #onError = (): void => this.#gone.abort();

  constructor(signal: AbortSignal) {
    this.signal = AbortSignal.any([signal, this.#gone.signal]);
    process.stdout.once("error", this.#onError);
  }

  [Symbol.dispose](): void {
    process.stdout.off("error", this.#onError);
  }
}
