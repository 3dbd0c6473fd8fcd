// Names as Kubernetes, DNS and HTTP allow them: checks that say what is wrong with one.

import type { FieldPath } from "../lib/field-path.ts";
import { printPath } from "../lib/field-path.ts";
import type { Code } from "./codes.ts";
import type { Finding } from "./finding.ts";
import { isIp } from "./ip.ts";
import type { ObjectMeta } from "./resource.ts";

/** DNS-1123 label: at most 63 of lower-case letters, digits and "-", beginning and ending with a letter or digit. */
export function isDnsLabel(text: string): boolean {
  return text.length <= 63 && /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/.test(text);
}

/** DNS-1035 label: as above, beginning with a letter. */
export function isDnsLabelWithLetter(text: string): boolean {
  return isDnsLabel(text) && /^[a-z]/.test(text);
}

/** DNS-1123 subdomain: labels joined by dots, at most 253 characters. */
export function isDnsSubdomain(text: string): boolean {
  return text.length <= 253 && text.split(".").every(isDnsLabel);
}

/** RFC 9110 token: what a header may be called. */
export function isHeaderName(text: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text);
}

/** True for a concrete host: DNS name of any case (underscores are seen in the wild), or an IP address. */
export function isHostName(text: string): boolean {
  if (isIp(text)) return true;
  const name = text.endsWith(".") ? text.slice(0, -1) : text;
  return name.length <= 253 && name.split(".").every((label) => /^[a-zA-Z0-9_](?:[-a-zA-Z0-9_]{0,61}[a-zA-Z0-9_])?$/.test(label));
}

/** True for a host, "*", or "*.suffix" (Istio also takes "*-name.suffix"). */
export function isHostPattern(text: string): boolean {
  if (text === "*") return true;
  if (text.startsWith("*.")) return isHostName(text.slice(2)) && !isIp(text.slice(2));
  if (text.startsWith("*-")) return isHostName(`x${text.slice(1)}`);
  return isHostName(text);
}

/** How an object of a kind may be called. */
export type NameRule = "subdomain" | "label" | "labelWithLetter";

const nameRules: Readonly<Record<NameRule, { readonly holds: (text: string) => boolean; readonly words: string }>> = {
  subdomain: { holds: isDnsSubdomain, words: "lower-case letters, digits, '-' and '.' (at most 253)" },
  label: { holds: isDnsLabel, words: "lower-case letters, digits and '-' (at most 63)" },
  labelWithLetter: { holds: isDnsLabelWithLetter, words: "lower-case letters, digits and '-' (at most 63), beginning with a letter" },
};

/** Name, namespace and labels of an object. */
export function checkMetadata(metadata: ObjectMeta, rule: NameRule): readonly Finding[] {
  const { holds, words } = nameRules[rule];
  const at = ["metadata"];
  const name = holds(metadata.name) ? [] : [invalidName([...at, "name"], metadata.name, `Use ${words}.`)];
  const { namespace } = metadata;
  const badNamespace = namespace !== undefined && !isDnsLabel(namespace);
  const namespaceFindings = badNamespace ? [invalidName([...at, "namespace"], namespace, `Use ${nameRules.label.words}.`)] : [];
  return [
    ...name,
    ...namespaceFindings,
    ...checkLabels(metadata.labels, [...at, "labels"]),
    ...checkKeys(metadata.annotations, [...at, "annotations"]),
  ];
}

/** Keys and values of labels (Kubernetes' label syntax). */
export function checkLabels(labels: Readonly<Record<string, string>>, path: FieldPath): readonly Finding[] {
  const values = Object.entries(labels)
    .filter(([, value]) => value !== "" && !isQualifiedPart(value))
    .map(([key, value]) =>
      invalidName([...path, key], value, "Use at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit."),
    );
  return [...checkKeys(labels, path), ...values];
}

function checkKeys(map: Readonly<Record<string, string>>, path: FieldPath): readonly Finding[] {
  return Object.keys(map)
    .filter((key) => !isLabelKey(key))
    .map((key) =>
      invalidName(
        [...path, key],
        key,
        "Use a name of at most 63 letters, digits, '-', '_' and '.', with an optional DNS prefix before '/'.",
      ),
    );
}

function isLabelKey(key: string): boolean {
  const slash = key.indexOf("/");
  if (slash < 0) return isQualifiedPart(key);
  return isDnsSubdomain(key.slice(0, slash)) && isQualifiedPart(key.slice(slash + 1));
}

function isQualifiedPart(text: string): boolean {
  return text.length <= 63 && /^[A-Za-z0-9](?:[-_.A-Za-z0-9]*[A-Za-z0-9])?$/.test(text);
}

/** A finding about a name. */
export function invalidName(path: FieldPath, name: string, fix: string): Finding {
  return { code: "LTN0106", path, message: `\`${printPath(path)}\`: ${JSON.stringify(name.slice(0, 80))} is not a valid name`, fix };
}

/** A finding for each item whose key an earlier one already has. */
export function checkUnique(
  keys: readonly (string | number)[],
  path: (index: number) => FieldPath,
  options: { readonly code: Code; readonly what: string },
): readonly Finding[] {
  return keys.flatMap((key, index) => {
    const first = keys.indexOf(key);
    if (first === index) return [];
    return [
      {
        code: options.code,
        path: path(index),
        message: `${options.what} ${JSON.stringify(key)} is used twice (first in item ${first + 1})`,
        fix: "Remove or rename one of them.",
      },
    ];
  });
}
