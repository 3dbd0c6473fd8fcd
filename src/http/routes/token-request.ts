// POST …/serviceaccounts/<name>/token: Kubernetes' TokenRequest (authentication.k8s.io/v1). In: audiences, lifetime, the pod it is bound to. Out: a
// service-account token. Served when the control plane has keys for tokens.

import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { BoundObject, TokenService } from "../../ca/tokens.ts";
import { Conflict, MeshError, NotFound } from "../../lib/errors.ts";
import type { Store } from "../../store/store.ts";
import { parsed } from "../request.ts";

/** What makes tokens, and whom those without an audience are for (Kubernetes: the API server itself). */
export interface TokenIssuing {
  readonly service: Pick<TokenService, "issue">;
  readonly defaultAudience: string;
}

const placeSchema = z.object({ namespace: z.string(), name: z.string() });
/** Bounds and default of `expirationSeconds`: Kubernetes' (10 minutes, 1 hour), and what our keys stay for (24 hours). */
const bodySchema = z.object({
  spec: z.object({
    audiences: z.array(z.string().min(1).max(253)).max(16).default([]),
    expirationSeconds: z.number().int().min(600).max(86_400).default(3600),
    boundObjectRef: z
      .object({ kind: z.literal("Pod"), apiVersion: z.literal("v1").default("v1"), name: z.string(), uid: z.string().optional() })
      .nullish(),
  }),
});

/** Adds the route. */
export function addTokenRequestRoute(
  app: FastifyInstance,
  { store }: { readonly store: Store },
  { service, defaultAudience }: TokenIssuing,
): void {
  app.post("/api/v1/namespaces/:namespace/serviceaccounts/:name/token", async (request, reply) => {
    const { namespace, name } = parsed(placeSchema, request.params);
    const { spec } = parsed(bodySchema, request.body ?? {});
    const account = store.get("ServiceAccount", namespace, name);
    if (account === undefined) throw new NotFound(`serviceaccounts "${name}" not found`);
    const serviceAccount: BoundObject = { name, uid: account.uid };
    const pod = spec.boundObjectRef ? boundPod(store, { namespace, serviceAccount: name, reference: spec.boundObjectRef }) : undefined;
    const audiences = spec.audiences.length === 0 ? [defaultAudience] : spec.audiences;
    const { token, expiresAtMs } = await service.issue({
      namespace,
      serviceAccount,
      pod,
      audiences,
      lifetimeMs: spec.expirationSeconds * 1000,
    });
    return reply.code(201).send({
      kind: "TokenRequest",
      apiVersion: "authentication.k8s.io/v1",
      metadata: { name, namespace },
      spec: { ...spec, audiences },
      status: { token, expirationTimestamp: new Date(expiresAtMs).toISOString() },
    });
  });
}

interface PodReference {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly reference: { readonly name: string; readonly uid?: string | undefined };
}

/** The pod a token is to be bound to. @throws NotFound, Conflict for another pod of that name, MeshError for one of another service account. */
function boundPod(store: Store, { namespace, serviceAccount, reference }: PodReference): BoundObject {
  const pod = store.get("Pod", namespace, reference.name);
  if (pod === undefined) throw new NotFound(`pods "${reference.name}" not found`);
  if (reference.uid !== undefined && reference.uid !== pod.uid) {
    throw new Conflict(`the UID in the bound object reference (${reference.uid}) does not match the UID in record (${pod.uid})`);
  }
  if (pod.value.spec.serviceAccountName !== serviceAccount) {
    throw new MeshError("bad_request", `pod ${reference.name} does not run as service account ${serviceAccount}`);
  }
  return { name: reference.name, uid: pod.uid };
}
