// What moves on a page because it is new; nothing does for who wants no motion.

const MILLISECONDS = 240;

export const isStill = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

export function appear(element) {
  if (!isStill()) element.animate([{ opacity: 0 }, { opacity: 1 }], { duration: MILLISECONDS, easing: "ease-in" });
}

/** A line runs from its beginning to its end. */
export function drawLine(path, duration = MILLISECONDS) {
  if (isStill()) return;
  const length = path.getTotalLength();
  const from = (offset) => ({ strokeDasharray: length, strokeDashoffset: offset });
  path.animate([from(length), from(0)], { duration, easing: "ease-out" });
}
