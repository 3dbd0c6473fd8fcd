// Objects by label, per namespace: pods for a selector and services for a pod without looking at all of them.

type Labels = Readonly<Record<string, string>>;

export class LabelIndex {
  readonly #namesByLabel = new Map<string, Set<string>>();
  readonly #labelsByObject = new Map<string, readonly string[]>();

  /** Files an object under these labels (all of a pod's; one of a selector's), in place of what it was filed under before. */
  put(namespace: string, name: string, labels: readonly (readonly [string, string])[]): void {
    this.remove(namespace, name);
    const keys = labels.map((label) => labelKey(namespace, label));
    for (const key of keys) {
      const names = this.#namesByLabel.get(key) ?? new Set<string>();
      names.add(name);
      this.#namesByLabel.set(key, names);
    }
    this.#labelsByObject.set(objectKey(namespace, name), keys);
  }

  remove(namespace: string, name: string): void {
    const id = objectKey(namespace, name);
    for (const key of this.#labelsByObject.get(id) ?? []) {
      const names = this.#namesByLabel.get(key);
      names?.delete(name);
      if (names?.size === 0) this.#namesByLabel.delete(key);
    }
    this.#labelsByObject.delete(id);
  }

  /** Names filed under any of these labels. */
  withAnyOf(namespace: string, labels: Labels): ReadonlySet<string> {
    const found = new Set<string>();
    for (const label of Object.entries(labels)) {
      for (const name of this.#namesByLabel.get(labelKey(namespace, label)) ?? []) found.add(name);
    }
    return found;
  }

  /** Names filed under the rarest of these labels: candidates for having them all. */
  candidates(namespace: string, labels: Labels): ReadonlySet<string> {
    const sets = Object.entries(labels).map((label) => this.#namesByLabel.get(labelKey(namespace, label)) ?? new Set<string>());
    return sets.toSorted((left, right) => left.size - right.size)[0] ?? new Set();
  }
}

function labelKey(namespace: string, [key, value]: readonly [string, string]): string {
  return `${namespace}/${key}=${value}`;
}

function objectKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}
