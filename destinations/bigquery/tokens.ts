/** The slice of an AuthClient that the client of BigQuery calls: it authorizes a request, and refreshes when it is time. */
export interface TokenClient {
  getRequestHeaders(url?: string): Promise<Headers>;
}

/** Somebody who asks BigQuery. */
export interface Identity {
  readonly client: TokenClient;
  /** The address that a grant names, where the credentials tell it. */
  readonly principal: string | undefined;
}

/** Opens a new client, with a new token: what is done after a token was refused. */
export type OpenTokens = () => Promise<Identity>;
