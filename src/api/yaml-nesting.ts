// How deep a YAML text nests, found by the lexer alone: the parser recurses, so it must never see a bomb. The lexer is iterative and linear.

import { CST, Lexer } from "yaml";

export interface Nesting {
  /** An estimate of the number of nested collections, at least half of the true one. */
  readonly depth: number;
  readonly tokens: number;
}

export interface NestingLimits {
  readonly depth: number;
  readonly tokens: number;
}

/** Measures a text and stops as soon as a limit is passed. */
export function nestingOf(text: string, limits: NestingLimits): Nesting {
  const meter = new NestingMeter();
  for (const token of new Lexer().lex(text)) {
    meter.add(token);
    if (meter.depth > limits.depth || meter.tokens > limits.tokens) break;
  }
  return { depth: meter.depth, tokens: meter.tokens };
}

/** Follows columns of block indicators and keys, and brackets of flow collections. */
class NestingMeter {
  depth = 0;
  tokens = 0;
  #column = 0;
  #previousColumn = 0;
  #flow = 0;
  readonly #blocks: number[] = [];

  add(token: string): void {
    this.tokens += 1;
    const type = CST.tokenType(token);
    this.#count(type);
    this.depth = Math.max(this.depth, this.#flow + this.#blocks.length);
    if (type === "doc-mode" || type === "flow-error-end" || type === "scalar") return;
    this.#advance(token, type);
  }

  #count(type: CST.TokenType | null): void {
    if (type === "flow-seq-start" || type === "flow-map-start") this.#flow += 1;
    if (type === "flow-seq-end" || type === "flow-map-end") this.#flow = Math.max(0, this.#flow - 1);
    if (type === "flow-error-end") this.#flow = 0;
    if (type === "seq-item-ind" || type === "explicit-key-ind") this.#open(this.#column);
    if (type === "map-value-ind") this.#open(this.#previousColumn);
  }

  #open(column: number): void {
    while ((this.#blocks.at(-1) ?? -1) >= column) this.#blocks.pop();
    this.#blocks.push(column);
  }

  #advance(token: string, type: CST.TokenType | null): void {
    if (type !== "space" && type !== "anchor" && type !== "tag") this.#previousColumn = this.#column;
    const lastBreak = token.lastIndexOf("\n");
    this.#column = lastBreak < 0 ? this.#column + token.length : token.length - lastBreak - 1;
  }
}
