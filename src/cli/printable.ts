// Text that strangers choose (hosts, paths, names in certificates, spans) → text that does nothing to a terminal.

/** Control characters, C1 and those that turn the direction of writing included, as "\u{..}". */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}
