/** Numbers, times and texts for people, in the terminal, on the page and in alerts. */
export { default as bytes } from "pretty-bytes";

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export function count(value: number): string {
  return whole.format(value);
}

export function plural(number: number, noun: string, several = `${noun}s`): string {
  return `${count(number)} ${number === 1 ? noun : several}`;
}

/** `2026-10-01 13:00`, UTC. */
export function minute(time: Date): string {
  return time.toISOString().slice(0, 16).replace("T", " ");
}

const CONTROL = String.raw`[\p{Cc}\p{Cs}\u2028\u2029\u202A-\u202E\u2066-\u2069]`;
const ANY_CONTROL = new RegExp(CONTROL, "u");
const UNPRINTABLE = new RegExp(String.raw`(?![\n\t])${CONTROL}`, "gu");

/** Whether a text has characters that drive a terminal, break a line, or reverse the direction of text, and halves of characters. */
export function hasControls(text: string): boolean {
  return ANY_CONTROL.test(text);
}

/** The text without such characters. Line ends and tabs stay. */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, "");
}
