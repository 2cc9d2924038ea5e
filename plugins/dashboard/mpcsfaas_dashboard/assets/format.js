// Numbers and moments as people read them.

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const MINUTE = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const MOMENT = new Intl.DateTimeFormat(undefined, {
  month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});
const NONE = "–";

export const count = (number) => (number == null ? NONE : WHOLE.format(number));

export function rate(number) {
  if (number == null) return NONE;
  return number > 0 && number < 10 ? number.toFixed(1) : WHOLE.format(number);
}

export function duration(seconds) {
  if (seconds == null) return NONE;
  if (seconds < 0.001) return "<1 ms";
  if (seconds < 0.01) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

/** A round duration at an axis. */
export function tick(seconds) {
  if (seconds === 0) return "0";
  const [value, unit] = seconds < 1 ? [seconds * 1000, "ms"] : seconds < 60 ? [seconds, "s"] : [seconds / 60, "min"];
  return `${Number(value.toPrecision(3))} ${unit}`;
}

/** How long ago, in one unit. */
export function ago(moment, now) {
  if (moment == null) return NONE;
  const seconds = Math.max(0, now - moment);
  if (seconds < 1) return "now";
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

export const clock = (moment) => (moment ? CLOCK.format(moment * 1000) : NONE);
export const minute = (moment) => MINUTE.format(moment * 1000);
export const moment = (seconds) => (seconds ? MOMENT.format(seconds * 1000) : NONE);
/** The end of an id, which is random even where its beginning is a time. */
export const shortId = (id) => `…${id.slice(-8)}`;
