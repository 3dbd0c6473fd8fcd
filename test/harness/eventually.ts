// Waiting for a condition instead of sleeping: asked again and again until it holds or the deadline has passed.

const pollMs = 25;

/** Resolves as soon as `condition` is true. @throws Error at the deadline, or whatever the condition throws. */
export async function eventually(condition: () => boolean | Promise<boolean>, timeoutMs = 30_000, what = "the condition"): Promise<void> {
  const until = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > until) throw new Error(`${what} did not hold within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
