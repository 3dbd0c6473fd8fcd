// The linter's import rule names folders one by one: a folder that it doesn't know, or a ban that was forgotten, would hold nothing.
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { z } from "zod";

const root = new URL("../", import.meta.url);

/** ARCHITECTURE.md: a folder imports only those with a smaller number. */
const numbers: ReadonlyMap<string, number> = new Map(
  [...readFileSync(new URL("ARCHITECTURE.md", root), "utf8").matchAll(/^\| (\w+)(?: ●)? \| (\d) \|/gm)].map((row) => [
    row[1] ?? "",
    Number(row[2]),
  ]),
);
const pure = ["api", "model", "stats", "telemetry", "analyze", "translate"];

const overrideSchema = z.object({
  includes: z.array(z.string()),
  linter: z.object({
    rules: z.object({
      style: z
        .object({
          noRestrictedImports: z.object({ options: z.object({ patterns: z.array(z.object({ group: z.array(z.string()) })) }) }).optional(),
        })
        .optional(),
    }),
  }),
});
const { overrides } = z.object({ overrides: z.array(overrideSchema) }).parse(JSON.parse(readFileSync(new URL("biome.json", root), "utf8")));

function bannedIn(folder: string): ReadonlySet<string> {
  const own = overrides.find(({ includes }) => includes[0] === `src/${folder}/**`);
  return new Set(own?.linter.rules.style?.noRestrictedImports?.options.patterns.flatMap(({ group }) => group) ?? []);
}

const folders = readdirSync(new URL("src", root), { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));

test.each(folders)("src/%s has a number, and imports nothing with the same or a larger one", (folder) => {
  const own = numbers.get(folder);
  expect(own).toBeDefined();
  const above = folders.filter((other) => other !== folder && (numbers.get(other) ?? 0) >= (own ?? 0));
  const banned = bannedIn(folder);
  const missing = above
    .flatMap((other) => ["../", "../../", "../../../", "../../../../"].map((up) => `${up}${other}/**`))
    .filter((pattern) => !banned.has(pattern));
  expect(missing).toEqual([]);
});

test.each(pure)("src/%s imports nothing of Node", (folder) => {
  expect(bannedIn(folder).has("node:*")).toBe(true);
});
