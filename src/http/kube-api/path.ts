// Kubernetes' URL paths to what they name: /api/v1/namespaces/default/pods/web/status and its kin. Pure.

export interface ResourcePath {
  /** "" for the core group. */
  readonly group: string;
  readonly version: string;
  readonly namespace: string | undefined;
  readonly plural: string;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

/** Reads a path without query; undefined when it names no resource (discovery, nonsense, broken escapes). */
export function parseResourcePath(path: string): ResourcePath | undefined {
  const segments = decodedSegments(path);
  if (segments === undefined) return undefined;
  const [root, ...rest] = segments;
  if (root === "api" && rest[0] === "v1") return withinVersion("", "v1", rest.slice(1));
  if (root === "apis" && rest.length > 2) return withinVersion(rest[0] ?? "", rest[1] ?? "", rest.slice(2));
  return undefined;
}

function decodedSegments(path: string): string[] | undefined {
  try {
    const segments = path.split("/").slice(1).map(decodeURIComponent);
    return segments.some((segment) => segment === "" || segment.includes("/") || segment.includes("\u0000")) ? undefined : segments;
  } catch {
    return undefined;
  }
}

function withinVersion(group: string, version: string, segments: readonly string[]): ResourcePath | undefined {
  const [first, second, third, fourth, fifth] = segments;
  if (first === undefined || segments.length > 5) return undefined;
  // "namespaces/<name>" and "namespaces/<name>/status" are about the Namespace itself.
  if (first === "namespaces" && third !== undefined && third !== "status" && third !== "finalize") {
    return { group, version, namespace: second, plural: third, name: fourth, subresource: fifth };
  }
  if (segments.length > 3) return undefined;
  return { group, version, namespace: undefined, plural: first, name: second, subresource: third };
}
