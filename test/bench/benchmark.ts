// What a benchmark is: a name, targets, and a function that measures. main.ts runs one and prints its outcome.

/** What a benchmark gets. */
export interface BenchContext {
  /** The checkout's top folder. */
  readonly root: string;
  /** The built program, dist/main.js. */
  readonly program: string;
  readonly envoyPath: string;
  /** A small world and few repetitions, to try a benchmark out; its numbers say nothing. */
  readonly quick: boolean;
  readonly signal: AbortSignal;
  /** Everything that must be gone at the end; disposed in reverse order, whatever happens. */
  readonly cleanup: AsyncDisposableStack;
  /** One line for the person who waits. */
  readonly progress: (line: string) => void;
}

export interface Outcome {
  readonly measured: Readonly<Record<string, unknown>>;
  /** Per target whether it was reached; empty for a benchmark that only reports. */
  readonly reached: Readonly<Record<string, boolean>>;
}

export interface Benchmark {
  readonly name: string;
  /** One line for --list. */
  readonly summary: string;
  readonly target: Readonly<Record<string, number>>;
  readonly run: (context: BenchContext) => Promise<Outcome>;
}
