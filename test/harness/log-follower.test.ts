// A log that moves aside while it is followed: every line once, none of before.

import { join } from "node:path";
import { expect, test } from "vitest";
import { LogFile } from "../../src/platform/local/output-log.ts";
import { temporaryFolder } from "./envoy.ts";
import { LogFollower } from "./log-follower.ts";

test("every line from now on, over three rotations and a new pod", async () => {
  await using folder = await temporaryFolder();
  const open = (pod: string) => new LogFile(join(folder.path, `default_${pod}_istio-proxy.log`), 100);
  const first = open("one");
  first.write("before\n");
  using follower = new LogFollower(folder.path);
  const seen: string[] = [];
  const look = () => void seen.push(...follower.read().map(({ file, line }) => `${file.split("_")[1]} ${line}`));
  for (let index = 0; index < 40; index += 1) {
    first.write(`line ${index}\n`);
    if (index % 7 === 0) look();
  }
  const second = open("two");
  second.write("hello\n");
  look();
  look();
  expect(seen).toEqual([...Array.from({ length: 40 }, (_, index) => `one line ${index}`), "two hello"]);
  first.close();
  second.close();
});
