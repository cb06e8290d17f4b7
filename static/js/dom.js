// Elements without innerHTML: nothing that an event carries is ever read as markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An HTML element: h("p", {class: "note"}, "text", element, [more]). */
export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

/** An SVG element. */
export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** An icon of static/icons.svg; its words stand beside it or in its button's label. */
export function icon(name, extra = "") {
  const use = s("use", { href: `${document.body.dataset.icons}#${name}` });
  return s("svg", { class: `icon ${extra}`.trim(), viewBox: "0 0 14 14", "aria-hidden": "true", focusable: "false" }, use);
}

export const byId = (id) => document.getElementById(id);

/** Sets text only where it differs, so that nothing is announced or laid out again for nothing. */
export function setText(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

/** Replaces the children only where the new ones read differently. */
export function setChildren(element, ...children) {
  const fresh = h("div", null, ...children);
  if (element.innerHTML !== fresh.innerHTML) element.replaceChildren(...fresh.childNodes);
}

/**
 * Puts keyed rows (data-id) into a list or table. What reads as before stays the element that it was: the focus, what is
 * selected and a click half done are not lost to a number that changes. So rows have no listeners of their own.
 */
export function setRows(parent, rows) {
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  const wanted = new Set(rows.map((row) => row.dataset.id));
  for (const row of [...parent.children]) if (!wanted.has(row.dataset.id)) row.remove();
  const before = new Map([...parent.children].map((row) => [row.dataset.id, row]));
  let next = parent.firstElementChild;
  for (const fresh of rows) {
    const row = before.get(fresh.dataset.id) ?? fresh;
    if (row !== fresh) become(row, fresh);
    if (row === next) next = next.nextElementSibling;
    else parent.insertBefore(row, next);
  }
  if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true }); // its row was moved
}

/** Changes only what differs. */
function become(node, fresh) {
  if (node.isEqualNode(fresh)) return;
  if (node.nodeName !== fresh.nodeName || node.nodeType !== Node.ELEMENT_NODE) {
    node.replaceWith(fresh);
    return;
  }
  for (const name of node.getAttributeNames()) if (!fresh.hasAttribute(name)) node.removeAttribute(name);
  for (const name of fresh.getAttributeNames()) if (name !== "style") node.setAttribute(name, fresh.getAttribute(name));
  node.style.cssText = fresh.style.cssText; // by the attribute the policy would forbid it
  const [had, wanted] = [[...node.childNodes], [...fresh.childNodes]];
  for (const [i, child] of wanted.entries()) {
    if (had[i]) become(had[i], child);
    else node.append(child);
  }
  for (const child of had.slice(wanted.length)) child.remove();
}

/** Replaces children that read differently and puts the focus back on the button that had it. */
export function replaceKeepingFocus(parent, ...children) {
  const fresh = h("div", null, ...children);
  if (parent.innerHTML === fresh.innerHTML) return;
  const buttons = () => [...parent.querySelectorAll("button, select")];
  const place = parent.contains(document.activeElement) ? buttons().indexOf(document.activeElement) : -1;
  parent.replaceChildren(...fresh.childNodes);
  if (place >= 0) buttons()[place]?.focus();
}

/** The computed value of a colour token, resolved for the theme on show. */
export function colours(...tokens) {
  const probe = h("span", { hidden: true });
  document.body.append(probe);
  const values = tokens.map((token) => {
    probe.style.color = `var(--${token})`;
    return getComputedStyle(probe).color;
  });
  probe.remove();
  return values;
}

/** Calls back when the theme changes, by the button or by the system. */
export function onThemeChange(callback) {
  document.addEventListener("theme", callback);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", callback);
}

/** At most one call of `callback` a frame, however often it is asked for. */
export function oncePerFrame(callback) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      callback();
    });
  };
}

/** Whether the server answers with a sentence that says why not (views/writing.py). */
export const isRefusal = (answer) => answer.ok && answer.headers.get("content-type")?.startsWith("text/plain");

/** A row of buttons of which one is pressed: options are [value, words] pairs. */
export function segmented(label, options, chosen, choose) {
  return h(
    "div",
    { class: "segmented", role: "group", "aria-label": label },
    options.map(([value, words]) =>
      h("button", { type: "button", "aria-pressed": String(value === chosen), onclick: () => choose(value) }, words),
    ),
  );
}
