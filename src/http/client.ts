// The typed client of the HTTP API, for the node agent and the CLI: Kubernetes' verbs on our kinds, watches that heal, Lateen's own routes.

import type { AccessQuestion } from "../analyze/access/answer-access.ts";
import type { KindName } from "../api/registry.ts";
import { MeshError } from "../lib/errors.ts";
import type { NameTable } from "../model/name-table.ts";
import { isJsonObject, isRawResource } from "../store/json.ts";
import type { RawResource } from "../store/store.ts";
import { sendBatch } from "./client-batch.ts";
import { createFlagsClient, type FlagsClient } from "./client-flags.ts";
import { createReleasesClient } from "./client-releases.ts";
import { tapLines } from "./client-tap.ts";
import { createTracesClient, type TracesClient } from "./client-traces.ts";
import type { ApiClient, ApplyReply, DeleteRequest, ListRequest, ObjectRef, RawList, WriteReply } from "./client-types.ts";
import { watchObjects } from "./client-watch.ts";
import type { AcknowledgedReply, DiagnosticList, MeshStatus, NamesReply, ProxyList } from "./contract.ts";
import type { EdgeList, EdgesRequest } from "./edges-contract.ts";
import type { ProxyMetrics } from "./metrics-contract.ts";
import type { AccessReply, AuthorityView, PodDescription, RenewalView } from "./security-contract.ts";
import type { TapLine, TapQuery } from "./tap-contract.ts";
import type { StatReply, StatRequest } from "./telemetry-contract.ts";
import { type ApiAddress, type ApiRequest, type ApiResponse, Transport } from "./transport.ts";

/** Loaded with all kinds when an object is first asked for: a command that needs none starts quicker. */
const paths = () => import("./object-path.ts");

const namesPollMs = 30_000;
const namesRetryMs = 100;

/** A client; nothing is connected until the first call. */
export function createApiClient(address: ApiAddress): ApiClient {
  return new HttpApiClient(new Transport(address));
}

type OwnRequest = Partial<Pick<ApiRequest, "method" | "body" | "query" | "signal" | "idleMs">>;

class HttpApiClient implements ApiClient {
  readonly #transport: Transport;
  readonly #closing = new AbortController();
  readonly traces: TracesClient;
  readonly flags: FlagsClient;
  readonly releases = createReleasesClient((route, options) => this.#own(route, options));

  constructor(transport: Transport) {
    this.#transport = transport;
    this.traces = createTracesClient(transport);
    this.flags = createFlagsClient(transport);
  }

  async get(ref: ObjectRef): Promise<RawResource> {
    const { objectPath } = await paths();
    return objectIn(await this.#transport.send({ method: "GET", path: objectPath(ref) }));
  }

  async list(kind: KindName, request: ListRequest = {}): Promise<RawList> {
    const { namespace, labelSelector, fieldSelector, signal } = request;
    const query = { labelSelector, fieldSelector };
    const { collectionPath } = await paths();
    return listIn(await this.#transport.send({ method: "GET", path: collectionPath(kind, namespace), query, signal }));
  }

  async *watch(kind: KindName, request: ListRequest = {}) {
    const signal = request.signal === undefined ? this.#closing.signal : AbortSignal.any([request.signal, this.#closing.signal]);
    const list = (): Promise<RawList> => this.list(kind, { ...request, signal });
    const { collectionPath } = await paths();
    yield* watchObjects(this.#transport, { path: collectionPath(kind, request.namespace), list, request, signal });
  }

  async create(raw: RawResource): Promise<WriteReply> {
    const { collectionPath, kindNameOf, versioned } = await paths();
    const path = collectionPath(kindNameOf(raw), raw.metadata.namespace ?? "default");
    return writeIn(await this.#transport.send({ method: "POST", path: versioned(path, raw), body: raw }));
  }

  async update(raw: RawResource): Promise<WriteReply> {
    const { objectPath, refOf, versioned } = await paths();
    return writeIn(await this.#transport.send({ method: "PUT", path: versioned(objectPath(refOf(raw)), raw), body: raw }));
  }

  async updateStatus(raw: RawResource): Promise<WriteReply> {
    const { objectPath, refOf, versioned } = await paths();
    return writeIn(await this.#transport.send({ method: "PUT", path: versioned(`${objectPath(refOf(raw))}/status`, raw), body: raw }));
  }

  async patch(ref: ObjectRef, patch: unknown): Promise<WriteReply> {
    const { objectPath } = await paths();
    return this.#patch(objectPath(ref), patch);
  }

  async patchStatus(ref: ObjectRef, patch: unknown): Promise<WriteReply> {
    const { objectPath } = await paths();
    return this.#patch(`${objectPath(ref)}/status`, patch);
  }

  async apply(raw: RawResource): Promise<ApplyReply> {
    const { objectPath, refOf, versioned } = await paths();
    const path = versioned(objectPath(refOf(raw)), raw);
    const response = await this.#transport.send({ method: "PATCH", path, body: raw, contentType: "application/apply-patch+json" });
    return { ...writeIn(response), created: response.code === 201, changed: response.header("lateen-changed") === "true" };
  }

  async applyAll(raws: readonly RawResource[]): Promise<readonly (ApplyReply | MeshError)[]> {
    const { objectPath, refOf, versioned } = await paths();
    const writes = raws.map((raw) => ({ method: "PATCH", path: versioned(objectPath(refOf(raw)), raw), body: raw }) as const);
    return (await sendBatch(this.#transport, writes)).map((answer) =>
      answer instanceof MeshError ? answer : { ...writeIn(answer), created: answer.code === 201, changed: answer.changed },
    );
  }

  async deleteAll(refs: readonly ObjectRef[]): Promise<readonly (MeshError | undefined)[]> {
    const { objectPath } = await paths();
    const writes = refs.map((ref) => ({ method: "DELETE", path: objectPath(ref), body: {} }) as const);
    return (await sendBatch(this.#transport, writes)).map((answer) => (answer instanceof MeshError ? answer : undefined));
  }

  async delete(ref: ObjectRef, { gracePeriodSeconds, propagationPolicy, uid }: DeleteRequest = {}): Promise<void> {
    const { objectPath } = await paths();
    const body = { kind: "DeleteOptions", apiVersion: "v1", gracePeriodSeconds, propagationPolicy, preconditions: { uid } };
    await this.#transport.send({ method: "DELETE", path: objectPath(ref), body });
  }

  async status(): Promise<MeshStatus> {
    return this.#own("status");
  }

  async proxies(): Promise<ProxyList> {
    return this.#own("proxies");
  }

  async diagnostics(): Promise<DiagnosticList> {
    return this.#own("diagnostics");
  }

  async access({ headers, claims, ...question }: AccessQuestion): Promise<AccessReply> {
    const query = { ...question, headers: JSON.stringify(headers), claims: claims === undefined ? undefined : JSON.stringify(claims) };
    return this.#own("access", { query });
  }

  async describePod(namespace: string, name: string): Promise<PodDescription> {
    return this.#own(`pods/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`);
  }

  async proxyMetrics(namespace: string, name: string, signal?: AbortSignal): Promise<ProxyMetrics> {
    return this.#own(`pods/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}/metrics`, { signal });
  }

  async edges(request: EdgesRequest = {}): Promise<EdgeList> {
    return this.#own("edges", { query: { ...request } });
  }

  async stat(request: StatRequest = {}): Promise<StatReply> {
    return this.#own("stat", { query: { ...request } });
  }

  async authority(): Promise<AuthorityView> {
    return this.#own("authority");
  }

  async renewCertificates(): Promise<RenewalView> {
    return this.#own("authority/renew", { method: "POST", body: {} });
  }

  async rotateRoot(): Promise<AuthorityView> {
    return this.#own("authority/rotate-root", { method: "POST", body: {} });
  }

  async abortRootRotation(): Promise<AuthorityView> {
    return this.#own("authority/abort-rotation", { method: "POST", body: {} });
  }

  async waitAcknowledged(
    revision: number,
    { timeoutMs = 10_000, signal }: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {},
  ): Promise<AcknowledgedReply> {
    return this.#own("acknowledged", { query: { revision, timeoutMs }, signal, idleMs: timeoutMs + 10_000 });
  }

  async *watchNames({ signal: given }: { readonly signal: AbortSignal }): AsyncGenerator<NameTable, void, undefined> {
    const signal = AbortSignal.any([given, this.#closing.signal]);
    let after = "";
    while (!signal.aborted) {
      const query = { after, timeoutMs: namesPollMs };
      try {
        const reply: NamesReply = await this.#own("names", { query, signal, idleMs: namesPollMs + 10_000 });
        if (reply.version !== after) yield reply.names;
        after = reply.version;
      } catch {
        if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, namesRetryMs));
      }
    }
  }

  tap(query: TapQuery, { signal }: { readonly signal: AbortSignal }): AsyncGenerator<TapLine, void, undefined> {
    return tapLines(this.#transport, query, AbortSignal.any([signal, this.#closing.signal]));
  }

  close(): void {
    this.#closing.abort();
    this.#transport.close();
  }

  async #patch(path: string, body: unknown): Promise<WriteReply> {
    return writeIn(await this.#transport.send({ method: "PATCH", path, body, contentType: "application/merge-patch+json" }));
  }

  /** Our own server's answers follow contract.ts; they are not checked again. */
  async #own<T>(route: string, options: OwnRequest = {}): Promise<T> {
    const answer: T = JSON.parse((await this.#transport.send({ method: "GET", ...options, path: `/lateen/v1/${route}` })).text);
    return answer;
  }
}

function writeIn(response: Pick<ApiResponse, "body" | "warnings">): WriteReply {
  return { object: objectIn(response), warnings: response.warnings };
}

function objectIn({ body }: Pick<ApiResponse, "body">): RawResource {
  if (isRawResource(body)) return body;
  throw new MeshError("internal", "the control plane answered with something that is no object");
}

function listIn({ body }: ApiResponse): RawList {
  const items = isJsonObject(body) ? body["items"] : undefined;
  const metadata = isJsonObject(body) && isJsonObject(body["metadata"]) ? body["metadata"] : {};
  if (!Array.isArray(items)) throw new MeshError("internal", "the control plane answered with something that is no list");
  return { items: items.filter(isRawResource), resourceVersion: String(metadata["resourceVersion"]) };
}
