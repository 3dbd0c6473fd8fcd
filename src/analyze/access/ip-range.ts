// Whether an IP address lies in a range: text in, yes or no out.

/** True when `address` is `block` or lies in it; addresses of the other family lie in none. */
export function isInRange(address: string, block: string): boolean {
  const [base = "", length] = block.split("/");
  const [wanted, given] = [bitsOf(base), bitsOf(address)];
  if (wanted === undefined || given === undefined || wanted.length !== given.length) return false;
  const count = length === undefined ? wanted.length : Number(length);
  return wanted.slice(0, count) === given.slice(0, count);
}

/** 32 or 128 digits of 0 and 1. */
function bitsOf(address: string): string | undefined {
  if (!address.includes(":")) {
    const bytes = address.split(".").map(Number);
    return bytes.length === 4 && bytes.every((byte) => byte >= 0 && byte <= 255)
      ? bytes.map((byte) => binary(byte, 8)).join("")
      : undefined;
  }
  const groups = groupsOf(address);
  return groups.length === 8 && groups.every((group) => group <= 0xffff) ? groups.map((group) => binary(group, 16)).join("") : undefined;
}

function groupsOf(address: string): readonly number[] {
  // The last 32 bits may be written as IPv4: "::ffff:10.0.0.1".
  const dotted = address.includes(".") ? address.slice(address.lastIndexOf(":") + 1) : undefined;
  const [a = 0, b = 0, c = 0, d = 0] = (dotted ?? "").split(".").map(Number);
  const text =
    dotted === undefined ? address : `${address.slice(0, -dotted.length)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  const parse = (part: string): number[] => (part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16)));
  const [head = "", tail] = text.split("::");
  if (tail === undefined) return parse(head);
  const [left, right] = [parse(head), parse(tail)];
  return [...left, ...new Array<number>(Math.max(0, 8 - left.length - right.length)).fill(0), ...right];
}

function binary(value: number, width: number): string {
  return value.toString(2).padStart(width, "0");
}
