// The seal of Eq. (1): did every child begin as its parent? Never a seal without a measurement.

import { offerData } from "./data.js";
import { byId, h, icon, oncePerFrame, s, setChildren, setRows, setText } from "./dom.js";
import { plural, scientific } from "./format.js";

const MOST = 12; // rows of the table
const [WIDTH, HEIGHT, FLOOR] = [376, 124, 88];
const [LEFT, RIGHT] = [30, 346]; // where 10^-9 and 10^-2 stand; a difference of 0 stands at the far left
const [LOWEST, HIGHEST] = [-9, -2];
const UNMEASURED = "Not measured yet: a child is held against its parent when its training begins.";
const NOT_APPLICABLE = "Does not apply (no network morphism): new and modified layers of a child begin afresh, so it does not begin as its parent.";

export class SealPanel {
  #store;
  #draw = oncePerFrame(() => this.#show());

  constructor(store) {
    this.#store = store;
    offerData("seal", () => this.#data());
    store.listen((changed) => (changed.choice || changed.candidates.size) && this.#draw());
    this.#show();
  }

  #show() {
    const { network_morphism: applies } = this.#store.search.config;
    const measured = this.#store.all.filter((c) => c.seal && c.kind === "neighbour");
    setText(byId("seal-empty"), applies ? UNMEASURED : NOT_APPLICABLE);
    byId("seal-empty").hidden = measured.length > 0;
    byId("seal-body").hidden = measured.length === 0;
    if (measured.length === 0) return;
    setChildren(byId("seal-line"), this.#line(measured));
    setChildren(byId("seal-plot"), this.#plot(measured));
    this.#table(measured);
  }

  #line(measured) {
    const broken = measured.filter((c) => !c.seal.holds);
    const largest = measured.reduce((top, c) => (size(c) > size(top) ? c : top));
    const limit = scientific(largest.seal.tolerance32);
    if (broken.length) {
      const words = broken.map((c) => `${c.code}${c.seal.broken_by ? ` by ${c.seal.broken_by}` : ""}`).join("; ");
      const title = `${broken.length} of ${plural(measured.length, "candidate")} did not begin as ${broken.length === 1 ? "its parent" : "their parents"}.`;
      return [emblem(false), h("p", null, h("strong", null, title), `${words}. Not trained; the step goes on without.`)];
    }
    const title = `${measured.length} of ${plural(measured.length, "candidate")} began as ${measured.length === 1 ? "its parent" : "their parents"}.`;
    return [emblem(true), h("p", null, h("strong", null, title), `Largest |Δ logit| ${scientific(size(largest))} (${largest.code}), limit ${limit}.`)];
  }

  /** A dot a candidate on a log axis, with the limit. */
  #plot(measured) {
    const limit = Math.log10(measured[0].seal.tolerance32);
    const columns = new Map();
    const chosen = this.#store.chosen;
    const dots = [...measured]
      .sort((a, b) => (a.id === chosen?.id) - (b.id === chosen?.id))
      .map((candidate) => {
        const x = Math.round(position(size(candidate)) / 9) * 9;
        const below = columns.get(x) ?? 0;
        columns.set(x, below + 1);
        const y = Math.max(8, FLOOR - 8 - 9 * below);
        const on = candidate.id === chosen?.id;
        const dot = s("circle", { class: `seal-dot${candidate.seal.holds ? "" : " is-broken"}${on ? " is-on" : ""}`, cx: x, cy: y, r: on ? 5 : 4 });
        return on ? [dot, s("text", { class: "seal-name", x: x + 9, y: y + 4 }, candidate.code)] : dot;
      });
    const edge = position(10 ** limit);
    const label = measured.map((c) => `${c.code} ${scientific(size(c))}`).join(", ");
    return s(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `Largest difference of a logit against the parent, float32: ${label}` },
      s("rect", { class: "seal-ok", x: 0, y: 4, width: edge, height: FLOOR - 4 }),
      s("path", { class: "seal-limit", d: `M${edge} 4V${FLOOR}` }),
      s("text", { class: "tick", x: edge + 7, y: 18 }, `limit ${scientific(10 ** limit)}`),
      s("path", { class: "axis-line", d: `M0 ${FLOOR}H${WIDTH}` }),
      ticks(),
      s("text", { class: "tick", x: WIDTH, y: HEIGHT - 1, "text-anchor": "end" }, "largest |Δ logit| of a child, float32"),
      dots,
    );
  }

  /** The children of the step on show, each in both precisions. */
  #table(measured) {
    const { stepAsked, openRow, chosen, nSteps } = this.#store;
    const newest = measured.at(-1).step;
    const asked = stepAsked ?? openRow;
    const step = measured.some((c) => c.step === asked) && asked <= nSteps ? asked : newest;
    const shown = measured.filter((c) => c.step === step);
    const most = shown.length > MOST ? shown.toSorted((a, b) => size(b) - size(a)).slice(0, MOST) : shown;
    const [{ seal }] = shown;
    const rest = shown.length > MOST ? `, the ${MOST} largest of ${shown.length}` : "";
    setText(byId("seal-caption"), `Step ${step}${rest}: largest |Δ logit|, limits ${scientific(seal.tolerance32)} and ${scientific(seal.tolerance64)}`);
    setRows(byId("seal-rows"), most.map((c) => sealRow(c, c.id === chosen?.id)));
  }

  #data() {
    const measured = this.#store.all.filter((c) => c.seal && c.kind === "neighbour");
    const columns = ["candidate", "parent", "float32", "limit", "images", "float64", "limit", "images", "holds", "mode"];
    const rows = measured.map(({ code, seal, ...c }) => [code, this.#store.parentOf(c)?.code ?? null, seal.float32, seal.tolerance32, seal.n_images32, seal.float64, seal.tolerance64, seal.n_images64, seal.holds ? "yes" : "no", "evaluation"]);
    return { title: "Seal of Eq. (1)", columns, rows };
  }
}

function sealRow({ id, code, seal, url }, isChosen) {
  const value = (v) => (v === null || v === undefined ? h("span", { class: "muted" }, "not measured") : scientific(v));
  const verdict = h("span", { class: `badge ${seal.holds ? "badge-good" : "badge-bad"}` }, icon(seal.holds ? "check" : "cross"), seal.holds ? "holds" : "broken");
  return h("tr", { class: isChosen && "is-chosen", "data-id": id }, h("th", { scope: "row" }, h("a", { href: url }, code)), h("td", { class: "num" }, value(seal.float32)), h("td", { class: "num" }, value(seal.float64)), h("td", null, verdict));
}

const size = (candidate) => candidate.seal.float32 ?? candidate.seal.float64;

function position(value) {
  if (value === 0) return 12;
  const share = (Math.log10(value) - LOWEST) / (HIGHEST - LOWEST);
  return LEFT + (RIGHT - LEFT) * Math.min(1.05, Math.max(0, share));
}

function ticks() {
  const marks = [s("text", { class: "tick", x: 12, y: FLOOR + 15, "text-anchor": "middle" }, "0")];
  for (let power = LOWEST + 1; power <= HIGHEST; power += 2) {
    const x = position(10 ** power);
    marks.push(s("path", { class: "axis-line", d: `M${x} ${FLOOR}v4` }), s("text", { class: "tick", x, y: FLOOR + 15, "text-anchor": "middle" }, scientific(10 ** power)));
  }
  return marks;
}

function emblem(holds) {
  const teeth = 24;
  const points = Array.from({ length: 2 * teeth }, (_, i) => {
    const radius = i % 2 ? 26 : 28.5;
    const angle = (Math.PI * i) / teeth;
    return `${(30 + radius * Math.sin(angle)).toFixed(2)} ${(30 - radius * Math.cos(angle)).toFixed(2)}`;
  });
  const mark = holds ? "M19 31l8 8 15-17" : "M21 21l18 18M39 21L21 39";
  return s(
    "svg",
    { class: `seal ${holds ? "" : "is-broken"}`, viewBox: "0 0 60 60", width: 60, height: 60, "aria-hidden": "true" },
    s("path", { class: "seal-edge", d: `M${points.join("L")}Z` }),
    s("circle", { class: "seal-ring", cx: 30, cy: 30, r: 21.5 }),
    s("path", { class: "seal-tick", d: mark }),
  );
}
