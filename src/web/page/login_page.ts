import { html } from "hono/html";
import type { Html } from "./format.ts";
import { documentOf } from "./shell.ts";

export interface LoginPage {
  readonly problem?: string | undefined;
  /** To the dashboard: the form may be shown in place of any page. */
  readonly root: string;
  /** The page to show after that, from the dashboard on. */
  readonly to: string;
}

export function loginPage({ problem, root, to }: LoginPage): Html {
  return documentOf(
    "Replayport: log in",
    html`<main class="card login">
      <h1>Replayport</h1>
      ${problem === undefined ? "" : html`<p class="note bad" role="alert">${problem}</p>`}
      <form method="post" action="${root}login">
        <label for="token"
          >Token <small>(<code>http.token</code> of the config)</small></label
        >
        <input id="token" name="token" type="password" autocomplete="current-password" required autofocus />
        <input type="hidden" name="to" value="${to}" />
        <button>Log in</button>
      </form>
      <p class="quiet">
        Your browser gets a cookie for 12 hours. Scripts can't read it, and other sites can't use it: it reads, and it
        sends the forms of these pages.
      </p>
    </main>`,
  );
}
