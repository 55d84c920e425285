// Heart rate, baseline and score, one row per step.
import { firstAtLeast } from "./window.js";

const STEP = 4;

// Columns at several levels, each the minimum and maximum of 4 rows.
export class Trends {
  constructor(time, columns) {
    this.time = time;
    this.levels = [{ step: 1, low: columns, high: columns }];
    while (this.levels.at(-1).low[0].length > 2048) {
      this.levels.push(this.thinner(this.levels.at(-1)));
    }
  }

  thinner(level) {
    const thin = (column, pick) => {
      const made = new Float32Array(Math.ceil(column.length / STEP));
      for (let i = 0; i < made.length; i += 1) {
        let found = NaN;
        const stop = Math.min((i + 1) * STEP, column.length);
        for (let j = i * STEP; j < stop; j += 1) {
          if (Number.isNaN(found) || pick(column[j], found)) {
            found = column[j];
          }
        }
        made[i] = found;
      }
      return made;
    };
    return {
      step: level.step * STEP,
      low: level.low.map((one) => thin(one, (a, b) => a < b)),
      high: level.high.map((one) => thin(one, (a, b) => a > b)),
    };
  }

  view(from, to, points) {
    const first = Math.max(0, firstAtLeast(this.time, from) - 1);
    const last = Math.min(this.time.length, firstAtLeast(this.time, to) + 1);
    const level = this.levels.find(
      (one) => (last - first) / one.step <= points) ?? this.levels.at(-1);
    const { step, low, high } = level;
    const x = [];
    const columns = low.map(() => []);
    const value = (one) => (Number.isNaN(one) ? null : one);
    for (let i = Math.floor(first / step);
      i < Math.min(Math.ceil(last / step), low[0].length); i += 1) {
      const time = this.time[i * step];
      x.push(time);
      columns.forEach((column, n) => column.push(value(low[n][i])));
      if (step > 1) {
        x.push(this.time[Math.min(i * step + step / 2,
          this.time.length - 1)]);
        columns.forEach((column, n) => column.push(value(high[n][i])));
      }
    }
    return [x, ...columns];
  }

  // Values at a time; null if unknown.
  at(seconds) {
    const row = firstAtLeast(this.time, seconds - 1e-3);
    return this.levels[0].low.map((column) => (
      row < column.length && !Number.isNaN(column[row])
        ? column[row] : null));
  }
}
