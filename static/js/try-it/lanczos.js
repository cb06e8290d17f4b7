// Pillow's ImageOps.fit with the Lanczos filter, to the bit (src/libImaging/Resample.c, 8 bits a channel): weights are
// integers of 22 bits; across first, rounded to 8 bits, then down.

const BITS = 22;
const SUPPORT = 3;

const sinc = (x) => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));
const filter = (x) => (x >= -SUPPORT && x < SUPPORT ? sinc(x) * sinc(x / SUPPORT) : 0);

/** What is cut out of a picture of width x height for a target of that shape: [left, top, right, bottom]. */
export function centre(width, height, toWidth, toHeight) {
  const [is, wanted] = [width / height, toWidth / toHeight];
  const across = is > wanted ? wanted * height : width;
  const down = is < wanted ? width / wanted : height;
  const [left, top] = [(width - across) * 0.5, (height - down) * 0.5];
  return [left, top, left + across, top + down];
}

/** For each of `n` pixels along one side: the first source pixel that counts, and the integer weights of those from it on. */
export function taps(size, from, to, n) {
  const [first, last] = [Math.fround(from), Math.fround(to)]; // Pillow holds its box in single precision
  const scale = Math.fround(last - first) / n;
  const stretch = Math.max(1, scale);
  const reach = SUPPORT * stretch;
  return Array.from({ length: n }, (_, k) => {
    const middle = first + (k + 0.5) * scale;
    const start = Math.max(0, Math.trunc(middle - reach + 0.5));
    const end = Math.min(size, Math.trunc(middle + reach + 0.5));
    const values = Array.from({ length: end - start }, (_, i) => filter((i + start - middle + 0.5) / stretch));
    const total = values.reduce((sum, value) => sum + value, 0);
    const weights = values.map((value) => Math.trunc((value / total) * 2 ** BITS + (value < 0 ? -0.5 : 0.5)));
    return { start, weights: Int32Array.from(weights) };
  });
}

/** Is nothing to be done along this side? */
export const isWhole = (size, from, to, n) => size === n && from === 0 && to === size;

const clipped = (sum) => Math.min(255, Math.max(0, sum >> BITS));

/**
 * One pass: `lines` lines, each of them a run of pixels of `channels` values. Pixel i of line j begins at
 * i * step + j * stride in `source`, and at i * toStep + j * toStride in the Uint8Array that is given back.
 */
function pass(source, wanted, { lines, channels, step, stride, toStep, toStride }) {
  const made = new Uint8Array(wanted.length * lines * channels);
  for (let j = 0; j < lines; j++) {
    wanted.forEach(({ start, weights }, i) => {
      for (let c = 0; c < channels; c++) {
        let sum = 1 << (BITS - 1);
        let at = start * step + j * stride + c;
        for (let k = 0; k < weights.length; k++, at += step) sum += source[at] * weights[k];
        made[i * toStep + j * toStride + c] = clipped(sum);
      }
    });
  }
  return made;
}

/** Rows of pixels, each narrowed to the taps. */
export const across = (rows, width, n, wanted, channels) =>
  pass(rows, wanted, {
    lines: n, channels, step: channels, stride: width * channels, toStep: channels, toStride: wanted.length * channels,
  });

/** All rows of `width` pixels made the taps' number of rows. */
export const down = (rows, width, wanted, channels) =>
  pass(rows, wanted, {
    lines: width, channels, step: width * channels, stride: channels, toStep: width * channels, toStride: channels,
  });
