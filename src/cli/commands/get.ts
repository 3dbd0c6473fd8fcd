// `lateen get <kind> [name]`: objects as kubectl shows them.

import { isKindName, type KindName, kinds } from "../../api/registry.ts";
import { UsageError } from "../../lib/errors.ts";
import type { RawResource } from "../../store/store.ts";
import { exitCode, formatOption, type RunCommand, textOption } from "../command.ts";
import { connect } from "../connect.ts";
import { age, table } from "../output.ts";

const formats = ["table", "json", "yaml", "name"] as const;

export const runGet: RunCommand = async ({ args, options }, { config, terminal }) => {
  const [word = "", name] = args;
  const kind = kindOfWord(word);
  const definition = kinds[kind];
  const namespace =
    definition.namespaced && options["allNamespaces"] !== true ? (textOption(options, "namespace") ?? "default") : undefined;
  const format = formatOption(options, formats);
  const client = connect(config, terminal);
  try {
    const items =
      name === undefined
        ? (await client.list(kind, { namespace, labelSelector: textOption(options, "selector") })).items
        : [await client.get({ kind, namespace: namespace ?? "default", name })];
    terminal.out(await render(items, { format, kind, single: name !== undefined, namespace }));
    return exitCode.ok;
  } finally {
    client.close();
  }
};

/** The kind a word names: kind, singular, plural, or short name, in any case. @throws UsageError for other words. */
export function kindOfWord(word: string): KindName {
  const lower = word.toLowerCase();
  for (const kind of Object.keys(kinds).filter(isKindName)) {
    const { singular, plural, shortNames } = kinds[kind];
    const names: readonly string[] = [singular, plural, ...shortNames, kind.toLowerCase()];
    if (names.includes(lower)) return kind;
  }
  throw new UsageError(`there is no kind "${word}"`, {
    fix: `use one of ${Object.values(kinds)
      .map(({ plural }) => plural)
      .join(", ")}`,
  });
}

interface RenderOptions {
  readonly format: (typeof formats)[number];
  readonly kind: KindName;
  readonly single: boolean;
  readonly namespace: string | undefined;
}

async function render(items: readonly RawResource[], { format, kind, single, namespace }: RenderOptions): Promise<string> {
  const whole = single ? items[0] : { apiVersion: "v1", kind: "List", items };
  if (format === "json") return JSON.stringify(whole, null, 2);
  if (format === "yaml") {
    const { stringify } = await import("yaml");
    return stringify(whole).trimEnd();
  }
  if (format === "name") return items.map((item) => `${kinds[kind].singular}/${item.metadata.name ?? ""}`).join("\n");
  if (items.length === 0) return `No ${kinds[kind].plural} found${namespace === undefined ? "" : ` in namespace ${namespace}`}.`;
  const { columns, namespaced } = kinds[kind];
  const withNamespace = namespaced && namespace === undefined;
  const headings = [...(withNamespace ? ["NAMESPACE"] : []), "NAME", ...columns.map((column) => column.name.toUpperCase()), "AGE"];
  const rows = items.map((item) => [
    ...(withNamespace ? [item.metadata.namespace ?? ""] : []),
    item.metadata.name ?? "",
    ...columns.map((column) => textAt(item, column.path)),
    age(Date.parse(item.metadata.creationTimestamp ?? ""), Date.now()),
  ]);
  return table(headings, rows);
}

function textAt(item: unknown, path: string): string {
  const value = path.split(".").reduce<unknown>((at, step) => (isRecord(at) && Object.hasOwn(at, step) ? at[step] : undefined), item);
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
