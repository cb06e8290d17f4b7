// Drawings come from the server as SVG; those named by a digest never change and are kept.

const kept = new Map();

async function read(url) {
  const answer = await fetch(url, { headers: { Accept: "image/svg+xml" } });
  if (!answer.ok) throw new Error(`${url}: HTTP ${answer.status}`);
  return answer.text();
}

/** The drawing at `url` as a new element of this document. Rejects where it cannot be had. */
export async function drawing(url, { immutable = false } = {}) {
  if (!kept.has(url)) {
    const text = read(url);
    if (!immutable) return parse(await text);
    kept.set(url, text);
    text.catch(() => kept.delete(url));
  }
  return parse(await kept.get(url));
}

function parse(text) {
  const root = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  if (root.localName !== "svg") throw new Error("not a drawing");
  return document.importNode(root, true);
}
