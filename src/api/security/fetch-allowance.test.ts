import { expect, test } from "vitest";
import { configMapSchema } from "../kubernetes/config-map.ts";
import { fetchAllowanceAnnotation, nothingAllowed, parseFetchAllowance } from "./fetch-allowance.ts";

function read(text: string) {
  const annotations = { [fetchAllowanceAnnotation]: text };
  return parseFetchAllowance(
    configMapSchema.parse({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "istio", namespace: "istio-system", annotations } }),
  );
}

test("hosts, wildcards, addresses and ranges are told apart", () => {
  expect(read(" Keys.Shop.example,*.internal.example, 10.1.0.0/16,::1 ,, fd00::/8")).toEqual({
    value: { hosts: ["keys.shop.example", "*.internal.example"], ranges: ["10.1.0.0/16", "::1", "fd00::/8"] },
    diagnostics: [],
  });
});

test.each(["*", "*.*.example", "10.0.0.0/33", "https://a.example", "a b", "a.example:443", "*example"])("%j allows nothing", (entry) => {
  const { value, diagnostics } = read(`${entry}, good.example`);
  expect(value).toEqual({ hosts: ["good.example"], ranges: [] });
  expect(diagnostics.map(({ code, resource, path }) => [code, resource, path])).toEqual([
    ["LTN0901", "ConfigMap istio-system/istio", `metadata.annotations["${fetchAllowanceAnnotation}"]`],
  ]);
});

test("without annotation or ConfigMap nothing is allowed", () => {
  expect(parseFetchAllowance(undefined).value).toBe(nothingAllowed);
  expect(read("").value).toEqual(nothingAllowed);
});
