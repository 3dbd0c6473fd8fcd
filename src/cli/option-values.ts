// Options with a duration or a number as their value, read alike by every command that has one.

import { parseDuration } from "../lib/duration.ts";
import { UsageError } from "../lib/errors.ts";
import { type OptionValues, textOption } from "./command.ts";

/** Milliseconds; undefined when the option isn't given. @throws UsageError for what is no duration; `example` is how to write one. */
export function durationOption(options: OptionValues, name: string, example: string): number | undefined {
  const text = textOption(options, name);
  if (text === undefined) return undefined;
  const duration = parseDuration(text);
  if (duration !== undefined) return duration;
  throw new UsageError(`${flagOf(name)} ${text} is no duration`, { fix: `write for example ${flagOf(name)} ${example}` });
}

export interface CountRange {
  /** What is counted: "lines". */
  readonly of: string;
  readonly least: number;
  /** A billion unless given. */
  readonly most?: number;
}

/** A whole number; undefined when the option isn't given. @throws UsageError for what is none, or out of range. */
export function countOption(options: OptionValues, name: string, { of, least, most }: CountRange): number | undefined {
  const text = textOption(options, name);
  if (text === undefined) return undefined;
  const count = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (count >= least && count <= (most ?? count)) return count;
  const range = most === undefined ? "" : ` from ${least} to ${most}`;
  throw new UsageError(`${flagOf(name)} ${text} is not a number of ${of}${range}`, { fix: `write for example ${flagOf(name)} 20` });
}

/** commander's names of options as they are written: "minDuration" is --min-duration. */
function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
