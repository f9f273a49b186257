/**
 * A PEM key as OpenSSL reads it. Environment variables, secret managers and shells escape its line breaks, one after the other:
 * `\n`, `\\n`, `\r\n`. A PEM key has no backslash of its own.
 */
export function unescapedPem(text: string): string {
  return text.replaceAll(/(?:\\+r)?\\+n/g, "\n");
}
