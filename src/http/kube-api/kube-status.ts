// Errors and diagnostics to metav1.Status bodies, the only error format of the whole API.

import type { Diagnostic } from "../../api/diagnostic.ts";
import type { ErrorCode, MeshError } from "../../lib/errors.ts";
import type { KubeStatus, KubeStatusDetails } from "../contract.ts";

interface Reason {
  readonly code: number;
  readonly reason: string;
}

/** HTTP status and Kubernetes' reason (metav1.StatusReason) of each of our error codes. */
const reasons: Readonly<Record<ErrorCode, Reason>> = {
  bad_request: { code: 400, reason: "BadRequest" },
  user_error: { code: 400, reason: "BadRequest" },
  usage: { code: 400, reason: "BadRequest" },
  not_found: { code: 404, reason: "NotFound" },
  already_exists: { code: 409, reason: "AlreadyExists" },
  conflict: { code: 409, reason: "Conflict" },
  gone: { code: 410, reason: "Expired" },
  invalid: { code: 422, reason: "Invalid" },
  unavailable: { code: 503, reason: "ServiceUnavailable" },
  timeout: { code: 504, reason: "Timeout" },
  internal: { code: 500, reason: "InternalError" },
};

/** A failure's body. */
export function failure({ code, reason }: Reason, message: string, details?: KubeStatusDetails): KubeStatus {
  const status = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, code } as const;
  return details === undefined ? status : { ...status, details };
}

/** The body for a thrown error: message and fix in one text, as kubectl prints only the message. */
export function failureOf(error: MeshError, details?: KubeStatusDetails): KubeStatus {
  const text = error.fix === undefined ? error.message : `${error.message}. ${error.fix}`;
  return failure(reasons[error.code], text, details);
}

/** The body of 422 Invalid: one cause per error. */
export function invalid(diagnostics: readonly Diagnostic[], object: { readonly kind: string; readonly name: string }): KubeStatus {
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  const causes = errors.map((diagnostic) => ({
    reason: "FieldValueInvalid",
    message: diagnosticText(diagnostic),
    field: diagnostic.path,
  }));
  const list = errors
    .map((diagnostic) => `${diagnostic.path === "" ? "" : `${diagnostic.path}: `}${diagnosticText(diagnostic)}`)
    .join("; ");
  const message = `${object.kind} "${object.name}" is invalid: ${list}`;
  return failure(reasons.invalid, message, { ...object, causes, diagnostics });
}

/** "message. fix (code)": what fits where only one text is shown. */
export function diagnosticText({ message, fix, code }: Diagnostic): string {
  return `${message}. ${fix} (${code})`;
}

/** The body of a delete that is done. */
export function success(details: KubeStatusDetails): KubeStatus {
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", message: "deleted", code: 200, details };
}
