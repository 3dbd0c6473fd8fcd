import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { criLine, LineSplitter, LogFile } from "./output-log.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lateen-log-"));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

test("lines come out whole however the bytes arrive", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.string({ maxLength: 20, unit: "grapheme" }).filter((text) => !text.includes("\n")),
        { maxLength: 10 },
      ),
      fc.nat(),
      (lines, cut) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
        const at = bytes.length === 0 ? 0 : cut % bytes.length;
        const seen: string[] = [];
        const splitter = new LineSplitter((text) => seen.push(text));
        splitter.push(bytes.subarray(0, at));
        splitter.push(bytes.subarray(at));
        splitter.end();
        expect(seen).toEqual(lines);
      },
    ),
    { seed: 2 },
  );
});

test("a line without end is cut into parts", () => {
  const parts: [number, boolean][] = [];
  const splitter = new LineSplitter((text, partial) => parts.push([text.length, partial]));
  splitter.push(Buffer.alloc(20_000, "x"));
  splitter.push(Buffer.from("\n"));
  expect(parts).toEqual([
    [16_384, true],
    [3_616, false],
  ]);
});

test("a log file stays bounded and keeps the run before", () => {
  const path = join(directory, "deep", "app.log");
  const first = new LogFile(path, 1000);
  first.write(criLine({ stream: "stdout", time: 0, text: "first", partial: false }));
  first.close();
  const second = new LogFile(path, 1000);
  for (let line = 0; line < 100; line += 1) second.write(`${String(line).padStart(99, "0")}\n`);
  second.close();
  second.write("after the end");
  expect(readFileSync(`${path}.previous`, "utf8")).toBe("1970-01-01T00:00:00.000Z stdout F first\n");
  expect(statSync(path).size + statSync(`${path}.1`).size).toBe(2000);
  expect(readFileSync(path, "utf8")).toMatch(/99\n$/);
  expect(existsSync(`${path}.2`)).toBe(false);
});
