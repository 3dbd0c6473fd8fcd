// The command line of `npm run bench`, parsed. Pure.

export type Request =
  | { readonly kind: "list" }
  | { readonly kind: "run"; readonly name: string; readonly quick: boolean }
  | { readonly kind: "mistake"; readonly message: string };

/** Reads `--list`, or one benchmark's name and perhaps `--quick`. */
export function parseArguments(args: readonly string[], names: readonly string[]): Request {
  const unknown = args.find((arg) => arg.startsWith("-") && arg !== "--list" && arg !== "--quick");
  if (unknown !== undefined) return { kind: "mistake", message: `there is no option ${unknown}` };
  if (args.includes("--list")) return { kind: "list" };
  const [name, ...more] = args.filter((arg) => !arg.startsWith("-"));
  if (name === undefined) return { kind: "mistake", message: "no benchmark is named" };
  if (more.length > 0) return { kind: "mistake", message: "one benchmark at a time: another one running would be measured too" };
  if (!names.includes(name)) return { kind: "mistake", message: `there is no benchmark ${name}` };
  return { kind: "run", name, quick: args.includes("--quick") };
}
