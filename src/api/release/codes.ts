// The codes of Releases, ReleaseRuns and FeatureFlags: rows of the table in ../codes.ts.

import { type CodeEntry, error, info, warning } from "../code-entry.ts";

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
  LTN1121: error(
    "release of an unknown service",
    "No Service of the namespace has the name that a Release or FeatureFlag is for, so it does nothing.",
    "Correct spec.service, or add the Service.",
  ),
  LTN1122: info(
    "version that isn't there",
    "No pod of the service is of the version that a FeatureFlag's variant or a Release's variant names; nobody can reach it yet.",
    "Correct the version, or deploy it.",
  ),
  LTN1123: error(
    "step without its flag",
    "A step of a Release opens a variant of a FeatureFlag of the same service; there is no such flag or variant, so the step gives nobody the new version.",
    "Correct the names, or add the FeatureFlag.",
  ),
  LTN1124: warning(
    "service with two releases",
    "Of several Releases for one service only the oldest decides anything; the others wait until it is gone.",
    "Remove all but one.",
  ),
  LTN1125: info(
    "route to a version that has no traffic",
    "A VirtualService leads to a version that is neither stable nor the candidate. While there is a Release, what it names is divided like the rest of the service's traffic.",
    "Remove the destination, or the Release if routes shall decide.",
  ),
  LTN1126: warning(
    "callers without a proxy",
    "Traffic is steered by the callers' proxies. What pods without one send reaches any version, whatever steps and flags say, and isn't judged.",
    "Give the pods a sidecar.",
  ),
  LTN1127: warning(
    "service that can't be steered",
    "Clients of a headless or ExternalName Service choose an address by themselves, so no share, condition or flag holds for what they send.",
    "Give the Service a clusterIP, or use the strategy rolling.",
  ),
  LTN1128: warning(
    "two flags with one key",
    "Applications ask by the key within their namespace; of several FeatureFlags with one key the first by name is answered.",
    "Give each a key of its own.",
  ),
  LTN1131: warning(
    "callers that a release can't steer",
    "Requests reach a service in the middle of a release from callers without a proxy, so no step decides which version they get.",
    'Give the callers\' pods a proxy (label istio-injection=enabled on the namespace), or take sidecar.istio.io/inject: "false" off them.',
  ),
  LTN1132: warning(
    "hop that drops baggage",
    "A workload gets requests that say in `baggage` which user they are of, and calls the released service without it: its users' versions are left to chance.",
    "Let the application copy the `baggage` header of a request to the requests that it makes for it, as it does with traceparent.",
  ),
} as const satisfies Readonly<Record<string, CodeEntry>>;
