// Which plain words are numbers and booleans: as kubectl reads them (YAML 1.1's octal and yes/no), so one manifest means one thing.

import type { DocumentOptions, ParseOptions, ScalarTag, SchemaOptions, Tags } from "yaml";

const words: Readonly<Record<string, boolean>> = { yes: true, on: true, no: false, off: false };

/** yes, no, on and off in any of YAML 1.1's spellings; the single letters y and n stay words, they are names too often. */
const bool11: ScalarTag = {
  tag: "tag:yaml.org,2002:bool",
  default: true,
  test: /^(?:yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)$/,
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
