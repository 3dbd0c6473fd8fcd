// How the tests run: parts first, two files at a time; then whole meshes, one file at a time, since each uses both cores.
// test/slow runs instead with LATEEN_SUITE=slow. Input: npm test; output: vitest's settings.
import { defineConfig } from "vitest/config";

const isSlow = process.env.LATEEN_SUITE === "slow";

const common = {
  pool: "forks",
  hookTimeout: 90_000,
  testTimeout: isSlow ? 600_000 : 60_000,
  // Generated code is plain JavaScript: Node loads it as it is.
  server: { deps: { external: [/\/gen\/.*_pb\.js$/] } },
} as const;

const fast = [
  {
    test: {
      ...common,
      name: "parts",
      include: ["src/**/*.test.ts", "scripts/**/*.test.ts", "test/{bench,feature,harness}/**/*.test.ts", "examples/**/*.test.ts"],
      maxWorkers: 2,
      sequence: { groupOrder: 0 },
    },
  },
  { test: { ...common, name: "meshes", include: ["test/e2e/**/*.test.ts"], maxWorkers: 1, sequence: { groupOrder: 1 } } },
];

const slow = [{ test: { ...common, name: "slow", include: ["test/slow/**/*.test.ts"], maxWorkers: 1 } }];

export default defineConfig({ test: { projects: isSlow ? slow : fast } });
