// What the HTTP server asks the control plane for Lateen's own routes; app implements it.

import type { AccessQuestion } from "../analyze/access/answer-access.ts";
import type { AcknowledgedReply, DiagnosticList, MeshStatus, NamesReply, ProxyList } from "./contract.ts";
import type { EdgeList, EdgesQuery } from "./edges-contract.ts";
import type { AccessReply, AuthorityView, PodDescription, RenewalView } from "./security-contract.ts";

/** What the control plane tells about itself; app implements it, server.ts serves it. */
export interface MeshView {
  status(): MeshStatus;
  proxies(): ProxyList;
  diagnostics(): DiagnosticList;
  access(question: AccessQuestion): AccessReply;
  /** @throws NotFound when there is no such pod. */
  describePod(namespace: string, name: string): PodDescription;
  /** Answers at once. @throws Unavailable before the first mesh is made. */
  edges(query: EdgesQuery): EdgeList;
  authority(): AuthorityView;
  /** Begins a root rotation; it goes on by itself, `authority` shows how far. @throws Conflict while one is under way, MeshError for plug-in files. */
  rotateRoot(): AuthorityView;
  /** Renews every workload certificate, whatever its age. */
  renewCertificates(): RenewalView;
  /** Calls a rotation off while the old root is still trusted by all; later it changes nothing. */
  abortRootRotation(): AuthorityView;
  /** Resolves with the table as soon as its version is another than `after`, or at the time-out. */
  names(after: string, options: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<NamesReply>;
  /** Resolves as AcknowledgedReply says; never rejects on time-out. */
  waitAcknowledged(revision: number, options: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<AcknowledgedReply>;
}
