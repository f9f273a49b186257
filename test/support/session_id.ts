/** As PostHog's ids are: a UUID of version 7, which begins with the milliseconds of its time. */
export function sessionId(at: number): string {
  const hex = Math.floor(at).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}
