// Checks of ConfigMap and Secret: keys can be file names, what claims to be base64 is, and the mesh's settings can be read.

import { type FieldPath, printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import { meshConfigPlace, parseMeshConfig } from "../mesh-config.ts";
import { invalidName } from "../names.ts";
import type { ConfigMap } from "./config-map.ts";
import type { Secret } from "./secret.ts";

type Texts = Readonly<Record<string, string>>;

/** All findings of one ConfigMap. */
export function checkConfigMap({ metadata, data, binaryData }: ConfigMap): readonly Finding[] {
  const twice = Object.keys(binaryData).filter((key) => Object.hasOwn(data, key));
  return [
    ...checkKeys(data, ["data"]),
    ...checkKeys(binaryData, ["binaryData"]),
    ...checkBase64(binaryData, ["binaryData"]),
    ...twice.map((key) => ({
      code: "LTN0610" as const,
      path: ["binaryData", key],
      message: `the key ${JSON.stringify(key.slice(0, 80))} stands in data and binaryData`,
      fix: "Keep one of them.",
    })),
    ...(metadata.namespace === meshConfigPlace.namespace && metadata.name === meshConfigPlace.name ? checkMeshConfig(data) : []),
  ];
}

/** A mistake in them must not be stored: all proxies would fall back to the defaults, identities and what may leave the mesh included. */
function checkMeshConfig(data: Texts): readonly Finding[] {
  const text = Object.hasOwn(data, meshConfigPlace.key) ? data[meshConfigPlace.key] : undefined;
  return parseMeshConfig(text ?? "")
    .diagnostics.filter(({ severity }) => severity === "error")
    .map(({ path, message, fix }) => ({ code: "LTN0901", path: ["data", meshConfigPlace.key], message: `${path}: ${message}`, fix }));
}

/** All findings of one Secret; values are never repeated in messages. */
export function checkSecret({ data, stringData }: Secret): readonly Finding[] {
  return [...checkKeys(data, ["data"]), ...checkKeys(stringData, ["stringData"]), ...checkBase64(data, ["data"])];
}

function checkKeys(map: Texts, path: FieldPath): readonly Finding[] {
  return Object.keys(map)
    .filter((key) => key.length > 253 || !/^[-._a-zA-Z0-9]+$/.test(key) || key === "." || key === "..")
    .map((key) => invalidName([...path, key], key, "Use letters, digits, '-', '_' and '.'."));
}

function checkBase64(map: Texts, path: FieldPath): readonly Finding[] {
  return Object.entries(map)
    .filter(([, value]) => !isBase64(value))
    .map(([key]) => {
      const at = [...path, key];
      return { code: "LTN0611" as const, path: at, message: `\`${printPath(at)}\` is not base64` };
    });
}

function isBase64(text: string): boolean {
  const compact = text.replace(/[\r\n]/g, "");
  return compact.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(compact);
}
