import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { silentLogger } from "../../lib/log.ts";
import { SampleFiles } from "./sample-files.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "samples-"));
  folders.push(folder);
  return folder;
}

const place = { namespace: "shop", run: "catalog-1" };
const sample = (second: number) => ({
  second,
  arms: {
    v1: { requests: 9, errors: 0, latency: [1, 8], pods: [] },
    v2: { requests: 1, errors: 1, connections: { opened: 2, tried: 1, failed: 1 } },
  },
});

test("keeps each second once, also over a restart and a line that a crash cut off", () => {
  const folder = newFolder();
  const files = new SampleFiles(folder, silentLogger);
  files.append(place, [sample(1), sample(2)]);
  files.append(place, [sample(2), sample(3)]);
  appendFileSync(join(folder, files.refOf(place)), '{"second": 4, "ar');
  const again = new SampleFiles(folder, silentLogger);
  expect(again.read(place)).toEqual([sample(1), sample(2), sample(3)]);
  again.append(place, [sample(3), sample(5)]);
  expect(new SampleFiles(folder, silentLogger).read(place)).toEqual([sample(1), sample(2), sample(3), sample(5)]);
  again.remove(place);
  expect(again.read(place)).toEqual([]);
});
