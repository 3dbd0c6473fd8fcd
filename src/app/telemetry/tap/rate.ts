// How large a share of requests is told of, so that watching a busy mesh can't take the control plane's time. Pure.

/** Records per second of all proxies together that the control plane reads: about a tenth of one core. */
export const maxTapRate = 2000;

/** The share for the next second, 1 to 100 percent, after one in which `told` records came at `percent`. */
export function decideTapPercent(percent: number, told: number, max: number = maxTapRate): number {
  if (told > max) return Math.max(1, Math.floor((percent * max * 0.8) / told));
  if (percent === 100 || told > max * 0.4) return percent;
  // Slowly, and never to more than what would have fitted.
  return Math.min(100, Math.max(percent + 1, Math.floor(Math.min(percent * 2, (percent * max * 0.8) / Math.max(1, told)))));
}
