// How the tests run: parts first, two files at a time; then whole meshes, one file at a time, since each uses both cores.
// LATEEN_SUITE chooses: "fast" everything but test/slow; "slow" that; "user" what depends on who runs it, for the second run of root's npm test;
// "slow-user" the other meshes for that user. Input: npm test; output: vitest's settings.
import { defineConfig } from "vitest/config";

const suite = process.env.LATEEN_SUITE ?? "fast";
const isSlow = suite.startsWith("slow");

const common = {
  pool: "forks",
  hookTimeout: 180_000,
  testTimeout: isSlow ? 600_000 : 120_000,
  // Vitest's own second is too little for a busy machine.
  expect: { poll: { timeout: 30_000 } },
  // Generated code is plain JavaScript: Node loads it as it is.
  server: { deps: { external: [/\/gen\/.*_pb\.js$/] } },
} as const;

const allMeshes = ["test/e2e/**/*.test.ts"];
/** Namespaces, capture, files of processes, what the host lends: root and an ordinary user go different ways there. */
const ofTheUser = {
  parts: ["src/{app,platform}/**/*.test.ts", "src/ca/private-files.test.ts", "scripts/**/*.test.ts"],
  meshes: [
    "test/e2e/runtime-{cli,isolation,pods}.test.ts",
    "test/e2e/smoke.test.ts",
    "test/e2e/security-{isolation,hostile}.test.ts",
    "test/e2e/traffic-service-entry-and-egress.test.ts",
  ],
};
const allParts = ["src/**/*.test.ts", "scripts/**/*.test.ts", "test/{bench,feature,harness}/**/*.test.ts", "examples/**/*.test.ts"];

const projects = (include: { readonly parts: string[]; readonly meshes: string[] }) => [
  {
    test: {
      ...common,
      name: "parts",
      include: include.parts,
      maxWorkers: 2,
      sequence: { groupOrder: 0 },
    },
  },
  meshes(include.meshes),
];

function meshes(include: string[], exclude: string[] = []): object {
  return { test: { ...common, name: "meshes", include, exclude, maxWorkers: 1, sequence: { groupOrder: 1 } } };
}

const slow = (include: string[]) => ({ test: { ...common, name: "slow", include, maxWorkers: 1, sequence: { groupOrder: 2 } } });

const all = { parts: allParts, meshes: allMeshes };
const suites: Readonly<Record<string, object[]>> = {
  fast: projects(all),
  user: projects(ofTheUser),
  slow: [slow(["test/slow/**/*.test.ts"])],
  "slow-user": [meshes(allMeshes, ofTheUser.meshes), slow(["test/slow/{outage,security-rotation}.test.ts"])],
};

export default defineConfig({ test: { projects: suites[suite] ?? suites["fast"] ?? [] } });
