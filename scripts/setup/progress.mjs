// Shows what the set-up does and how far it is. Input: step titles and counts; output: lines on stderr, never on stdout.
// A terminal gets one line that is rewritten; anything else gets a line at the start and at the end, and one each ten seconds.
const LOG_EVERY_MS = 10_000;

/** How long something took, for people: "0.4 s", "1 min 5 s". */
export function durationText(milliseconds) {
  const seconds = milliseconds / 1000;
  return seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** Starts the line of one step: {update(detail), done(detail), fail()}. `now` and `stream` are parameters for tests. */
export function startStep(title, { stream = process.stderr, now = Date.now } = {}) {
  const started = now();
  const isTerminal = stream.isTTY === true;
  let lastLog = started;
  const write = (line) => stream.write(isTerminal ? `\r\u001b[2K${line}` : `${line}\n`);
  write(`… ${title}`);
  return {
    update(detail) {
      if (!isTerminal && now() - lastLog < LOG_EVERY_MS) return;
      lastLog = now();
      write(`… ${title}: ${detail}, ${durationText(now() - started)}`);
    },
    done(detail = "") {
      write(`✓ ${title}${detail === "" ? "" : `: ${detail}`} (${durationText(now() - started)})`);
      if (isTerminal) stream.write("\n");
    },
    fail() {
      write(`✗ ${title} (${durationText(now() - started)})`);
      if (isTerminal) stream.write("\n");
    },
  };
}
