// Checks that several networking kinds share: hosts, ports, weights, percentages, patterns, durations, protocols.

import type { DurationMs } from "../../lib/duration.ts";
import { type FieldPath, printPath } from "../../lib/field-path.ts";
import { compilePattern } from "../../lib/re2.ts";
import type { Finding } from "../finding.ts";
import { isHostPattern } from "../names.ts";
import { envoyProgramSize } from "./pattern-size.ts";

/** re2.max_program_size.error_level of our bootstrap, Istio's value; Envoy refuses larger patterns. */
export const maxProgramSize = 32_768;

/** A pattern of the user: RE2 must take it, and Envoy's size limit. */
export function checkPattern(pattern: string, path: FieldPath): readonly Finding[] {
  const name = printPath(path);
  if (pattern === "") return [{ code: "LTN0207", path, message: `\`${name}\` is empty`, fix: 'Write a pattern, for example ".*".' }];
  if (pattern.length > maxProgramSize) return [tooLarge(path)];
  const result = compilePattern(pattern);
  if (!result.ok) return [{ code: "LTN0207", path, message: `\`${name}\` is no RE2 pattern: ${result.reason.slice(0, 200)}` }];
  return envoyProgramSize(pattern, result.pattern.programSize) > maxProgramSize ? [tooLarge(path)] : [];
}

function tooLarge(path: FieldPath): Finding {
  const message = `\`${printPath(path)}\` compiles to more than the ${maxProgramSize} instructions that Envoy accepts`;
  return { code: "LTN0207", path, message, fix: "Shorten the pattern or split it into several matches." };
}

/** A share of 0 to 100. */
export function checkPercent(value: number | undefined, path: FieldPath): readonly Finding[] {
  if (value === undefined || (value >= 0 && value <= 100)) return [];
  return [{ code: "LTN0209", path, message: `\`${printPath(path)}\` is ${value}` }];
}

/** A time that must be at least a millisecond; unset is fine. */
export function checkAtLeastOneMs(value: DurationMs | undefined, path: FieldPath): readonly Finding[] {
  if (value === undefined || value >= 1) return [];
  return [{ code: "LTN0211", path, message: `\`${printPath(path)}\` is shorter than 1 ms` }];
}

/** A time that may be 0 but not negative; unset is fine. */
export function checkNotNegative(value: DurationMs | undefined, path: FieldPath): readonly Finding[] {
  if (value === undefined || value >= 0) return [];
  return [{ code: "LTN0211", path, message: `\`${printPath(path)}\` is negative`, fix: "Write 0s or more." }];
}

/** Weights of one route: none negative, not all zero; one destination alone needs none. */
export function checkWeights(weights: readonly (number | undefined)[], path: FieldPath): readonly Finding[] {
  const negative = weights.flatMap((weight, index) => (weight !== undefined && weight < 0 ? [{ weight, index }] : []));
  if (negative.length > 0) {
    return negative.map(({ weight, index }) => {
      const at = [...path, index, "weight"];
      return {
        code: "LTN0206" as const,
        path: at,
        message: `\`${printPath(at)}\` is ${weight}`,
        fix: "Use 0 or more; weights are relative shares.",
      };
    });
  }
  if (weights.length < 2 || weights.some((weight) => (weight ?? 0) > 0)) return [];
  return [
    {
      code: "LTN0206",
      path,
      message: `all weights of \`${printPath(path)}\` are 0`,
      fix: "Give at least one destination a weight above 0.",
    },
  ];
}

/** A host or wildcard. */
export function checkHostPattern(host: string, path: FieldPath): readonly Finding[] {
  if (isHostPattern(host)) return [];
  const message = `\`${printPath(path)}\`: ${JSON.stringify(host.slice(0, 80))} is not a host`;
  return [{ code: "LTN0202", path, message, fix: hostFix(host) }];
}

function hostFix(host: string): string {
  if (/^[a-z]+:\/\//i.test(host)) return `Leave out the scheme: ${host.replace(/^[a-z]+:\/\//i, "").replace(/[/:].*$/, "")}.`;
  if (/:\d+$/.test(host)) return `Leave out the port: ${host.replace(/:\d+$/, "")}.`;
  return 'Write a service name, a full DNS name, or a wildcard such as "*.example.com".';
}

/** Protocols of Gateway servers and ServiceEntry ports (Istio's protocol.Parse). */
const protocols: ReadonlySet<string> = new Set(["HTTP", "HTTPS", "GRPC", "GRPC-WEB", "HTTP2", "MONGO", "REDIS", "MYSQL", "TCP", "TLS"]);

/** Protocol names of Istio, in any case. */
export function checkProtocol(protocol: string, path: FieldPath): readonly Finding[] {
  if (protocols.has(protocol.toUpperCase())) return [];
  const message = `\`${printPath(path)}\`: ${JSON.stringify(protocol.slice(0, 40))} is not a protocol`;
  return [{ code: "LTN0404", path, message, fix: `Use one of ${[...protocols].join(", ")}.` }];
}
