// The numbers behind a chart: a button shows them as a table in one dialog that all charts share, and as a CSV file.

import { byId, h, setText } from "./dom.js";

const MOST = 2000; // rows that the table shows; the file has them all

/**
 * Lets the button `${id}-data` show what `describe()` answers at that moment: {title, columns: [name], rows: [[value]]}.
 * Values are the numbers as the page has them, unrounded; null where there is none.
 */
export function offerData(id, describe) {
  byId(`${id}-data`)?.addEventListener("click", () => show(describe()));
}

function show({ title, columns, rows }) {
  const dialog = byId("data");
  setText(byId("data-title"), title);
  setText(byId("data-sub"), rows.length > MOST ? `The first ${MOST} of ${rows.length} rows; the file has them all.` : `${rows.length} row${rows.length === 1 ? "" : "s"}.`);
  byId("data-table").replaceChildren(
    h("caption", { class: "visually-hidden" }, title),
    h("thead", null, h("tr", null, columns.map((name, i) => h("th", { scope: "col", class: isNumeric(rows, i) && "num" }, name)))),
    h("tbody", null, rows.slice(0, MOST).map((row) => h("tr", null, row.map((value) => h("td", { class: typeof value === "number" && "num" }, value ?? "–"))))),
  );
  byId("data-csv").onclick = () => save(`${title}.csv`, csv([columns, ...rows]));
  dialog.showModal();
}

const isNumeric = (rows, i) => rows.some((row) => typeof row[i] === "number");

/** RFC 4180: lines end in CRLF, quotes are doubled. No text is left to be read as a formula, as in selectors/exporting.py. */
export function csv(rows) {
  const cell = (value) => {
    const isFormula = typeof value === "string" && /^[=+\-@]/.test(value);
    const text = isFormula ? `'${value}` : String(value ?? "");
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

function save(name, text) {
  const address = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv;charset=utf-8" }));
  const file = name.replaceAll(/[^\p{L}\p{N}.]+/gu, "-").toLowerCase().replace(/-+\.csv$/, ".csv");
  h("a", { href: address, download: file }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
