// Rows of the table in ../codes.ts.

import { type CodeEntry, error, warning } from "../code-entry.ts";

/** LTN00xx and LTN01xx: texts, documents and fields, whatever kind they are of. */
export const manifestCodes = {
  LTN0001: error("unreadable text", "The file is not UTF-8 text.", "Save the file as UTF-8 text."),
  LTN0002: error("broken YAML", "The document is not well-formed YAML or JSON.", "Correct the syntax at the position named."),
  LTN0003: error(
    "too large or too deep",
    "The document exceeds a limit that protects the control plane.",
    "Split it into smaller documents.",
  ),
  LTN0004: error("duplicate key", "A mapping has the same key twice.", "Remove one of the two."),
  LTN0005: error("forbidden key", "A key is a name that JavaScript programs can be attacked with.", "Rename the key."),
  LTN0006: error("not a resource", "The document is no object with apiVersion and kind.", "Begin it with apiVersion, kind and metadata."),
  LTN0007: error("unknown kind", "No kind of this group and name exists here.", "Check apiVersion and kind for misspellings."),
  LTN0008: error(
    "kind not supported yet",
    "The kind is Istio's or Kubernetes', but nothing here acts on it yet.",
    "Remove it, or keep it in a file of its own for clusters.",
  ),
  LTN0009: error("unknown version", "The kind exists, but not in this version.", "Use one of the versions named."),
  LTN0010: error(
    "number too large",
    "An integer is outside what can be stored exactly (±2^53).",
    "Write it as a string, or use a smaller number.",
  ),
  LTN0011: error("same object twice", "Two documents declare the same object; the first one counts.", "Remove or rename one of them."),
  LTN0101: error("unknown field", "The field doesn't exist in this kind.", "Remove it or correct its spelling."),
  LTN0102: error("missing field", "A required field is missing.", "Add it."),
  LTN0103: error("wrong type", "The value has another type than the field.", "Write a value of the type named."),
  LTN0104: error("unknown value", "The field takes only certain words.", "Use one of the values named."),
  LTN0105: error("out of range", "The number or length is outside the allowed range.", "Use a value within the range named."),
  LTN0106: error("invalid name", "Names and labels follow Kubernetes' rules (DNS-1123).", "Use lower-case letters, digits and '-'."),
  LTN0107: error("not a duration", "Durations are numbers with units.", 'Write for example "250ms", "1.5s" or "1h".'),
  LTN0108: error("exactly one of several", "Of these fields exactly one must be given.", "Give exactly one of them."),
  LTN0109: warning(
    "field without effect yet",
    "The field is accepted, but nothing acts on it yet.",
    "Remove it, or don't rely on it here.",
  ),
} as const satisfies Readonly<Record<string, CodeEntry>>;
