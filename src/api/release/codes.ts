// The codes of Releases, ReleaseRuns and FeatureFlags: rows of the table in ../codes.ts.

import { type CodeEntry, error, warning } from "../code-entry.ts";

/** LTN11xx. */
export const releaseCodes = {
  LTN1101: error("not one kind of step", "A step of a Release does exactly one thing.", "Give each step exactly one kind."),
  LTN1102: error("strategy and steps", "A Release has a named strategy or its own steps.", "Remove one of the two."),
  LTN1103: error(
    "release misses something",
    "A Release, or one of its parts, can't be carried out as it is written: something is missing or stands there twice.",
    "Add what is named, or correct it.",
  ),
  LTN1104: error("share out of bounds", "Shares are steps of 0.01 percent and add up to at most 100.", "Correct the percentages."),
  LTN1105: warning(
    "share doesn't grow",
    "A step of a Release gives the new version no more than the step before: people who had it would lose it.",
    "Let the shares grow.",
  ),
  LTN1106: error(
    "invalid freeze window",
    "A freeze window begins at a cron time of five fields in a timezone, and lasts at most 31 days.",
    'Write for example {cron: "0 18 * * FRI", for: 60h}.',
  ),
  LTN1107: error("invalid metric", "A Release is judged by rates that are measured, each with a margin.", "Correct the metric."),
  LTN1108: warning(
    "copies of writes are writes",
    "Mirrored requests reach the new version as if they were real: what they write is written.",
    "Mirror reads only, or give the new version a store of its own.",
  ),
  LTN1109: error(
    "users can't be told apart",
    "A share of users needs exactly one thing that tells one user from another: a cookie, a header or a claim.",
    "Give sticky exactly one of cookie, header, claim.",
  ),
  LTN1110: error("invalid feature flag", "A FeatureFlag's key, variants or rules don't fit together.", "Correct the field named."),
  LTN1111: warning(
    "chosen people without a limit",
    "People chosen by a condition aren't average users, so comparing them with everybody says little: absolute limits judge instead.",
    "Set spec.analysis.limits.",
  ),
  LTN1112: error(
    "invalid webhook",
    "A Release tells its transitions to at most ten http or https addresses, which contain no password.",
    "Correct the address.",
  ),
} as const satisfies Readonly<Record<string, CodeEntry>>;
