import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { PushQueue } from "./push-queue.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function queue(): { readonly queue: PushQueue; readonly pushes: number[] } {
  const pushes: number[] = [];
  const now = () => Date.now();
  const start = now();
  return { queue: new PushQueue({ push: () => pushes.push(now() - start), now }), pushes };
}

test("structure goes at once, then at most every 100 ms, and the last change is never lost", () => {
  const { queue: q, pushes } = queue();
  for (let ms = 0; ms <= 250; ms += 10) {
    q.changed("structure");
    vi.advanceTimersByTime(10);
  }
  vi.advanceTimersByTime(1000);
  expect(pushes).toEqual([0, 100, 200, 300]);
  q.changed("structure");
  expect(pushes.at(-1)).toBe(1260);
});

test("weights and endpoints never wait", () => {
  const { queue: q, pushes } = queue();
  q.changed("structure");
  q.changed("structure");
  q.changed("immediate");
  q.changed("immediate");
  expect(pushes).toEqual([0, 0, 0]);
  q.close();
  vi.advanceTimersByTime(1000);
  expect(pushes).toHaveLength(3);
});
