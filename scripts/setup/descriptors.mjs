// Reads protobuf file descriptors out of an Envoy binary. Input: the binary's bytes; output: one serialized
// FileDescriptorProto per .proto file it was built from. Every protobuf program in C++ carries them in its data section.
const PROTO_SUFFIX = Buffer.from(".proto");
const MAX_NAME_BYTES = 200;
const NAME = /^[\w./-]+\.proto$/;
// FileDescriptorProto: 1 name, 2 package, 3 dependency, 4-7 definitions, 8 options, 9 source info, 10/11 indexes, 12 syntax, 14 edition.
const SINGULAR = new Set([1, 2, 8, 9, 12, 14]);
const VARINT_FIELDS = new Set([10, 11, 14]);
const LENGTH_FIELDS = new Set([1, 2, 3, 4, 5, 6, 7, 8, 9, 12]);

/** Reads one varint below 2^32: {value, next}, or undefined when the bytes are not one. */
function varintAt(bytes, offset) {
  let value = 0;
  for (let index = 0; index < 5; index += 1) {
    const byte = bytes[offset + index];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return { value, next: offset + index + 1 };
  }
  return undefined;
}

/** The field that starts at the offset and may follow field number `last`: {number, start, end}, or undefined at the descriptor's end. */
function fieldAt(bytes, offset, last) {
  const tag = varintAt(bytes, offset);
  if (tag === undefined || tag.value === 0) return undefined;
  const number = tag.value >>> 3;
  const wireType = tag.value & 7;
  // protoc writes fields in ascending order, so a smaller number is the next object in the data section.
  if (number < last || (number === last && SINGULAR.has(number))) return undefined;
  const value = varintAt(bytes, tag.next);
  if (value === undefined) return undefined;
  if (wireType === 0 && VARINT_FIELDS.has(number)) return { number, start: tag.next, end: value.next };
  if (wireType !== 2 || !LENGTH_FIELDS.has(number)) return undefined;
  const end = value.next + value.value;
  return end <= bytes.length ? { number, start: value.next, end } : undefined;
}

/** Where the descriptor that starts at the offset ends, its imports, and whether it looks like a real one. */
function extentOf(bytes, offset) {
  const imports = [];
  let end = offset;
  let last = 0;
  let definitions = 0;
  for (;;) {
    const field = fieldAt(bytes, end, last);
    if (field === undefined) break;
    const text = field.number === 12 || field.number === 3 ? bytes.toString("utf8", field.start, field.end) : "";
    if (field.number === 12 && !["proto2", "proto3", "editions"].includes(text)) break;
    if (field.number === 3) imports.push(text);
    if (field.number >= 2 && field.number <= 8) definitions += 1;
    end = field.end;
    last = field.number;
    if (text.startsWith("proto") && field.number === 12) break;
  }
  return { end, imports, definitions };
}

/** The offset of the `0A <length> <name>` that ends in the .proto suffix found at `suffix`, or -1. */
function startOf(bytes, suffix) {
  const nameEnd = suffix + PROTO_SUFFIX.length;
  for (let length = PROTO_SUFFIX.length + 1; length <= MAX_NAME_BYTES; length += 1) {
    const nameStart = nameEnd - length;
    const header = length < 128 ? [0x0a, length] : [0x0a, (length & 0x7f) | 0x80, length >>> 7];
    const start = nameStart - header.length;
    if (start < 0) return -1;
    if (header.every((byte, index) => bytes[start + index] === byte) && NAME.test(bytes.toString("latin1", nameStart, nameEnd)))
      return start;
  }
  return -1;
}

/** All descriptors in the bytes, by file name: {name, bytes, imports}. */
export function descriptorsIn(bytes) {
  const found = new Map();
  for (let at = bytes.indexOf(PROTO_SUFFIX); at !== -1; at = bytes.indexOf(PROTO_SUFFIX, at + 1)) {
    const start = startOf(bytes, at);
    if (start === -1) continue;
    const { end, imports, definitions } = extentOf(bytes, start);
    if (definitions === 0) continue;
    const field = fieldAt(bytes, start, 0);
    const name = bytes.toString("utf8", field.start, field.end);
    const known = found.get(name);
    // An import list elsewhere can look like a short descriptor: the longest match is the real one.
    if (known === undefined || known.bytes.length < end - start) found.set(name, { name, bytes: bytes.subarray(start, end), imports });
  }
  return found;
}

/** The imports that no descriptor in the set provides: [{name, importedBy}]. */
export function missingImports(descriptors) {
  const missing = [];
  for (const { name, imports } of descriptors.values()) {
    for (const imported of imports) if (!descriptors.has(imported)) missing.push({ name: imported, importedBy: name });
  }
  return missing;
}

/** The entries and all they import, each after its imports (the order a CodeGeneratorRequest needs). Throws on an unknown entry. */
export function closureOf(descriptors, entries) {
  const ordered = new Map();
  const visit = (name, importedBy) => {
    if (ordered.has(name)) return;
    const descriptor = descriptors.get(name);
    if (descriptor === undefined) throw new Error(`${name} (named by ${importedBy}) is not in this Envoy binary`);
    for (const imported of descriptor.imports) visit(imported, name);
    ordered.set(name, descriptor);
  };
  for (const entry of entries) visit(entry, "scripts/envoy-entries.mjs");
  return [...ordered.values()];
}
