// The drawing of a network as a file: SVG from the server, PNG painted here from that SVG with the styles in it.

import { say } from "./announce.js";

const SCALE = 2; // pixels of the picture for each of the drawing

/** The two links of `box`: the SVG's is plain, the PNG's is painted when it is asked for. */
export class SaveDrawing {
  #svg;
  #png;
  #said;

  constructor(box) {
    [this.#svg, this.#png, this.#said] = ["svg", "png", "said"].map((part) => box.querySelector(`[data-save="${part}"]`));
    this.#png.addEventListener("click", () => this.#save());
  }

  offer(candidate, width) {
    this.#svg.href = `${candidate.url}network.svg?width=${width}`;
  }

  async #save() {
    this.#png.disabled = true;
    try {
      const answer = await fetch(this.#svg.href);
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      const name = /filename="([^"]+)\.svg"/.exec(answer.headers.get("Content-Disposition"))?.[1] ?? "network";
      offer(await painted(await answer.blob()), `${name}.png`);
      this.#said.textContent = "";
    } catch {
      this.#said.textContent = "The picture could not be made: the server did not answer. Try again.";
      say(this.#said.textContent);
    } finally {
      this.#png.disabled = false;
    }
  }
}

async function painted(svg) {
  const url = URL.createObjectURL(svg);
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [SCALE * image.naturalWidth, SCALE * image.naturalHeight];
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  } finally {
    URL.revokeObjectURL(url);
  }
}

function offer(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
