import { expect, test } from "vitest";
import { AddressPool } from "./addresses.ts";

test("addresses are unique, and used again only after all others", () => {
  const pool = new AddressPool();
  const first = pool.take();
  expect(first).toBe("198.18.0.2");
  pool.release(first);
  const seen = new Set<string>();
  for (let count = 0; count < 65_532; count += 1) seen.add(pool.take());
  expect(seen.size).toBe(65_532);
  expect(seen.has(first)).toBe(false);
  expect(seen.has("198.18.255.255")).toBe(false);
  expect(pool.take()).toBe(first);
  expect(() => pool.take()).toThrow(/no pod address is free/);
});
