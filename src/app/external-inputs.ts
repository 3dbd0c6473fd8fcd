// What configurations are made of besides the store: resolved names, fetched keys, credentials from Secrets, and CAs of stand-ins for hosts outside.
// Each follows what the newest mesh asks for and says when it changed.

import { keySetFindings } from "../analyze/key-sets.ts";
import type { Diagnostic } from "../api/diagnostic.ts";
import { meshConfigPlace } from "../api/mesh-config.ts";
import { type FetchAllowanceResult, parseFetchAllowance } from "../api/security/fetch-allowance.ts";
import type { Snapshot } from "../api/snapshot.ts";
import type { Logger } from "../lib/log.ts";
import type { ResolvedNames } from "../model/endpoints.ts";
import { wantedKeySets } from "../model/key-sets.ts";
import { memoLast } from "../model/memo.ts";
import type { Mesh } from "../model/mesh.ts";
import type { MeshInputs } from "../model/mesh-of.ts";
import { externalHosts } from "../model/name-table.ts";
import { credentialFindings } from "./credential-findings.ts";
import { Credentials, type HeldCredential, type KeptCredentials } from "./credentials.ts";
import { ExternalRoots } from "./external-roots.ts";
import { JwksFetcher } from "./jwks-fetcher.ts";
import { NameResolver } from "./name-resolver.ts";

/** What a restarted control plane needs. */
export interface KeptInputs {
  readonly resolved: ResolvedNames;
  /** Fetched key sets by address. */
  readonly jwks: ReadonlyMap<string, string>;
}

export interface ExternalInputsOptions {
  readonly kept: KeptInputs;
  readonly credentials: {
    readonly kept: ReadonlyMap<string, HeldCredential>;
    readonly onKeep: (kept: KeptCredentials) => void;
  };
  /** False: no name is resolved and no key fetched outside the mesh. */
  readonly egress: boolean;
  readonly logger: Logger;
  readonly onChange: () => void;
  readonly onKeep: () => void;
}

/** Certificates begin and end by themselves; stand-ins write their CA when they start. */
const lookAgainMs = 1000;

export class ExternalInputs {
  readonly credentials: Credentials;
  readonly roots: ExternalRoots;
  readonly #options: ExternalInputsOptions;
  readonly #resolver: NameResolver;
  readonly #jwks: JwksFetcher;
  readonly #allowanceOf = memoLast(parseFetchAllowance);
  readonly #timer: NodeJS.Timeout;
  #snapshot: Snapshot | undefined;

  constructor(options: ExternalInputsOptions) {
    const { kept, credentials, egress, logger, onChange, onKeep } = options;
    const changed = () => {
      onKeep();
      onChange();
    };
    this.#options = options;
    this.credentials = new Credentials(credentials);
    this.roots = new ExternalRoots();
    this.#resolver = new NameResolver({ onChange: changed, initial: kept.resolved, logger, egress });
    this.#jwks = new JwksFetcher({ onChange: changed, initial: kept.jwks, logger, egress });
    this.#timer = setInterval(() => this.#lookAgain(), lookAgainMs).unref();
  }

  /** The model's inputs, for the mesh of this snapshot. */
  of(snapshot: Snapshot): Pick<MeshInputs, "resolved" | "jwks" | "credentials"> {
    this.#snapshot = snapshot;
    this.credentials.update(snapshot, Date.now());
    return { resolved: this.#resolver.resolved, jwks: this.#jwks.jwks, credentials: this.credentials.usable };
  }

  get kept(): KeptInputs {
    return { resolved: this.#resolver.resolved, jwks: this.#jwks.jwks };
  }

  /** Asks for what the newest mesh needs. */
  follow(mesh: Mesh, snapshot: Snapshot): void {
    const pods = snapshot.list("Pod");
    this.#resolver.want(mesh.names, new Map(externalHosts(pods).map(({ host, addresses }) => [host, addresses])));
    this.#jwks.allow(this.#allowance(snapshot).value);
    this.#jwks.want(wantedKeySets(snapshot.list("RequestAuthentication")));
    this.roots.follow(pods);
  }

  /** What is wrong with the Secrets that are named, and with keys that can't be fetched. */
  findings(snapshot: Snapshot, { proxies }: Pick<Mesh, "proxies">): readonly Diagnostic[] {
    return [
      ...credentialFindings(snapshot, { credentials: this.credentials, proxies, nowMs: Date.now() }),
      ...keySetFindings(snapshot.list("RequestAuthentication"), this.#jwks),
      ...this.#allowance(snapshot).diagnostics,
    ];
  }

  #allowance(snapshot: Snapshot): FetchAllowanceResult {
    return this.#allowanceOf(snapshot.get("ConfigMap", meshConfigPlace.namespace, meshConfigPlace.name));
  }

  close(): void {
    clearInterval(this.#timer);
    this.#resolver.close();
    this.#jwks.close();
  }

  #lookAgain(): void {
    const areCredentialsNew = this.#snapshot !== undefined && this.credentials.update(this.#snapshot, Date.now());
    if (this.roots.refresh() || areCredentialsNew) this.#options.onChange();
  }
}
