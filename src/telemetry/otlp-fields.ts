// The fields of one protobuf message of OTLP, as strangers send it: read one by one, and what isn't asked for is skipped unread.

import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** Attributes of a record, span or sender that are read; OpenTelemetry's own default is 128. */
export const maxAttributes = 128;

/** The fields of a message that are read, with the types they must have; all others are skipped. */
export type Fields = Readonly<Record<number, WireType>>;

/** Calls `read` for each of these fields, which reads one value. @throws RangeError or Error when the bytes are no message. */
export function eachField(bytes: Uint8Array, fields: Fields, read: (field: number, reader: BinaryReader) => void): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    // Groups, which nest, aren't in any message of OTLP.
    if (type === WireType.StartGroup || type === WireType.EndGroup) throw new RangeError("a group");
    if (Object.hasOwn(fields, field) && fields[field] === type) read(field, reader);
    else reader.skip(type, field);
  }
}
