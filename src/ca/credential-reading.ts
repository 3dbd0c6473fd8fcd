// What the readers of certificates, keys and CAs that users bring take and give. Types only.

/** Why something can't be used, or will be trouble. */
export interface CredentialProblem {
  /** Cause, without a subject's name before it: "tls.crt holds no PEM certificate". */
  readonly message: string;
  readonly fix: string;
}

export type Reading<Value> =
  /** `flaws` don't keep it from being served. */
  { readonly value: Value; readonly flaws: readonly CredentialProblem[] } | { readonly problem: CredentialProblem };

/** A text with the name it has in its Secret. */
export interface NamedText {
  readonly where: string;
  readonly text: string;
}
