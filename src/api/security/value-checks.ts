// Checks of single values in an AuthorizationPolicy's lists: wildcards, path templates, ranges, ports, methods, principals.

import { type FieldPath, printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import { isIpOrCidr } from "../ip.ts";
import { isDnsLabel } from "../names.ts";
import { isPathTemplate, pathTemplateProblem } from "./path-template.ts";

export type ValueCheck = (value: string, path: FieldPath) => readonly Finding[];

/** Longer values are nobody's names, and Envoy would refuse the regexes made of them (re2.max_program_size). */
export const maxValueLength = 2048;
/** Each slash of a request principal is a place where the issuer may end, and every place costs a matcher. */
const maxRequestPrincipalSlashes = 32;

/** A text with an optional "*" at one end: exact, prefix, suffix or presence. */
export const checkText: ValueCheck = (value, path) => {
  if (value === "") return [{ code: "LTN0801", path, message: `\`${printPath(path)}\` is empty`, fix: 'Write a value, or "*" for any.' }];
  if (value.length > maxValueLength) {
    const message = `\`${printPath(path)}\` has ${value.length} characters`;
    return [{ code: "LTN0801", path, message, fix: `Use at most ${maxValueLength} characters.` }];
  }
  if (!value.isWellFormed()) return [{ code: "LTN0801", path, message: `\`${printPath(path)}\` is not well-formed Unicode` }];
  if (!value.replace(/^\*|\*$/, "").includes("*")) return [];
  const message = `\`${printPath(path)}\`: the * within ${quoted(value)} is taken literally`;
  return [{ code: "LTN0809", path, message }];
};

/** An IP address or range. */
export const checkBlock: ValueCheck = (value, path) => {
  if (isIpOrCidr(value)) return [];
  return [{ code: "LTN0220", path, message: `\`${printPath(path)}\`: ${quoted(value)} is no address and no range` }];
};

/** A port, written as text. */
export const checkPort: ValueCheck = (value, path) => {
  if (/^[1-9]\d{0,4}$/.test(value) && Number(value) <= 65_535) return [];
  const message = `\`${printPath(path)}\`: ${quoted(value)} is no port`;
  return [{ code: "LTN0105", path, message, fix: 'Write a number of 1 to 65535 as text, for example "8080".' }];
};

/** A method; upper case, because methods are case-sensitive. */
export const checkMethod: ValueCheck = (value, path) => {
  const findings = checkText(value, path);
  if (findings.length > 0 || value === value.toUpperCase()) return findings;
  return [never(value, path, `Write ${quoted(value.toUpperCase())}: methods are case-sensitive.`)];
};

/** A path, compared without query string. */
export const checkPath: ValueCheck = (value, path) => {
  if (isPathTemplate(value) && value.length <= maxValueLength) {
    const problem = pathTemplateProblem(value);
    if (problem === undefined) return [];
    const message = `\`${printPath(path)}\`: ${quoted(value)} is no path template: ${problem}`;
    return [{ code: "LTN0802", path, message }];
  }
  const findings = checkText(value, path);
  if (findings.length > 0 || value.startsWith("*")) return findings;
  if (!value.startsWith("/")) return [never(value, path, "Begin the path with /.")];
  return /[?#]/.test(value) ? [never(value, path, "Leave out the query string: paths are compared without it.")] : [];
};

/** A host, compared in any case; without a port it stands for every port. */
export const checkHost: ValueCheck = (value, path) => {
  const findings = checkText(value, path);
  if (findings.length > 0) return findings;
  // Non-ASCII hosts arrive as xn--; anything else a Host header can't hold.
  return /^[\x21-\x7e]+$/.test(value) ? [] : [never(value, path, "Write international names in their xn-- form.")];
};

/** A principal "<trust domain>/ns/<namespace>/sa/<account>" or a wildcard of it. */
export const checkPrincipal: ValueCheck = (value, path) => {
  const findings = checkText(value, path);
  if (findings.length > 0 || !value.startsWith("spiffe://")) return findings;
  return [never(value, path, `Leave out the scheme: ${quoted(value.slice("spiffe://".length))}.`)];
};

/** "<issuer>/<subject>" or a wildcard of it. */
export const checkRequestPrincipal: ValueCheck = (value, path) => {
  const findings = checkText(value, path);
  if (findings.length > 0 || value.split("/").length - 1 <= maxRequestPrincipalSlashes) return findings;
  const message = `\`${printPath(path)}\` has more than ${maxRequestPrincipalSlashes} slashes`;
  return [{ code: "LTN0801", path, message, fix: 'Write "issuer/subject".' }];
};

/** "<account>" or "<namespace>/<account>", no wildcards (Istio: 320 characters at most). */
export const checkServiceAccount: ValueCheck = (value, path) => {
  const parts = value.split("/");
  const account = parts.at(-1) ?? "";
  const namespace = parts.length === 2 ? (parts[0] ?? "") : "default";
  if (parts.length <= 2 && isDnsLabel(namespace) && account.split(".").every(isDnsLabel) && value.length <= 320) return [];
  const message = `\`${printPath(path)}\`: ${quoted(value)} is no service account`;
  return [{ code: "LTN0801", path, message, fix: 'Write "account" or "namespace/account"; wildcards are not possible here.' }];
};

function never(value: string, path: FieldPath, fix: string): Finding {
  return { code: "LTN0226", path, message: `\`${printPath(path)}\`: no request matches ${quoted(value)}`, fix };
}

function quoted(value: string): string {
  return JSON.stringify(value.slice(0, 80));
}
