// How the tests run: fast ones by default, test/slow with LATEEN_SUITE=slow. Input: npm test; output: vitest's settings.
import { defineConfig } from "vitest/config";

const isSlow = process.env.LATEEN_SUITE === "slow";

export default defineConfig({
  test: {
    include: isSlow
      ? ["test/slow/**/*.test.ts"]
      : ["src/**/*.test.ts", "scripts/**/*.test.ts", "test/**/*.test.ts", "examples/**/*.test.ts"],
    exclude: ["node_modules/**", "test/bench/**", ...(isSlow ? [] : ["test/slow/**"])],
    testTimeout: isSlow ? 600_000 : 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    maxWorkers: 2,
    // Generated code is plain JavaScript: Node loads it as it is.
    server: { deps: { external: [/\/gen\/.*_pb\.js$/] } },
  },
});
