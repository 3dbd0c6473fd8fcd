// A live view goes on when somebody goes, and ends at once for a name that was nobody's from the start; what `lateen stat` asks for.

import pc from "picocolors";
import { expect, test } from "vitest";
import type { StatReply } from "../http/telemetry-contract.ts";
import { NotFound } from "../lib/errors.ts";
import { drawStat } from "./stat-live.ts";
import { statRequestOf } from "./stat-request.ts";

const gone = new NotFound("there is no service web");
const reply: StatReply = {
  version: 1,
  by: "service",
  reporter: "client",
  windowMs: 1000,
  asOf: "2026-01-01T00:00:00Z",
  collectingMs: 1000,
  proxies: { total: 0, silent: [] },
  rows: [],
};

async function drawn(answers: readonly (StatReply | NotFound)[]): Promise<readonly string[]> {
  const out: string[] = [];
  const abort = new AbortController();
  const left = [...answers];
  const stat = async () => {
    const answer = left.shift();
    if (left.length === 0) abort.abort();
    if (answer === undefined || answer instanceof NotFound) throw answer ?? gone;
    return answer;
  };
  const print = (text: string) => void out.push(text);
  const terminal = { out: print, err: print, raw: print, colours: pc.createColors(false), isTty: false, columns: 80 };
  await drawStat({ client: { stat }, request: {}, lines: () => ["numbers"] }, { terminal, signal: abort.signal });
  return out;
}

test("who goes while somebody watches is said below the last numbers", async () => {
  expect(await drawn([reply, gone])).toEqual(["numbers", "numbers\nthere is no service web"]);
});

test("a name of nobody ends it at once", async () => {
  await expect(drawn([gone, reply])).rejects.toBe(gone);
});

test("a name may follow its kind with a slash, and its namespace too", () => {
  expect(statRequestOf(["versions/web"], {})).toMatchObject({ by: "version", name: "web" });
  expect(statRequestOf(["services/shop/web"], {})).toMatchObject({ by: "service", name: "shop/web" });
  expect(statRequestOf(["services", "shop/web"], {})).toMatchObject({ by: "service", name: "shop/web" });
  expect(() => statRequestOf(["web"], {})).toThrow(expect.objectContaining({ fix: expect.stringContaining("`lateen stat services web`") }));
});
