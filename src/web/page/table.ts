/** What the page's tables have in common. */
import { html } from "hono/html";
import type { Html } from "./format.ts";

export interface TableSection {
  readonly id: string;
  readonly title: string;
  /** Next to the title. */
  readonly note?: Html | string;
  /** The line behind which the table is folded; undefined: it's open. */
  readonly folded?: string;
  readonly columns: readonly string[];
  readonly rows: Html | readonly Html[];
  /** Below the table. */
  readonly below?: Html | "";
}

export function tableSection({ id, title, note, folded, columns, rows, below = "" }: TableSection): Html {
  const table = html`<table class="grid" aria-labelledby="${id}">
      <thead>
        <tr>
          ${columns.map((column) => html`<th scope="col">${column}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
    ${below}`;
  return html`<section aria-labelledby="${id}">
    <h2 id="${id}">${title} ${note === undefined ? "" : html`<small>${note}</small>`}</h2>
    <div class="card">
      ${
        folded === undefined
          ? table
          : html`<details data-key="${id}">
              <summary>${folded}</summary>
              ${table}
            </details>`
      }
    </div>
  </section>`;
}
