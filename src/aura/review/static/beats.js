// R peaks as marks on the ECG, or in place of it.
import { font } from "./paint.js";
import { firstAtLeast } from "./window.js";

const KINDS = ["", "ectopic", "artifact", "unscorable"];

export class Beats {
  constructor(scene, columns) {
    this.scene = scene;
    this.columns = columns;
  }

  // Kind of the beat at a time; empty if normal.
  kindAt(seconds) {
    const { time_ms, kind } = this.columns;
    const n = firstAtLeast(time_ms, seconds * 1000);
    return n < kind.length ? KINDS[kind[n]] : null;
  }

  paint(u, [from, to], near = false) {
    const { ctx, bbox } = u;
    const { time_ms, rr_ms, kind } = this.columns;
    const first = firstAtLeast(time_ms, from * 1000);
    const last = firstAtLeast(time_ms, to * 1000);
    const ratio = devicePixelRatio;
    const each = bbox.width / ratio / Math.max(1, last - first);
    if (each < 3) return;
    const size = Math.min(3.6, each / 2) * ratio;
    ctx.save();
    ctx.lineWidth = 1.4 * ratio;
    ctx.font = font(10.5 * ratio);
    ctx.textAlign = "center";
    for (let i = first; i < last; i += 1) {
      const x = bbox.left + (time_ms[i] / 1000 - from) / (to - from)
        * bbox.width;
      this.mark(ctx, x, bbox.top + 2 * ratio, size, kind[i],
        this.scene.waveform.there ? 0 : bbox.height * 0.7);
      if (near && each > 44 && i > first && rr_ms[i] > 0) {
        const before = bbox.left + (time_ms[i - 1] / 1000 - from)
          / (to - from) * bbox.width;
        ctx.fillStyle = this.scene.colours.muted;
        ctx.fillText(`${rr_ms[i]}`, (x + before) / 2,
          bbox.top + bbox.height - 4 * ratio);
      }
    }
    ctx.restore();
  }

  // Filled: normal interval; hollow: ectopic; cross: artifact.
  mark(ctx, x, y, size, kind, stem) {
    const { colours } = this.scene;
    const colour = kind === 0 ? colours.heart : colours.fp;
    ctx.strokeStyle = colour;
    ctx.fillStyle = colour;
    if (stem > 0) {
      ctx.beginPath();
      ctx.moveTo(x, y);
      ctx.lineTo(x, y + stem);
      ctx.stroke();
    }
    ctx.beginPath();
    if (kind >= 2) {
      ctx.moveTo(x - size, y);
      ctx.lineTo(x + size, y + 2 * size);
      ctx.moveTo(x + size, y);
      ctx.lineTo(x - size, y + 2 * size);
      ctx.stroke();
      return;
    }
    ctx.moveTo(x - size, y);
    ctx.lineTo(x + size, y);
    ctx.lineTo(x, y + 1.8 * size);
    ctx.closePath();
    if (kind === 0) ctx.fill();
    else ctx.stroke();
  }
}
