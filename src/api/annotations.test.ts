// Istio's annotations yield a warning unless they act.

import { describe, expect, it } from "vitest";
import { annotationFindings } from "./annotations.ts";

const pathsOf = (raw: unknown) => annotationFindings(raw).map(({ path }) => path.join(" "));

describe("annotationFindings", () => {
  it("names each annotation of Istio's without effect, on the object and its template", () => {
    const annotations = {
      "proxy.istio.io/config": "x",
      "sidecar.istio.io/proxyCPU": "1",
      "sidecar.istio.io/inject": "true",
      "other.io/x": "1",
    };
    expect(pathsOf({ metadata: { annotations } })).toEqual([
      "metadata annotations proxy.istio.io/config",
      "metadata annotations sidecar.istio.io/proxyCPU",
    ]);
    expect(pathsOf({ metadata: {}, spec: { template: { metadata: { annotations } } } })).toEqual([
      "spec template metadata annotations proxy.istio.io/config",
      "spec template metadata annotations sidecar.istio.io/proxyCPU",
    ]);
  });

  it.each([{}, { metadata: null }, { metadata: { annotations: "no" } }, { metadata: { annotations: { "myistio.io/x": "1" } } }])(
    "finds nothing in %j",
    (raw) => {
      expect(pathsOf(raw)).toEqual([]);
    },
  );
});
