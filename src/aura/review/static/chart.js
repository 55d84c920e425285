// One chart over time: uPlot with the page's axes and painting.
import uPlot from "./vendor/uplot-1.6.32/uPlot.esm.js";
import { GUTTER, RIGHT } from "./axis.js";
import { number } from "./dom.js";
import { FONT, tickLabels, ticks } from "./paint.js";

const EDGE = 30;
const [TOP, FOOT, TIMES] = [9, 7, 26];
// Lines with more points are one pixel wide, which is many times faster to
// draw and looks the same.
const MANY = 300;

export function trace(stroke, width, more) {
  return { stroke, width, points: { show: false }, ...more };
}

export class Chart {
  // `more.window` and `more.range` return the limits of x and y,
  // `more.behind` and `more.above` paint below and above the traces,
  // `more.lines` changes the vertical lines,
  // `more.still` marks a chart that panning does not change.
  constructor(body, scene, height, series, more) {
    Object.assign(this, { scene, more,
      widths: series.map((one) => one.width) });
    const { colours } = scene;
    this.u = new uPlot({
      width: scene.axis.width, height, legend: { show: false },
      cursor: { show: false }, select: { show: false }, pxAlign: 0,
      padding: [TOP, RIGHT, more.axis ? 0 : FOOT, 0],
      scales: { x: { time: false, auto: false }, y: { auto: false } },
      axes: [{
        show: true, size: more.axis ? TIMES : 0, font: FONT, gap: 4,
        stroke: colours.muted,
        grid: { stroke: colours.grid, width: 1, ...more.lines },
        ticks: { show: Boolean(more.axis), stroke: colours.line, size: 4,
          width: 1 },
        splits: (u) => ticks(...more.window(), scene.clock,
          u.bbox.width / devicePixelRatio).found,
        values: (u) => this.times(u),
      }, {
        size: GUTTER, gap: 6, font: FONT, stroke: colours.muted,
        grid: { stroke: colours.grid, width: 1 }, ticks: { show: false },
        space: 28, values: (u, splits) => splits.map((one) => number(one)),
        ...more.y,
      }],
      series: [{}, ...series],
      bands: more.bands ?? [],
      hooks: {
        drawClear: [(u) => more.behind(u, more.window())],
        draw: [(u) => more.above?.(u, more.window())],
      },
    }, [[], ...series.map(() => [])], body);
  }

  // Height of the plot in CSS pixels. uPlot's own is wrong until it has drawn.
  get inner() {
    return this.u.height - TOP - (this.more.axis ? TIMES : FOOT);
  }

  times(u) {
    if (!this.more.axis) return [];
    const [from, to] = this.more.window();
    const width = u.bbox.width / devicePixelRatio;
    // Leaves out a label that the edge would cut off.
    return tickLabels(from, to, this.scene.clock, width).map(
      ([at, text]) => ((to - at) / (to - from) * width < EDGE - RIGHT
        ? "" : text));
  }

  fill(data) {
    const thin = data[0].length > MANY && !this.more.still;
    this.widths.forEach((width, n) => {
      this.u.series[n + 1].width = thin && width < 2 ? 1 : width;
    });
    this.u.batch(() => {
      this.u.setData(data, false);
      const [from, to] = this.more.window();
      const [low, high] = this.more.range();
      this.u.setScale("x", { min: from, max: to });
      this.u.setScale("y", { min: low, max: high });
    });
  }

  resize(height) {
    this.u.setSize({ width: this.scene.axis.width, height });
  }

  destroy() {
    this.u.destroy();
  }
}
