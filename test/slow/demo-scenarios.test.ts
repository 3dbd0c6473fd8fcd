// Every scenario of the demo: it ends by itself, as it should, with one object that says so.

import { expect, it } from "vitest";
import { scenarioNames } from "../../src/app/demo/scenarios/play.ts";
import { finishDemo, scenarioEnd, startDemoProcess } from "../harness/demo-process.ts";

it.each(scenarioNames.filter((name) => name !== "canary"))("%s", async (name) => {
  const run = startDemoProcess(["--scenario", name, "--rate", "60", "--output", "json"]);
  try {
    const code = await run.exited;
    const end = scenarioEnd(run);
    expect(
      end.promises.filter(({ kept }) => !kept),
      run.stderr(),
    ).toEqual([]);
    expect(end.releases.length).toBeGreaterThan(0);
    expect(code).toBe(0);
  } finally {
    await finishDemo(run);
  }
});
