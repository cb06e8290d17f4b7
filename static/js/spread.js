// Mean and spread of several searches, step by step.

/** `climbs`: of each search its accuracies by step. -> [{step, mean, sigma, n}], sigma of a sample (n - 1), 0 for one. */
export function meanAndSpread(climbs) {
  const rows = [];
  for (let step = 0; ; step += 1) {
    const values = climbs.filter((climb) => step < climb.length).map((climb) => climb[step]);
    if (values.length === 0) return rows;
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    rows.push({ step, mean, sigma: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0, n: values.length });
  }
}
