// The second start of `npm run demo`: time from the command to the first request that the shop answers, seen from outside.

import { request } from "node:http";
import { z } from "zod";
import { shopHost, shopPath } from "../../src/app/demo/shop.ts";
import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";
import { rounded, summaryOf } from "./numbers.ts";
import { startProcess, stopProcess, temporaryFolder } from "./workspace.ts";

const target = { firstAnswerSeconds: 5 };
const runs = { full: 5, quick: 1 };
const startMs = 60_000;

const reportSchema = z.object({ startSeconds: z.number(), meshedSeconds: z.number(), requests: z.number(), failures: z.number() });

async function run(context: BenchContext): Promise<Outcome> {
  const count = context.quick ? runs.quick : runs.full;
  // The first start only makes sure that all set-up is done.
  await oneStart(context);
  const samples = [];
  for (let index = 0; index < count; index += 1) {
    const sample = await oneStart(context);
    context.progress(`start ${index + 1} of ${count}: ${rounded(sample.firstAnswerSeconds)} s`);
    samples.push(sample);
  }
  const measured = {
    firstAnswerSeconds: summaryOf(samples.map(({ firstAnswerSeconds }) => firstAnswerSeconds)),
    /** As the demo itself reports them: from the command inside npm, and from the first pod to the last one ready. */
    startSeconds: summaryOf(samples.map(({ startSeconds }) => startSeconds)),
    meshedSeconds: summaryOf(samples.map(({ meshedSeconds }) => meshedSeconds)),
    requests: samples.reduce((sum, { requests }) => sum + requests, 0),
    failures: samples.reduce((sum, { failures }) => sum + failures, 0),
  };
  return { measured, reached: { firstAnswerSeconds: measured.firstAnswerSeconds.median < target.firstAnswerSeconds } };
}

async function oneStart(context: BenchContext) {
  const home = temporaryFolder(context);
  const env = { ...process.env, XDG_RUNTIME_DIR: home, NO_COLOR: "1" };
  const start = performance.now();
  const args = ["run", "-s", "demo", "--", "--for", "1s", "--output", "json", "--port", "0"];
  const child = startProcess(["npm", ...args], { cwd: context.root, env, stdio: ["ignore", "pipe", "pipe"], whenOrphaned: "TERM" });
  context.cleanup.defer(() => stopProcess(child, "SIGTERM"));
  let out = "";
  let said = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    out += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const port = await new Promise<number>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the demo did not start: ${said}`)), startMs);
    child.stderr?.on("data", (chunk: Buffer) => {
      said += chunk;
      const found = /gateway: http:\/\/127\.0\.0\.1:(\d+)/.exec(said)?.[1];
      if (found === undefined) return;
      clearTimeout(timer);
      resolve(Number(found));
    });
    void ended.then((code) => reject(new Error(`the demo ended with ${code}: ${said}`)));
  });
  while (!(await isAnswered(port))) if (performance.now() - start > startMs) throw new Error("the shop does not answer");
  const firstAnswerSeconds = (performance.now() - start) / 1000;
  await ended;
  return { firstAnswerSeconds, ...reportSchema.parse(JSON.parse(out.trim().split("\n").at(-1) ?? "")) };
}

function isAnswered(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ host: "127.0.0.1", port, path: shopPath, headers: { host: shopHost }, agent: false }, (response) => {
      response.resume();
      response.once("end", () => resolve(response.statusCode === 200));
    });
    asked.once("error", () => resolve(false));
    asked.end();
  });
}

export const benchmark: Benchmark = {
  name: "start-again",
  summary: "the second start of `npm run demo`: time to the first answered request",
  target,
  run,
};
