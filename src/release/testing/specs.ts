// Specs of releases that scenarios share: evidence comes soon, steps are short.

/** Wide, so that evidence comes soon. */
export const wide = { metrics: [{ name: "errors", margin: { ratio: 1.5, plus: 0.05 } }] };

/** Of a step: as short as one may be and still be judged. */
export const quick = { for: "3s" };

/** A tenth, a half, everybody. */
export const canary = {
  analysis: wide,
  steps: [
    { setWeight: 10, ...quick },
    { setWeight: 50, ...quick },
  ],
  warm: "20s",
};
