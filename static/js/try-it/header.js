// What a file is and how large its picture, by its first bytes: nothing is decoded before that is known.

const ascii = (bytes, from, length) => String.fromCharCode(...bytes.subarray(from, from + length));

function png(view) {
  return { width: view.getUint32(16), height: view.getUint32(20) };
}

/** Segments are passed over until one says the size (SOF). */
function jpeg(view) {
  for (let at = 2; at + 9 < view.byteLength; ) {
    if (view.getUint8(at) !== 0xff) return null;
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) at += 1;
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    } else at += 2 + view.getUint16(at + 2);
  }
  return null;
}

function webp(view, bytes) {
  const kind = ascii(bytes, 12, 4);
  const u24 = (at) => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
  if (kind === "VP8X") return { width: u24(24) + 1, height: u24(27) + 1 };
  if (kind === "VP8L") {
    const packed = view.getUint32(21, true);
    return { width: (packed & 0x3fff) + 1, height: ((packed >> 14) & 0x3fff) + 1 };
  }
  return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
}

const READERS = [
  { is: (bytes) => ascii(bytes, 1, 3) === "PNG" && bytes[0] === 0x89, read: png },
  { is: (bytes) => bytes[0] === 0xff && bytes[1] === 0xd8, read: jpeg },
  { is: (bytes) => ascii(bytes, 0, 4) === "RIFF" && ascii(bytes, 8, 4) === "WEBP", read: webp },
];

/** Throws an Error in words unless this is a PNG, JPEG or WebP file; its {width, height} in px. */
export function header(bytes) {
  const reader = bytes.length > 29 && READERS.find(({ is }) => is(bytes));
  if (!reader) throw new Error(refusal(bytes));
  const size = reader.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), bytes);
  if (!size || !size.width || !size.height) throw new Error("This picture is damaged or cut short.");
  return size;
}

function refusal(bytes) {
  const head = ascii(bytes, 0, 512);
  if (head.startsWith("GIF8")) return "A GIF can hold many pictures, moving ones. Save the one you mean as PNG, JPEG or WebP.";
  if (/<svg[\s>]/i.test(head) || head.trimStart().startsWith("<?xml")) return "An SVG is a drawing without pixels. Save it as PNG first.";
  return "This is no PNG, JPEG or WebP picture.";
}
