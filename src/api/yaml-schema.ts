// Which plain words are numbers and booleans: as kubectl reads them (YAML 1.1's octal and yes/no), so one manifest means one thing.

import type { DocumentOptions, ParseOptions, ScalarTag, SchemaOptions, Tags } from "yaml";

const words: Readonly<Record<string, boolean>> = { y: true, yes: true, on: true, n: false, no: false, off: false };

/** yes, no, on, off, y, n in any of YAML 1.1's spellings. */
const bool11: ScalarTag = {
  tag: "tag:yaml.org,2002:bool",
  default: true,
  test: /^(?:[yYnN]|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)$/,
  resolve: (text) => words[text.toLowerCase()] ?? false,
};

/** 0644 is octal, as file modes are written. */
const octal11: ScalarTag = {
  tag: "tag:yaml.org,2002:int",
  default: true,
  test: /^[-+]?0[0-7]+$/,
  resolve: (text) => Number.parseInt(text, 8),
};

/** Options of every parse; unique keys are checked by our own conversion, because the library's check is quadratic. */
export const yamlOptions: ParseOptions & DocumentOptions & SchemaOptions = {
  version: "1.2",
  schema: "core",
  customTags: (tags: Tags) => [bool11, octal11, ...tags],
  uniqueKeys: false,
  strict: true,
  prettyErrors: false,
  keepSourceTokens: false,
  logLevel: "silent",
};
