import { createColors } from "picocolors";
import { expect, test } from "vitest";
import { MeshError } from "../../lib/errors.ts";
import type { OptionValues } from "../command.ts";
import { runTap } from "./tap.ts";

const terminal = { out: () => {}, err: () => {}, raw: () => {}, colours: createColors(false), isTty: false, columns: 80 };
const config = { mesh: "nobody", runDir: "/nonexistent", isNamed: true, logLevel: "info" as const, certificateLifetimeMs: 60_000 };

test.each<[OptionValues, string, RegExp]>([
  [{ status: "ok" }, "usage", /--status: write for example 503/],
  [{ status: "700" }, "usage", /--status/],
  [{ minDuration: "soon" }, "usage", /--min-duration soon is no duration/],
  [{ limit: "0" }, "usage", /--limit 0 is not a number of lines/],
  [{ output: "xml" }, "usage", /no output format "xml"/],
  [{ status: "5XX,404", minDuration: "100ms", limit: "3", output: "jsonl", mirrored: false }, "unavailable", /"nobody" is not running/],
])("%j is %s", async (options, code, message) => {
  const context = { config, terminal, commandStart: 0, env: {}, cwd: "/", signal: new AbortController().signal };
  const error = await runTap({ args: [], options }, context).then(() => undefined, MeshError.from);
  expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
});
