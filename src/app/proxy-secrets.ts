// A proxy's configuration → the same with the secrets that it names. Keys come into a configuration here and nowhere else, and only those of the
// proxy's own identity and namespace.

import type { SecretJson } from "#envoy/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import { SecretSchema } from "#envoy/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import type { Authority } from "../ca/authority.ts";
import type { WorkloadIdentity } from "../ca/leaf.ts";
import type { WorkloadCertificates } from "../ca/workload-certificates.ts";
import type { EncodedResource, ProxyConfig, ResourceSet } from "../envoy/config.ts";
import { EncodeCache } from "../envoy/encode-cache.ts";
import {
  credentialSecretName,
  parseStandInRootsSecretName,
  rootsSecretName,
  systemRootsSecretName,
  workloadSecretName,
} from "../envoy/names.ts";
import { KeyedMemo, memoObject, sameEntries } from "../model/memo.ts";
import type { Mesh, MeshProxy, MeshSettings } from "../model/mesh.ts";
import { defaultMeshSettings } from "../model/mesh.ts";
import { tlsCertificateSecret, validationContextSecret } from "../translate/secret/secret.ts";

/** Secrets that do not come from the mesh's own authority, by SDS name, for one namespace; undefined for what isn't there. */
export type CredentialSecrets = (namespace: string, sdsName: string) => SecretJson | undefined;

export interface ProxySecretsOptions {
  readonly authority: Authority;
  readonly certificates: WorkloadCertificates;
  readonly credentials: CredentialSecrets;
  /** The CAs that servers outside the mesh are known by, PEM. */
  readonly systemRootsPem: () => string;
  /** The same of a host's stand-in; undefined while there is none. */
  readonly standInRootsPem: (host: string) => string | undefined;
}

/** Whom a proxy's certificate is for. */
export function identityOf({ namespace, serviceAccount, workload }: MeshProxy, { trustDomain }: MeshSettings): WorkloadIdentity {
  const version = Object.hasOwn(workload.labels, "version") ? workload.labels["version"] : undefined;
  return {
    trustDomain,
    namespace,
    serviceAccount,
    workload: { name: workload.name, version: version === undefined || version === "" ? "latest" : version },
  };
}

export class ProxySecrets {
  readonly #options: ProxySecretsOptions;
  readonly #cache = new EncodeCache();
  readonly #rootsKnown = new Map<string, { readonly rootsPem: string; readonly resource: EncodedResource }>();
  readonly #credentials = new WeakMap<SecretJson, EncodedResource>();
  #settings: MeshSettings = defaultMeshSettings;
  readonly #sets = new Map<string, ResourceSet>();
  readonly #configs = new KeyedMemo<ProxyConfig>();

  constructor(options: ProxySecretsOptions) {
    this.#options = options;
  }

  /** Forgets what no proxy has asked for since the last call; to be called before each push. */
  generation({ proxies, settings }: Mesh): void {
    this.#settings = settings;
    this.#configs.generation();
    for (const id of this.#sets.keys()) if (!proxies.has(id)) this.#sets.delete(id);
  }

  /** The configuration with its secrets; the same object as long as neither changed. @throws MeshError when no certificate can be made. */
  withSecrets(config: ProxyConfig, proxy: MeshProxy): ProxyConfig {
    const secrets = this.#secretsOf(config, proxy);
    return secrets.size === 0 ? config : this.#configs.get(proxy.id, [config, secrets], () => ({ ...config, secrets }));
  }

  #secretsOf({ clusters, listeners }: ProxyConfig, proxy: MeshProxy): ResourceSet {
    const before = this.#sets.get(proxy.id);
    const next = new Map<string, EncodedResource>();
    for (const name of secretNames(clusters)(listeners)) {
      const resource = this.#resource(name, proxy);
      if (resource !== undefined) next.set(name, resource);
    }
    if (before !== undefined && sameEntries(before, next)) return before;
    this.#sets.set(proxy.id, next);
    return next;
  }

  #resource(name: string, proxy: MeshProxy): EncodedResource | undefined {
    const { authority, certificates, credentials, systemRootsPem, standInRootsPem } = this.#options;
    if (name === workloadSecretName) return certificateResource(this.#cache)(certificates.certificateOf(identityOf(proxy, this.#settings)));
    if (name === rootsSecretName) return this.#roots(name, authority.trustBundlePem());
    if (name === systemRootsSecretName) return this.#roots(name, systemRootsPem());
    const standIn = parseStandInRootsSecretName(name);
    if (standIn !== undefined) {
      const rootsPem = standInRootsPem(standIn);
      return rootsPem === undefined ? undefined : this.#roots(name, rootsPem);
    }
    const json = credentials(proxy.namespace, name);
    return json && this.#credential(name, proxy.namespace, json);
  }

  /** The same JSON is the same Secret of the same namespace; it is named, should a proxy refuse its content. */
  #credential(name: string, namespace: string, json: SecretJson): EncodedResource {
    const known = this.#credentials.get(json);
    if (known !== undefined) return known;
    const sources = [`Secret ${namespace}/${name.slice(credentialSecretName("").length)}`];
    const resource = this.#cache.resource({ type: "sds", name, schema: SecretSchema, json, sources });
    this.#credentials.set(json, resource);
    return resource;
  }

  /** Roots are long and for all proxies the same: they are encoded once. */
  #roots(name: string, rootsPem: string): EncodedResource {
    const known = this.#rootsKnown.get(name);
    if (known?.rootsPem === rootsPem) return known.resource;
    const json = validationContextSecret(name, { rootsPem });
    const resource = this.#cache.resource({ type: "sds", name, schema: SecretSchema, json });
    this.#rootsKnown.set(name, { rootsPem, resource });
    return resource;
  }
}

type Issued = ReturnType<WorkloadCertificates["certificateOf"]>;

/** A certificate is encoded once: a thousand proxies are looked through at each push. */
const certificateResource = memoObject((cache: EncodeCache) =>
  memoObject(
    ({ chainPem, keyPem }: Issued): EncodedResource =>
      cache.resource({
        type: "sds",
        name: workloadSecretName,
        schema: SecretSchema,
        json: tlsCertificateSecret(workloadSecretName, { chainPem, keyPem }),
      }),
  ),
);

/** Sorted, for clusters and listeners together: both change seldom, and at each push every proxy's are asked for. */
const secretNames = memoObject((clusters: ResourceSet) =>
  memoObject((listeners: ResourceSet): readonly string[] => [...new Set([...ownNames(clusters), ...ownNames(listeners)])].toSorted()),
);

const ownNames = memoObject((resources: ResourceSet): readonly string[] => [
  ...new Set([...resources.values()].flatMap(({ references }) => references.filter(({ type }) => type === "sds").map(({ name }) => name))),
]);
