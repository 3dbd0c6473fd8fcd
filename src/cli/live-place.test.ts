import { expect, test } from "vitest";
import { cut, folded, LivePlace } from "./live-place.ts";

test("LivePlace goes back over exactly the lines it wrote and clears what is left", () => {
  let written = "";
  const place = new LivePlace({ raw: (text) => (written += text), columns: 6 });
  place.show("one\ntwo\nthree and more");
  expect(written).toBe("\rone\u001b[K\ntwo\u001b[K\nthree\u001b[K\n\u001b[J");
  written = "";
  place.show("x");
  expect(written).toBe("\u001b[3Fx\u001b[K\n\u001b[J");
});

test("LivePlace shows no more than fits the screen: what scrolled off can't be gone back over", () => {
  let written = "";
  new LivePlace({ raw: (text) => (written += text), columns: 6, rows: 3 }).show("one\ntwo\nthree");
  expect(written).toBe("\rone\u001b[K\ntwo\u001b[K\n\u001b[J");
});

test.each([
  ["short", 10, "short"],
  ["exactly", 7, "exactly"],
  ["too long", 3, "too"],
  ["\u001b[31mred\u001b[39m", 3, "\u001b[31mred\u001b[39m"],
  ["a\u001b[31mred\u001b[39mb", 2, "a\u001b[31mr\u001b[39m\u001b[0m"],
])("cut(%j, %i)", (line, columns, expected) => {
  expect(cut(line, columns)).toBe(expected);
});

test.each([
  ["fits well", 9, ["fits well"]],
  ["one two three", 8, ["one two", "three"]],
  ["! one two three", 7, ["! one", "  two", "  three"]],
  ["\u001b[36m├─ ● 1\u001b[39m   3 s, 20 %", 12, ["\u001b[36m├─ ● 1\u001b[39m   3", "     s, 20 %"]],
  ["a longerword b", 4, ["a", "longerword", "b"]],
  ["", 10, [""]],
])("folded(%j, %i)", (line, columns, expected) => {
  expect(folded(line, columns)).toEqual(expected);
});
