// Header values that Envoy fills in per request. One wrong command and Envoy refuses the whole table of routes, so they are checked here.

import { type FieldPath, printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import { unknownCommand } from "../substitution-format.ts";

/** Checks the commands of a header value; "%%" is a percent sign. */
export function checkHeaderFormat(value: string, path: FieldPath): readonly Finding[] {
  const unknown = unknownCommand(value);
  if (unknown === undefined) return [];
  const message = `\`${printPath(path)}\`: ${JSON.stringify(unknown)} is no command that Envoy knows`;
  return [{ code: "LTN0213", path, message, fix: 'Write "%%" for a percent sign, or for example "%REQ(x-user)%".' }];
}
