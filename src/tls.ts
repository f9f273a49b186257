/** Faults of TLS. They last until somebody changes a certificate, an address or a clock, so none of them is retried. */

const CODE = /^(?:(?:CERT|CRL|ERR_TLS|ERR_SSL|UNABLE_TO|SELF_SIGNED)_.*|.*_SELF_SIGNED_.*|EPROTO)$/;

/** @param code Node.js' code of a connection that failed */
export function isTlsFault(code: unknown): boolean {
  return typeof code === "string" && CODE.test(code);
}

/** What to do where Node.js' own authorities are used. */
export function untrusted(host: string): string {
  return `This machine doesn't trust the certificate of ${host}. If a proxy in between signs its own: NODE_EXTRA_CA_CERTS=<a PEM file with its authority>. Otherwise check the host's name and this machine's clock.`;
}
