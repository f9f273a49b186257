/** The part of google-auth-library's AuthClient that the SDK calls. It refreshes tokens by itself. */
export interface TokenClient {
  getRequestHeaders(url?: string): Promise<Headers>;
}

/** Whoever is signed in. */
export interface Identity {
  readonly client: TokenClient;
  /** The account that a grant would name, if the credentials say. */
  readonly principal: string | undefined;
}

/** Opens a new client with a new token, at first and after a token was refused. */
export type OpenTokens = () => Promise<Identity>;
