// Path templates of an AuthorizationPolicy: "/a/{*}/b/{**}". {*} is one segment, {**} any rest. Rules: Istio pkg/config/security/security.go.

/** True when a path is a template (or looks as if its writer meant one). */
export function isPathTemplate(path: string): boolean {
  return path.includes("{") || path.includes("}");
}

/** What is wrong with a template; undefined when it is one. */
export function pathTemplateProblem(path: string): string | undefined {
  if (!path.startsWith("/")) return "it does not begin with /";
  let sawAny = false;
  for (const segment of path.replace(/^\/+|\/+$/g, "").split("/")) {
    const isOperator = segment === "{*}" || segment === "{**}";
    if (isOperator && sawAny) return "{**} must be the last operator";
    if (segment === "{**}") sawAny = true;
    if (isOperator) continue;
    if (/[{}]/.test(segment)) return "{*} and {**} must each be a whole segment, and other braces are not allowed";
    if (segment.includes("*")) return "it mixes templates with the wildcard *";
    if (!/^[-a-zA-Z0-9._~%!$&'()+,;:@=]*$/.test(segment)) return `${JSON.stringify(segment)} has characters that a path can't have`;
  }
  return undefined;
}
