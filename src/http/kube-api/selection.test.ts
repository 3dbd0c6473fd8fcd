// Field selectors: what kubectl asks for, and what can't be selected by.

import { expect, test } from "vitest";
import { systemClock } from "../../lib/clock.ts";
import { apiParser } from "../../store/api-parser.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { selectionOf } from "./selection.ts";

test("`kubectl describe` finds an object's events by name, namespace, kind and uid", () => {
  const store = new MemoryStore({ clock: systemClock, parser: apiParser, newUid: () => crypto.randomUUID() });
  store.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  for (const [kind, uid] of [
    ["Release", "u1"],
    ["Service", "u2"],
  ]) {
    store.create({
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: `catalog.${uid}`, namespace: "shop" },
      involvedObject: { apiVersion: "v1", kind, name: "catalog", namespace: "shop", uid },
      reason: "Started",
      message: "it begins",
      type: "Normal",
    });
  }
  const names = (fieldSelector: string) =>
    store
      .list("Event")
      .filter(selectionOf({ fieldSelector }))
      .map(({ name }) => name);
  const ofKubectl = "involvedObject.name=catalog,involvedObject.namespace=shop,involvedObject.kind=Release,involvedObject.uid=u1";
  expect(names(ofKubectl)).toEqual(["catalog.u1"]);
  expect(names("involvedObject.kind!=Release,reason=Started,type=Normal")).toEqual(["catalog.u2"]);
  expect(names("involvedObject.name=cart")).toEqual([]);
  expect(() => names("involvedObject.color=red")).toThrow("can't select by the field term");
});
