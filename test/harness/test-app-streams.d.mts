// Types of the test application's TCP and TLS clients for tests that connect from the host.
interface Target {
  readonly host: string;
  readonly port: number;
  readonly text?: string;
  readonly timeoutMs?: number;
}

export function tcpOnce(target: Target): Promise<{ readonly text: string; readonly error?: string; readonly ms: number }>;
export function tcpBurst(
  target: Target & { readonly count: number; readonly concurrency?: number },
): Promise<{ readonly byVersion: Readonly<Record<string, number>>; readonly errors: readonly string[] }>;
export function tlsGet(
  target: Target & { readonly path?: string; readonly serverName?: string },
): Promise<{ readonly status: number; readonly body?: string; readonly version?: string; readonly error?: string }>;
export function upgraded(command: {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly text?: string;
}): Promise<{ readonly status: number; readonly text: string }>;
