import { expect, test } from "vitest";
import { labelsMatch } from "../../api/kubernetes/label-selector.ts";
import { randomOf } from "../../stats/testing/random.ts";
import { createLabelIndex } from "./by-labels.ts";

test("finds what asking each one would find, in the same order", () => {
  const random = randomOf(1);
  const labels = () =>
    Object.fromEntries(["app", "version", "tier"].flatMap((label) => (random() < 0.7 ? [[label, String(Math.floor(random() * 4))]] : [])));
  const list = Array.from({ length: 200 }, (_, index) => ({ index, labels: labels() }));
  const find = createLabelIndex<(typeof list)[number]>((item) => item.labels);
  for (let round = 0; round < 200; round += 1) {
    const selector = labels();
    expect(find(list, selector)).toEqual(list.filter((item) => labelsMatch(selector, item.labels)));
  }
  expect(find(list, { app: "elsewhere" })).toEqual([]);
  expect(find([], { app: "1" })).toEqual([]);
});
