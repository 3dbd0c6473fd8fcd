// Calls between a benchmark and its helper processes over Node's IPC channel: numbered requests, answers or errors.

import type { ChildProcess } from "node:child_process";
import { z } from "zod";

const callSchema = z.object({ id: z.number(), name: z.string(), input: z.unknown() });
const answerSchema = z.object({ id: z.number(), value: z.unknown(), error: z.string().optional() });

/** The benchmark's end: calls functions of the helper by name. */
export class Helper {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }>();
  #lastId = 0;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", (message) => {
      const { id, value, error } = answerSchema.parse(message);
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(value);
      else waiting?.reject(new Error(error));
    });
    child.once("exit", (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`a helper process ended with ${signal ?? code}`));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  call(name: string, input: unknown = {}): Promise<unknown> {
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, name, input });
    });
  }
}

export type Functions = Readonly<Record<string, (input: unknown) => unknown>>;

/** The helper's end: answers calls until the benchmark is gone, then exits. */
export function serveCalls(functions: Functions): void {
  process.once("disconnect", () => process.exit());
  process.on("message", (message) => {
    const { id, name, input } = callSchema.parse(message);
    const answer = async () => functions[name]?.(input);
    answer().then(
      (value) => process.send?.({ id, value: value ?? null }),
      (error: unknown) => process.send?.({ id, value: null, error: error instanceof Error ? error.message : String(error) }),
    );
  });
}
