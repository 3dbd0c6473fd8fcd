// Prometheus text (0.0.4 or OpenMetrics), as Envoy and applications print it, piece by piece → families. Tolerant: a line that can't be read is
// counted and left out, the others stand; nothing grows beyond the given limits.

import { type Family, type FamilyType, labelName, metricName, suffixes, type TextSample } from "./family.ts";

export interface ParseLimits {
  /** Of one line in characters; 64 Ki unless given. */
  readonly maxLine?: number;
  /** Of all; 50,000 unless given. */
  readonly maxSamples?: number;
}

export interface ParsedText {
  /** In the order of their first line; the samples of a family together, wherever they stood. */
  readonly families: readonly Family[];
  /** Lines that couldn't be read. */
  readonly broken: number;
  /** The first of them, cut to 200 characters. */
  readonly firstBroken: string | undefined;
  /** Samples beyond the limit. */
  readonly dropped: number;
}

/** Parses a whole text. */
export function parseText(text: string, limits: ParseLimits = {}): ParsedText {
  const parser = new TextParser(limits);
  parser.push(text);
  return parser.end();
}

interface Growing {
  readonly name: string;
  type: FamilyType | undefined;
  help: string | undefined;
  readonly samples: TextSample[];
}

/** Takes a text in pieces, as it arrives. */
export class TextParser {
  readonly #maxLine: number;
  readonly #maxSamples: number;
  readonly #families = new Map<string, Growing>();
  #rest = "";
  #isSkipping = false;
  #samples = 0;
  #dropped = 0;
  #broken = 0;
  #firstBroken: string | undefined;

  constructor({ maxLine = 65_536, maxSamples = 50_000 }: ParseLimits = {}) {
    this.#maxLine = maxLine;
    this.#maxSamples = maxSamples;
  }

  push(piece: string): void {
    const lines = (this.#rest + piece).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      if (this.#isSkipping) this.#isSkipping = false;
      else this.#line(line);
    }
    if (this.#rest.length <= this.#maxLine) return;
    // A line without end must not fill the memory.
    if (!this.#isSkipping) this.#break(this.#rest);
    this.#isSkipping = true;
    this.#rest = "";
  }

  end(): ParsedText {
    if (!this.#isSkipping && this.#rest !== "") this.#line(this.#rest);
    this.#rest = "";
    const families = [...this.#families.values()]
      .filter(({ samples }) => samples.length > 0)
      .map(({ name, type = "unknown", help, samples }) => ({ name, type, help, samples }));
    return { families, broken: this.#broken, firstBroken: this.#firstBroken, dropped: this.#dropped };
  }

  #line(raw: string): void {
    const line = raw.trim();
    if (line === "") return;
    if (line.length > this.#maxLine) {
      this.#break(line);
      return;
    }
    if (line.startsWith("#")) {
      this.#comment(line);
      return;
    }
    const sample = parseSample(line);
    if (sample === undefined) {
      this.#break(line);
      return;
    }
    if (this.#samples >= this.#maxSamples) {
      this.#dropped += 1;
      return;
    }
    this.#samples += 1;
    this.#familyOf(sample.name).samples.push(sample);
  }

  /** TYPE and HELP; a second one for the same family says nothing, other comments neither. */
  #comment(line: string): void {
    const [, keyword, name = "", text = ""] = /^#\s+(TYPE|HELP)\s+(\S+)(?:\s+(.*))?$/.exec(line) ?? [];
    if (keyword === undefined || !metricName.test(name) || this.#families.size >= this.#maxSamples) return;
    const family = this.#named(name);
    if (keyword === "HELP") family.help ??= unescapeHelp(text);
    else family.type ??= typeOf(text);
  }

  #familyOf(sample: string): Growing {
    const own = this.#families.get(sample);
    if (own !== undefined) return own;
    const suffix = /_(?:total|bucket|sum|count|created)$/.exec(sample)?.[0];
    const family = suffix === undefined ? undefined : this.#families.get(sample.slice(0, -suffix.length));
    const isPart = suffix !== undefined && family?.type !== undefined && suffixes[family.type].includes(suffix);
    return isPart && family !== undefined ? family : this.#named(sample);
  }

  #named(name: string): Growing {
    const known = this.#families.get(name);
    if (known !== undefined) return known;
    const family: Growing = { name, type: undefined, help: undefined, samples: [] };
    this.#families.set(name, family);
    return family;
  }

  #break(line: string): void {
    this.#broken += 1;
    this.#firstBroken ??= line.slice(0, 200);
  }
}

function typeOf(text: string): FamilyType {
  switch (text.trim().toLowerCase()) {
    case "counter":
      return "counter";
    case "gauge":
      return "gauge";
    case "histogram":
      return "histogram";
    case "summary":
      return "summary";
    default:
      return "unknown";
  }
}

function unescapeHelp(text: string): string {
  return text.replace(/\\(\\|n|")/g, (_, character: string) => (character === "n" ? "\n" : character));
}

/** `name{label="value",…} value [timestamp] [# exemplar]`; undefined when it isn't one. */
function parseSample(line: string): TextSample | undefined {
  const name = /^[a-zA-Z_:][a-zA-Z0-9_:]*/.exec(line)?.[0];
  if (name === undefined) return undefined;
  const afterName = line.slice(name.length).trimStart();
  const parsed = afterName.startsWith("{") ? parseLabels(afterName) : { labels: [], rest: afterName };
  if (parsed === undefined) return undefined;
  const exemplar = parsed.rest.indexOf(" # ");
  const fields = exemplar < 0 ? parsed.rest : parsed.rest.slice(0, exemplar);
  const [number, time, ...more] = fields.trim().split(/\s+/);
  const value = parseNumber(number);
  if (value === undefined || more.length > 0) return undefined;
  const timestampMs = time === undefined ? undefined : timestampOf(time);
  if (time !== undefined && timestampMs === undefined) return undefined;
  return { name, labels: parsed.labels, value, ...(timestampMs === undefined ? {} : { timestampMs }) };
}

function parseLabels(text: string): { readonly labels: TextSample["labels"]; readonly rest: string } | undefined {
  const labels: (readonly [string, string])[] = [];
  const names = new Set<string>();
  let position = 1;
  for (;;) {
    const end = /[\s,]*\}/y;
    end.lastIndex = position;
    const close = end.exec(text);
    if (close !== null) return { labels, rest: text.slice(position + close[0].length) };
    const pair = /[\s,]*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"/y;
    pair.lastIndex = position;
    const found = pair.exec(text);
    const [whole = "", label = "", value = ""] = found ?? [];
    if (found === null || !labelName.test(label) || names.has(label)) return undefined;
    names.add(label);
    labels.push([label, value.replace(/\\(.)/g, (_, character: string) => unescaped(character))]);
    position += whole.length;
  }
}

function unescaped(character: string): string {
  if (character === "n") return "\n";
  return character === '"' || character === "\\" ? character : `\\${character}`;
}

function parseNumber(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  const special = /^([+-]?)(?:inf|infinity)$/i.exec(text);
  if (special !== null) return special[1] === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (/^nan$/i.test(text)) return Number.NaN;
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

/** 0.0.4 has whole milliseconds, OpenMetrics seconds: a moment before 1980 in milliseconds is meant as seconds. */
function timestampOf(text: string): number | undefined {
  const number = parseNumber(text);
  if (number === undefined || !Number.isFinite(number)) return undefined;
  return Math.abs(number) < 3e11 ? Math.round(number * 1000) : Math.round(number);
}
