// Every code a Diagnostic can bear: what it means and what to do. Codes are never reused; a test compares this table with its uses.

import type { CodeEntry } from "./code-entry.ts";
import { kubernetesCodes } from "./codes/kubernetes.ts";
import { manifestCodes } from "./codes/manifests.ts";
import { networkingCodes } from "./codes/networking.ts";
import { operationCodes } from "./codes/operation.ts";
import { relationCodes } from "./codes/relations.ts";
import { securityCodes } from "./codes/security.ts";
import { telemetryCodes } from "./codes/telemetry.ts";
import { releaseCodes } from "./release/codes.ts";

export type { CodeEntry } from "./code-entry.ts";

export const codes = {
  ...manifestCodes,
  ...networkingCodes,
  ...kubernetesCodes,
  ...relationCodes,
  ...securityCodes,
  ...operationCodes,
  ...releaseCodes,
  ...telemetryCodes,
} as const satisfies Readonly<Record<string, CodeEntry>>;

export type Code = keyof typeof codes;

/** Narrows a text to a known code. */
export function isCode(text: unknown): text is Code {
  return typeof text === "string" && Object.hasOwn(codes, text);
}
