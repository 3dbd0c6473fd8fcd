import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { BadInput, Unavailable, UserError } from "../lib/errors.ts";
import { readGeneration, readPrivateFile, requirePrivateDirectory, writeGeneration } from "./private-files.ts";
import { startInOtherProcess } from "./testing/other-process.ts";
import { temporaryDirectory } from "./testing/world.ts";

function made() {
  const directory = temporaryDirectory();
  requirePrivateDirectory(directory.path);
  return directory;
}

describe("generations of a file", () => {
  it("follow each other, and only the newest stays", () => {
    using directory = made();
    expect(readGeneration(directory.path, "state")).toBeUndefined();
    expect(writeGeneration(directory.path, "state", { number: 0, text: "one" })).toBe(true);
    expect(writeGeneration(directory.path, "state", { number: 1, text: "two" })).toBe(true);
    expect(readGeneration(directory.path, "state")).toEqual({ number: 2, text: "two" });
    expect(readdirSync(directory.path)).toEqual(["state.2.json"]);
  });

  it("are won by one of two writers, also when the loser's number is free again", () => {
    using directory = made();
    for (const number of [0, 1, 2]) writeGeneration(directory.path, "state", { number, text: `${number}` });
    expect(writeGeneration(directory.path, "state", { number: 2, text: "late" })).toBe(false);
    expect(writeGeneration(directory.path, "state", { number: 0, text: "very late" })).toBe(false);
    expect(readGeneration(directory.path, "state")).toEqual({ number: 3, text: "2" });
    expect(readdirSync(directory.path)).toEqual(["state.3.json"]);
  });

  it("are not mixed up with other files", () => {
    using directory = made();
    for (const name of ["state.json", "state.x.json", "state.7.json.bak", "other.9.json", "state.1.2.json"])
      writeFileSync(join(directory.path, name), "x");
    expect(readGeneration(directory.path, "state")).toBeUndefined();
    writeGeneration(directory.path, "state", { number: 0, text: "one" });
    expect(readGeneration(directory.path, "state")?.text).toBe("one");
    expect(readdirSync(directory.path)).toHaveLength(6);
  });

  it("can be read while another process writes them", async () => {
    using directory = made();
    writeGeneration(directory.path, "state", { number: 0, text: "1" });
    const code = `process.stdout.write("x"); for (let number = 1; ; number += 1) ca.writeGeneration(directory, "state", { number, text: String(number + 1) });`;
    const child = startInOtherProcess("private-files.ts", code, [directory.path]);
    try {
      if (child.stdout) await once(child.stdout, "data");
      let last = 0;
      // Until a number of generations has gone by under the reader's hands.
      for (let reads = 0; last < 300 && child.exitCode === null; reads += 1) {
        const read = readGeneration(directory.path, "state");
        if (read?.text !== String(read?.number) || read.number < last)
          throw new Error(`read ${read?.text} as generation ${read?.number} after ${last}`);
        last = read.number;
        if (reads % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      expect(child.exitCode).toBeNull();
    } finally {
      child.kill("SIGKILL");
      await once(child, "close");
    }
  });

  it("say what is wrong when the disk refuses, and leave nothing", () => {
    using directory = made();
    rmSync(directory.path, { recursive: true });
    expect(() => writeGeneration(directory.path, "state", { number: 0, text: "" })).toThrow(Unavailable);
    expect(() => readGeneration(directory.path, "state")).toThrow(BadInput);
    const file = join(dirname(directory.path), "file");
    writeFileSync(file, "");
    expect(() => requirePrivateDirectory(join(file, "below"))).toThrow(Unavailable);
    expect(existsSync(directory.path)).toBe(false);
  });
});

describe("private files", () => {
  it("are judged by what a link leads to", () => {
    using directory = made();
    const [file, link] = ["file", "link"].map((name) => join(directory.path, name));
    writeFileSync(file ?? "", "x", { mode: 0o644 });
    chmodSync(file ?? "", 0o644);
    symlinkSync(file ?? "", link ?? "");
    expect(() => readPrivateFile(link ?? "")).toThrow(UserError);
    expect(() => readPrivateFile(join(directory.path, "none"))).toThrow(BadInput);
  });

  it("are refused when the folder was made wide before", () => {
    using directory = temporaryDirectory();
    mkdirSync(directory.path);
    chmodSync(directory.path, 0o755);
    expect(() => requirePrivateDirectory(directory.path)).toThrow(UserError);
  });
});
