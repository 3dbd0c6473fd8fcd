import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { referencePages } from "./reference.ts";

test.each(Object.entries(referencePages()))("docs/reference/%s is up to date (else run scripts/gen-docs.mjs)", (name, text) => {
  expect(readFileSync(new URL(`../../docs/reference/${name}`, import.meta.url), "utf8")).toBe(text);
});

test("a field that doesn't act is marked, one that acts is not", () => {
  const page = referencePages()["compatibility.md"] ?? "";
  expect(page).toContain("| `spec.http[].fault.abort.http2Error` | **not yet** |");
  expect(page).toContain("| `spec.http[].timeout` | yes |");
  expect(page).toContain("| `spec.trafficPolicy.portLevelSettings[].loadBalancer.localityLbSetting.enabled` | **not yet** |");
  expect(page).toContain("| `spec.resolution` | yes, but `DYNAMIC_DNS` **not yet** |");
  expect(page).toContain("`networking.istio.io/EnvoyFilter`");
});
