import { expect, test } from "vitest";
import { WriteGate } from "./write-gate.ts";

const mega = 1024 * 1024;

function recorder() {
  const gate = new WriteGate();
  const started: string[] = [];
  const releases = new Map<string, () => void>();
  const enter = (name: string, sizeBytes: number, stream: object = {}) =>
    gate.enter({
      stream,
      sizeBytes,
      start: (release) => {
        started.push(name);
        releases.set(name, release);
      },
    });
  return { started, enter, release: (name: string) => releases.get(name)?.() };
}

test("large writes wait for room, in their order", () => {
  const { started, enter, release } = recorder();
  for (const name of ["a", "b", "c", "d"]) enter(name, 1.5 * mega);
  expect(started).toEqual(["a", "b"]);
  release("b");
  expect(started).toEqual(["a", "b", "c"]);
  release("b");
  expect(started).toEqual(["a", "b", "c"]);
  release("a");
  expect(started).toEqual(["a", "b", "c", "d"]);
});

test("one larger than all room goes alone", () => {
  const { started, enter, release } = recorder();
  enter("a", 100 * mega);
  enter("b", mega);
  expect(started).toEqual(["a"]);
  release("a");
  expect(started).toEqual(["a", "b"]);
});

test("small writes never wait, but behind a waiting one of their own stream", () => {
  const { started, enter, release } = recorder();
  const stream = {};
  enter("large", 4 * mega);
  enter("behind", 4 * mega, stream);
  enter("other", 100);
  enter("same", 100, stream);
  expect(started).toEqual(["large", "other"]);
  release("large");
  release("behind");
  expect(started).toEqual(["large", "other", "behind", "same"]);
});

test("a proxy that does not read gives its place up", async () => {
  const { started, enter } = recorder();
  enter("stuck", 4 * mega);
  enter("next", 4 * mega);
  expect(started).toEqual(["stuck"]);
  await expect.poll(() => started).toEqual(["stuck", "next"]);
});
