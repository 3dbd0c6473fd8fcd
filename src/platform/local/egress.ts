import type { Socket } from "node:net";
/** Opens a connection outside of the fabric; rejects with a DialError that says why. */
export type Dial = (address: string, port: number) => Promise<Socket>;
