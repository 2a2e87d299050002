// Numbers in the page's language; the one place where they are written. CSV and JSON keep their points.

export const PERCENT = "\u00a0%"; // no line ends between a number and its sign

// `words`: the texts of the page, which hold the language's decimal mark.
export function decimal(value, digits, words) {
  return value.toFixed(digits).replace(".", words["number.decimal"]);
}

// To so many significant figures; a whole number in full.
export function significant(value, figures, words) {
  return String(Number.isInteger(value) ? value : Number(value.toPrecision(figures))).replace(".", words["number.decimal"]);
}

// A probability as the server writes it: to one decimal, never rounded to none or all.
export function percent(share, words) {
  if (share > 0 && share < 0.0005) return `<${decimal(0.1, 1, words)}${PERCENT}`;
  if (share >= 0.9995 && share < 1) return `>${decimal(99.9, 1, words)}${PERCENT}`;
  return `${decimal(share * 100, 1, words)}${PERCENT}`;
}
