// Numbers and times in words, as on the server (searches/diagrams/words.py): a narrow no-break space stands before units.

const NB = "\u202f";
const DASH = "–";

/** 0.787 -> "78.70 %". */
export const percent = (fraction, digits = 2) => (fraction === null || fraction === undefined ? DASH : `${(100 * fraction).toFixed(digits)}${NB}%`);

/** A difference of fractions in points: "+0.40", "−0.40" with a true minus. */
export function points(difference, digits = 2) {
  const text = (100 * Math.abs(difference)).toFixed(digits);
  return `${difference < 0 ? "−" : "+"}${text}`;
}

/** 135531 -> "135,531". */
export const count = (n) => (n === null || n === undefined ? DASH : Math.round(n).toLocaleString("en-GB"));

/** 880, "9.2 k", "136 k", "94.4 M", "1.32 G". */
export function short(n) {
  if (n === null || n === undefined) return DASH;
  if (n >= 1e12) return `${(n / 1e12).toFixed(2)}${NB}T`;
  if (n >= 1e9) return `${(n / 1e9).toFixed(2)}${NB}G`;
  if (n >= 999_500) return `${(n / 1e6).toFixed(1)}${NB}M`;
  if (n >= 9_950) return `${(n / 1e3).toFixed(0)}${NB}k`;
  return n >= 1e3 ? `${(n / 1e3).toFixed(1)}${NB}k` : String(Math.round(n));
}

/** 850000 -> "850 kB", 412000000 -> "412 MB", 7900000000 -> "7.9 GB". */
export function bytes(n) {
  if (n === null || n === undefined) return DASH;
  const [scale, unit] = n >= 1e9 ? [1e9, "GB"] : n >= 1e6 ? [1e6, "MB"] : [1e3, "kB"];
  return `${(n / scale).toFixed(n / scale < 10 && n ? 1 : 0)}${NB}${unit}`;
}

/** Seconds -> "48 s", "6 min 03 s", "2 h 05 min", "3 d 4 h". */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return DASH;
  const whole = Math.max(0, Math.round(seconds));
  const [minutes, rest] = [Math.floor(whole / 60), whole % 60];
  if (minutes < 1) return `${whole}${NB}s`;
  if (minutes < 60) return `${minutes}${NB}min ${String(rest).padStart(2, "0")}${NB}s`;
  const [hours, restMinutes] = [Math.floor(minutes / 60), minutes % 60];
  if (hours < 48) return `${hours}${NB}h ${String(restMinutes).padStart(2, "0")}${NB}min`;
  return `${Math.floor(hours / 24)}${NB}d ${hours % 24}${NB}h`;
}

/** An estimate: "under 1 min", "about 7 min", "about 2 h 40 min". */
export function about(seconds) {
  if (seconds === null || seconds === undefined) return DASH;
  const minutes = Math.round(seconds / 60);
  if (seconds < 45) return `under 1${NB}min`;
  if (minutes < 60) return `about ${Math.max(1, minutes)}${NB}min`;
  const tens = Math.round(minutes / 10) * 10;
  if (tens < 48 * 60) return `about ${Math.floor(tens / 60)}${NB}h${tens % 60 ? ` ${tens % 60}${NB}min` : ""}`;
  return `about ${Math.round(minutes / 60 / 24)}${NB}days`;
}

/** Seconds since the start as a clock: "05:26", "1:05:26". */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n) => String(n).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${two(minutes)}:${two(rest)}`;
}

const SUPERSCRIPTS = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

/** 2.9e-6 -> "2.9 × 10⁻⁶"; 0 -> "0". */
export function scientific(value) {
  if (value === null || value === undefined) return DASH;
  if (value === 0) return "0";
  const [mantissa, exponent] = value.toExponential(1).split("e");
  const power = [...String(Number(exponent))].map((c) => SUPERSCRIPTS[c]).join("");
  return mantissa === "1.0" ? `10${power}` : `${mantissa} × 10${power}`;
}

/** Wilson's 95 % interval of an accuracy measured on n images: [low, high]. */
export function interval(accuracy, n) {
  const z = 1.959964;
  const middle = accuracy + (z * z) / (2 * n);
  const half = z * Math.sqrt((accuracy * (1 - accuracy)) / n + (z * z) / (4 * n * n));
  return [(middle - half) / (1 + (z * z) / n), (middle + half) / (1 + (z * z) / n)];
}

/** Half the width of that interval: what stands behind ±. */
export function plusMinus(accuracy, n) {
  const [low, high] = interval(accuracy, n);
  return (high - low) / 2;
}

/** The time of day where the reader sits, with the day when it is not today: "14:28", "yesterday 14:28". */
export function when(iso, now = new Date()) {
  const date = new Date(iso);
  const time = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  const midnight = (d) => new Date(d.getFullYear(), d.getMonth(), d.getDate()).getTime();
  const days = Math.round((midnight(now) - midnight(date)) / 86_400_000);
  if (days === 0) return time;
  if (days === 1) return `yesterday ${time}`;
  if (days === -1) return `tomorrow ${time}`;
  if (days > 1 && days < 7) return `${date.toLocaleDateString("en-GB", { weekday: "long" })} ${time}`;
  return `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" })} ${time}`;
}

/** "1 epoch", "3 epochs". */
export const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;

export const sum = (numbers) => numbers.reduce((total, each) => total + each, 0);
