import { html } from "hono/html";
import type { Html } from "./format.ts";
import { pageOf } from "./style.ts";

/** Links are relative, so that a proxy can serve the page under a path. */
export function loginPage(problem?: string): Html {
  return pageOf(
    { title: "Replayport: log in" },
    html`<main class="card login">
      <h1>Replayport</h1>
      ${problem === undefined ? "" : html`<p class="note bad" role="alert">${problem}</p>`}
      <form method="post" action="login">
        <label for="token"
          >Token <small>(<code>http.token</code> of the config)</small></label
        >
        <input id="token" name="token" type="password" autocomplete="current-password" required autofocus />
        <button>Show the dashboard</button>
      </form>
      <p class="quiet">Your browser gets a cookie for 12 hours. Scripts can't read it, and it can only read.</p>
    </main>`,
  );
}
