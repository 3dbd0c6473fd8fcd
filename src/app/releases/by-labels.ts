// Objects that a selector means, without asking each: of a list that lives until it changes an index is made once. Many releases ask the same list each second.

import { labelsMatch } from "../../api/kubernetes/label-selector.ts";
import { memoObject } from "../../model/memo.ts";

type Labels = Readonly<Record<string, string>>;

/** A function that finds what has all labels of a selector, in the list's order; an empty selector means everything. Lists must never change. */
export function createLabelIndex<Item>(labelsOf: (item: Item) => Labels): (list: readonly Item[], selector: Labels) => readonly Item[] {
  const indexOf = memoObject((list: readonly Item[]) => {
    const index = new Map<string, Item[]>();
    for (const item of list) {
      for (const [label, value] of Object.entries(labelsOf(item))) {
        const key = keyOf(label, value);
        const known = index.get(key);
        if (known === undefined) index.set(key, [item]);
        else known.push(item);
      }
    }
    return index;
  });
  return (list, selector) => {
    const wanted = Object.entries(selector);
    if (wanted.length === 0) return list;
    const index = indexOf(list);
    const [fewest = []] = wanted.map(([label, value]) => index.get(keyOf(label, value)) ?? []).toSorted((a, b) => a.length - b.length);
    return fewest.filter((item) => labelsMatch(selector, labelsOf(item)));
  };
}

/** No label has a "=". */
function keyOf(label: string, value: string): string {
  return `${label}=${value}`;
}
