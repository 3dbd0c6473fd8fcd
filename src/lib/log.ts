// Structured logging of the long-running processes: one JSON object per line on stderr, or nothing.

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

const rank: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** A logger that writes lines at or above `level` through `write`. */
export function createLogger(component: string, level: LogLevel, write: (line: string) => void): Logger {
  const at =
    (lineLevel: LogLevel) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}) => {
      if (rank[lineLevel] < rank[level]) return;
      write(`${JSON.stringify({ time: new Date().toISOString(), level: lineLevel, component, message, ...fields })}\n`);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** The same logger with these fields in every line. */
export function withFields(logger: Logger, fields: Readonly<Record<string, unknown>>): Logger {
  return {
    debug: (message, more = {}) => logger.debug(message, { ...fields, ...more }),
    info: (message, more = {}) => logger.info(message, { ...fields, ...more }),
    warn: (message, more = {}) => logger.warn(message, { ...fields, ...more }),
    error: (message, more = {}) => logger.error(message, { ...fields, ...more }),
  };
}

/** A logger that drops everything. */
export const silentLogger: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
