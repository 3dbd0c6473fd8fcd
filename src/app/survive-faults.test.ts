import { expect, test } from "vitest";
import type { Logger } from "../lib/log.ts";
import { surviveFaults } from "./survive-faults.ts";

test("one fault is logged and survived, a flood of them ends the process", () => {
  const listeners = new Map<string, (fault: unknown) => void>();
  const exits: number[] = [];
  const logged: string[] = [];
  const source = {
    on: (event: string, listener: (fault: unknown) => void) => listeners.set(event, listener),
    exit: (code: number) => exits.push(code),
  };
  const log = (message: string, fields?: Readonly<Record<string, unknown>>) => void logged.push(`${message}: ${fields?.["error"]}`);
  const logger: Logger = { debug: log, info: log, warn: log, error: log };
  let now = 0;
  surviveFaults(source, logger, () => now);
  const fault = (event: string) => listeners.get(event)?.(new Error("socket hang up"));
  fault("uncaughtException");
  fault("unhandledRejection");
  expect(logged).toEqual(["a fault that nobody caught: socket hang up", "a fault that nobody caught: socket hang up"]);
  // Slowly they may come for ever.
  for (let count = 0; count < 300; count += 1) {
    now += 1;
    fault("uncaughtException");
  }
  expect(exits).toEqual([]);
  for (let count = 0; count < 100; count += 1) fault("uncaughtException");
  expect(exits[0]).toBe(1);
});
