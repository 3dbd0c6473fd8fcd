// One request's target: the kind, and the object or collection its path names; and objects as that path's version shows them.

import { type AnyKind, type KindName, kindByPlural } from "../../api/registry.ts";
import { NotFound } from "../../lib/errors.ts";
import type { RawResource, Store, Stored } from "../../store/store.ts";
import { parseResourcePath } from "./path.ts";

export interface Target {
  readonly definition: AnyKind;
  readonly kind: KindName;
  /** The apiVersion of the path; objects are served under it. */
  readonly apiVersion: string;
  /** Undefined: cluster-scoped, or all namespaces. */
  readonly namespace: string | undefined;
  /** Undefined: the collection. */
  readonly name: string | undefined;
  readonly status: boolean;
}

/** @throws NotFound for paths that name nothing we serve. */
export function targetOf(path: string): Target {
  const parsed = parseResourcePath(path);
  const definition = parsed === undefined ? undefined : kindByPlural(parsed.group, parsed.version, parsed.plural);
  if (parsed === undefined || definition === undefined) throw notServed(path);
  const { group, version, namespace, name, subresource } = parsed;
  const scopeFits = definition.namespaced ? namespace !== undefined || name === undefined : namespace === undefined;
  if (!scopeFits || (subresource !== undefined && subresource !== "status")) throw notServed(path);
  const apiVersion = group === "" ? version : `${group}/${version}`;
  return { definition, kind: definition.kind, apiVersion, namespace, name, status: subresource === "status" };
}

function notServed(path: string): NotFound {
  return new NotFound(`the server could not find the requested resource (${path.slice(0, 200)})`);
}

/** The object a target names. @throws NotFound */
export function objectOf(store: Store, target: Target): Stored {
  const stored = target.name === undefined ? undefined : store.get(target.kind, target.namespace, target.name);
  if (stored === undefined) throw new NotFound(`${target.definition.plural} "${target.name ?? ""}" not found`);
  return stored;
}

/** The object as the path's version shows it. */
export function served(raw: RawResource, target: Target): RawResource {
  return raw.apiVersion === target.apiVersion ? raw : { ...raw, apiVersion: target.apiVersion };
}
