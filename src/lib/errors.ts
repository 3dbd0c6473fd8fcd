// The program's thrown errors: a small family with a stable code each, mapped at the edges (HTTP status, exit code).
// What a user can get wrong in a resource is never thrown: that is a Diagnostic (api/diagnostic.ts).

export type ErrorCode =
  | "bad_request"
  | "not_found"
  | "already_exists"
  | "conflict"
  | "gone"
  | "invalid"
  | "unavailable"
  | "timeout"
  | "user_error"
  | "usage"
  | "internal";

export interface ErrorOptionsWithFix extends ErrorOptions {
  /** What the reader can do about it, one sentence. */
  readonly fix?: string;
}

/** Node's code of a failed call, such as "ENOENT" or "ERR_TLS_CERT_ALTNAME_INVALID"; undefined where an error has none. */
export function codeOf(error: unknown): string | undefined {
  return typeof error === "object" && error !== null && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** An error with a stable code; everything the program throws on purpose is one. */
export class MeshError extends Error {
  readonly code: ErrorCode;
  readonly fix: string | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptionsWithFix = {}) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.fix = options.fix;
  }

  /** Turns whatever was caught into a MeshError; unknown things become `internal` with the original as cause. */
  static from(value: unknown): MeshError {
    if (value instanceof MeshError) return value;
    if (value instanceof Error) return new MeshError("internal", value.message, { cause: value });
    return new MeshError("internal", String(value));
  }
}

/** A mistake of the person at the command line or in a file; printed without a stack. */
export class UserError extends MeshError {
  constructor(message: string, options: ErrorOptionsWithFix = {}) {
    super("user_error", message, options);
  }
}

/** A command line that can't be understood (exit code 64). */
export class UsageError extends MeshError {
  constructor(message: string, options: ErrorOptionsWithFix = {}) {
    super("usage", message, options);
  }
}

/** A file that can't be read or holds nothing usable (exit code 65). */
export class BadInput extends MeshError {
  constructor(message: string, options: ErrorOptionsWithFix = {}) {
    super("invalid", message, options);
  }
}

/** The named thing does not exist (HTTP 404). */
export class NotFound extends MeshError {
  constructor(message: string, options: ErrorOptionsWithFix = {}) {
    super("not_found", message, options);
  }
}

/** The write was based on an older state (HTTP 409). */
export class Conflict extends MeshError {
  constructor(message: string, options: ErrorOptionsWithFix = {}) {
    super("conflict", message, options);
  }
}

/** The other side can't be reached or is not ready (HTTP 503). */
export class Unavailable extends MeshError {
  constructor(message: string, options: ErrorOptionsWithFix = {}) {
    super("unavailable", message, options);
  }
}
