/** What the page's tables have in common. */
import { html } from "hono/html";
import { count, type Html } from "./format.ts";

export interface TableSection {
  readonly id: string;
  readonly title: string;
  /** Next to the title. */
  readonly note?: string;
  readonly columns: readonly string[];
  /** One or several `tbody`. */
  readonly body: Html | readonly Html[];
  /** Below the table. */
  readonly below?: Html | "";
}

export function tableSection({ id, title, note, columns, body, below = "" }: TableSection): Html {
  return html`<section aria-labelledby="${id}">
    <h2 id="${id}">${title} ${note === undefined ? "" : html`<small>${note}</small>`}</h2>
    <div class="card">
      <table aria-labelledby="${id}">
        <thead>
          <tr>
            ${columns.map((column) => html`<th scope="col">${column}</th>`)}
          </tr>
        </thead>
        ${body}
      </table>
      ${below}
    </div>
  </section>`;
}

/** A row below another, across all five columns. */
export function detailRow(lines: Html | readonly Html[]): Html {
  return html`<tr class="detail">
    <td colspan="5">${lines}</td>
  </tr>`;
}

/** @param where what lists the rest */
export function andMore(more: number, where: string): Html | "" {
  return more > 0 ? html`<p class="empty">And ${count(more)} more: <code>${where}</code></p>` : "";
}
