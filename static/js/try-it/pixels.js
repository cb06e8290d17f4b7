// A picture as the model takes it, by the rule of model.py: upright, transparency on white, grey or colour, the shorter
// side scaled and the centre cut out. The browser decodes; the scaling is Pillow's (lanczos.js).

import { across, centre, down, isWhole, taps } from "./lanczos.js";
import { header } from "./header.js";

const MAX_PIXELS = 32_000_000; // as at the import of data
const STRIP = 256; // rows read at once: the canvas stays small whatever the picture

/** Throws an Error in words; the values 0..255 (height, width, channels). */
export async function pixels(blob, [channels, height, width]) {
  const size = header(new Uint8Array(await blob.arrayBuffer()));
  if (size.width * size.height > MAX_PIXELS) {
    throw new Error(`This picture has ${size.width.toLocaleString("en-GB")} × ${size.height.toLocaleString("en-GB")} pixels; at most 32 million are taken. Make it smaller first.`);
  }
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", imageOrientation: "from-image" });
  } catch {
    throw new Error("This picture is damaged or cut short.");
  }
  try {
    return fitted(bitmap, channels, height, width);
  } finally {
    bitmap.close();
  }
}

function fitted(bitmap, channels, height, width) {
  const [left, top, right, bottom] = centre(bitmap.width, bitmap.height, width, height);
  const isNarrow = isWhole(bitmap.width, left, right, width);
  const wanted = isNarrow ? null : taps(bitmap.width, left, right, width);
  const rows = new Uint8Array(bitmap.height * width * channels);
  for (const [at, n, strip] of strips(bitmap, channels)) {
    rows.set(isNarrow ? strip : across(strip, bitmap.width, n, wanted, channels), at * width * channels);
  }
  if (isWhole(bitmap.height, top, bottom, height)) return rows;
  return down(rows, width, taps(bitmap.height, top, bottom, height), channels);
}

/** [first row, rows, their values] from top to bottom. */
function* strips(bitmap, channels) {
  const canvas = document.createElement("canvas");
  canvas.width = bitmap.width;
  canvas.height = Math.min(STRIP, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = false;
  context.fillStyle = "#fff";
  for (let at = 0; at < bitmap.height; at += STRIP) {
    const n = Math.min(STRIP, bitmap.height - at);
    context.fillRect(0, 0, bitmap.width, n);
    context.drawImage(bitmap, 0, at, bitmap.width, n, 0, 0, bitmap.width, n);
    yield [at, n, plain(context.getImageData(0, 0, bitmap.width, n).data, channels)];
  }
}

/** RGBA without its A, or grey as Pillow's convert("L"). */
function plain(rgba, channels) {
  const n = rgba.length / 4;
  const made = new Uint8Array(n * channels);
  for (let k = 0; k < n; k++) {
    const [r, g, b] = [rgba[4 * k], rgba[4 * k + 1], rgba[4 * k + 2]];
    if (channels === 1) made[k] = (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
    else made.set([r, g, b], 3 * k);
  }
  return made;
}

/** Values (H, W, C), 0..255, as the network's input (1, C, H, W), 0..1. */
export function input(values, [channels, height, width]) {
  const made = new Float32Array(values.length);
  const area = height * width;
  for (let k = 0; k < area; k++) for (let c = 0; c < channels; c++) made[c * area + k] = values[k * channels + c] / 255;
  return made;
}

/** Shows values (H, W, C) on a canvas of that size. */
export function show(canvas, values, [channels, height, width]) {
  const image = new ImageData(width, height);
  for (let k = 0; k < height * width; k++) {
    for (let c = 0; c < 3; c++) image.data[4 * k + c] = values[k * channels + (channels === 1 ? 0 : c)];
    image.data[4 * k + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}
