// When certificates are renewed: pure decisions on times, no clock of their own.

/** Since when and until when something is good. */
export interface Life {
  readonly issuedAtMs: number;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export type Renewal =
  | { readonly kind: "renew"; readonly reason: "due" | "not yet valid" | "other root" }
  | { readonly kind: "wait"; readonly untilMs: number };

/** Share of its life after which a certificate is renewed (Istio's `SECRET_GRACE_PERIOD_RATIO`: 0.5). */
const renewalRatio = 0.5;
/** Jitter to both sides as a share of the life (Istio's `SECRET_GRACE_PERIOD_RATIO_JITTER`: 0.01). */
const jitterRatio = 0.01;
/** A self-signed root is replaced when this share of its life is left (Istio's `CITADEL_SELF_SIGNED_ROOT_CERT_GRACE_PERIOD_PERCENTILE`: 20 %). */
const rootRemainder = 0.2;

/**
 * When a certificate is to be renewed: at half its life from the moment it was made, ± 1 % of that life.
 *
 * @param random in [0, 1), drawn once per certificate so that those made together aren't renewed together
 */
export function renewalTimeOf({ issuedAtMs, notAfterMs }: Life, random: number): number {
  return issuedAtMs + (notAfterMs - issuedAtMs) * (renewalRatio + jitterRatio * (2 * random - 1));
}

/** Whether a certificate is renewed now; one that isn't valid yet is, because the clock was set back. */
export function decideRenewal(life: Life, random: number, nowMs: number): Renewal {
  if (nowMs < life.notBeforeMs) return { kind: "renew", reason: "not yet valid" };
  const untilMs = renewalTimeOf(life, random);
  return nowMs >= untilMs ? { kind: "renew", reason: "due" } : { kind: "wait", untilMs };
}

/** As decideRenewal, and at once for a leaf of another root than the one that signs now: a root rotation waits for it. */
export function decideLeafRenewal(
  leaf: Life & { readonly root: string },
  signingRoot: string,
  { random, nowMs }: { readonly random: number; readonly nowMs: number },
): Renewal {
  return leaf.root === signingRoot ? decideRenewal(leaf, random, nowMs) : { kind: "renew", reason: "other root" };
}

/** When the intermediate is replaced: at half its life, which leaves more than any leaf may live. Nobody has to be asked: its leaves carry it. */
export function decideIntermediateRenewal(life: Life, nowMs: number): Renewal {
  return decideRenewal(life, 0.5, nowMs);
}

/** When a root rotation should begin by itself: with a fifth of the root's life left. */
export function decideRootRenewal({ notBeforeMs, notAfterMs }: Life, nowMs: number): Renewal {
  const untilMs = notAfterMs - (notAfterMs - notBeforeMs) * rootRemainder;
  return nowMs >= untilMs ? { kind: "renew", reason: "due" } : { kind: "wait", untilMs };
}
