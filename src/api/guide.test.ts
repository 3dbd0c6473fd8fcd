// Every manifest that the guide prints is one that the mesh takes, without an error.

import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { meshConfigPlace, parseMeshConfig } from "./mesh-config.ts";
import { parseManifests } from "./parse.ts";

const guide = fileURLToPath(new URL("../../docs/guide", import.meta.url));
const blocks = globSync("*.md", { cwd: guide }).flatMap((file) =>
  [...readFileSync(`${guide}/${file}`, "utf8").matchAll(/^```yaml\n(.*?)^```$/gms)].map(
    ([, text = ""], index) => [`${file} ${index}`, text] as const,
  ),
);

test.each(blocks.filter(([, text]) => text.includes("apiVersion:")))("%s", (_place, text) => {
  const { resources, diagnostics } = parseManifests(text, { file: "guide.yaml" });
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  const configs = resources.flatMap(({ value }) => (value.kind === "ConfigMap" ? [value.data[meshConfigPlace.key] ?? ""] : []));
  expect(configs.flatMap((config) => parseMeshConfig(config).diagnostics)).toEqual([]);
});
