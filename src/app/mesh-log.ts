// What the mesh's own processes say while it runs: lines of the supervisor and bytes of the node's stderr -> one bounded file of the run directory, a JSON
// object a line as `createLogger` writes them. `lateen logs --own` reads it, beside the control plane's own file.

import { LineSplitter, LogFile } from "../platform/local/output-log.ts";

/** The file and the one before it keep so much each. */
const maxBytes = 1024 * 1024;

export class MeshLog {
  readonly #file: LogFile;
  readonly #splitters = new Map<string, LineSplitter>();

  constructor(path: string) {
    this.#file = new LogFile(path, maxBytes);
  }

  /** Takes a line of a logger, with its line end. */
  write(line: string): void {
    this.#file.write(line);
  }

  /** Takes what a process printed; what no logger wrote, such as Node's own words about a crash, becomes a line of its own. */
  output(component: string, chunk: Buffer): void {
    const splitter = this.#splitters.get(component) ?? new LineSplitter((text) => this.#line(component, text));
    this.#splitters.set(component, splitter);
    splitter.push(chunk);
  }

  close(): void {
    for (const splitter of this.#splitters.values()) splitter.end();
    this.#file.close();
  }

  #line(component: string, text: string): void {
    if (text.trim() === "") return;
    const isLogged = text.startsWith('{"time":"') && text.endsWith("}");
    this.write(
      isLogged ? `${text}\n` : `${JSON.stringify({ time: new Date().toISOString(), level: "error", component, message: text })}\n`,
    );
  }
}
