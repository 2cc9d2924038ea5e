// Charts over the last minutes. Chart.js draws them; here is what they show and how it is labelled.

import { count, duration, minute, rate, tick } from "./format.js";
import { colour } from "./theme.js";

const LEAST_LATENCY = 1e-3;
const BRIDGED = 10; // Seconds without a value that a line goes on over: a look may come late.

/** A chart in a canvas: `lines` are `{name, colour, fill, value(series, index)}`, one value per slot. */
class TimeChart {
  constructor(lines, label, logarithmic = false) {
    this.lines = lines;
    this.label = label;
    this.logarithmic = logarithmic;
    document.addEventListener("theme", () => this.rebuild());
  }

  /** Take a canvas, or give it up when it is gone. */
  attach(canvas) {
    if (canvas === this.canvas) return;
    this.chart?.destroy();
    this.chart = undefined;
    this.canvas = canvas;
    if (canvas && this.series) this.show(this.series);
  }

  show(series) {
    this.series = series;
    if (!this.canvas) return;
    this.chart ??= new Chart(this.canvas, this.configuration());
    const ends = slotEnds(series);
    this.lines.forEach((line, number) => {
      this.chart.data.datasets[number].data = ends.map((x, index) => ({ x, y: line.value(series, index) }));
    });
    Object.assign(this.chart.options.scales.x, { min: ends[0], max: ends.at(-1) });
    this.chart.update("none");
  }

  rebuild() {
    this.chart?.destroy();
    this.chart = undefined;
    if (this.series) this.show(this.series);
  }

  configuration() {
    return {
      type: "line",
      data: { datasets: this.lines.map(dataset) },
      options: {
        animation: false,
        parsing: false,
        normalized: true,
        maintainAspectRatio: false,
        interaction: { mode: "index", intersect: false },
        elements: { point: { radius: 0, hitRadius: 8 }, line: { borderWidth: 1.5, tension: 0.25 } },
        plugins: { legend: { display: false }, tooltip: this.tooltip() },
        scales: { x: timeAxis(), y: this.valueAxis() },
      },
    };
  }

  tooltip() {
    return {
      backgroundColor: colour("raised"), titleColor: colour("muted"), bodyColor: colour("text"),
      borderColor: colour("line"), borderWidth: 1, padding: 8, boxWidth: 8, boxHeight: 8,
      callbacks: {
        title: (items) => new Date(items[0].parsed.x * 1000).toLocaleTimeString(),
        label: (item) => ` ${item.dataset.label}  ${this.label(item.parsed.y)}`,
      },
    };
  }

  valueAxis() {
    const common = {
      border: { display: false }, grid: { color: colour("grid") },
      afterFit: (scale) => { scale.width = 56; }, // The same in all charts, whatever the numbers.
    };
    const font = { size: 11 };
    if (!this.logarithmic) {
      const ticks = { color: colour("muted"), font, maxTicksLimit: 5, precision: this.label === count ? 0 : undefined, callback: (value) => this.label(value) };
      return { ...common, beginAtZero: true, suggestedMax: 1, ticks };
    }
    const ticks = { color: colour("muted"), font, callback: tick };
    return { ...common, type: "logarithmic", suggestedMin: LEAST_LATENCY, suggestedMax: 1, ticks, afterBuildTicks: powersOfTen };
  }
}

const timeAxis = () => ({
  type: "linear",
  border: { display: false },
  grid: { display: false },
  ticks: { color: colour("muted"), font: { size: 11 }, maxRotation: 0, stepSize: 60, callback: minute },
  afterBuildTicks: (axis) => {
    const first = Math.ceil(axis.min / 60) * 60;
    axis.ticks = [0, 1, 2, 3, 4].map((number) => ({ value: first + 60 * number })).filter(({ value }) => value <= axis.max);
  },
});

function powersOfTen(axis) {
  const [first, last] = [Math.ceil(Math.log10(axis.min) - 1e-9), Math.floor(Math.log10(axis.max) + 1e-9)];
  axis.ticks = Array.from({ length: last - first + 1 }, (_, number) => ({ value: 10 ** (first + number) }));
}

const dataset = (line) => ({
  label: line.name,
  data: [],
  borderColor: colour(line.colour),
  backgroundColor: line.fill ? colour(`${line.colour}-soft`) : colour(line.colour),
  fill: line.fill ? "origin" : false,
  spanGaps: BRIDGED,
});

/** The ends of the slots that are over; of the last one it is not yet known how it will end. */
function slotEnds(series) {
  const number = series.completed.length - 1;
  return Array.from({ length: number }, (_, index) => series.end - series.slot * (number - index));
}

export const throughput = new TimeChart(
  [
    { name: "completed", colour: "good", fill: true, value: (series, index) => series.completed[index] },
    { name: "failed", colour: "bad", fill: true, value: (series, index) => series.failed[index] },
  ],
  rate,
);

export const depth = new TimeChart(
  [
    { name: "queued", colour: "accent", fill: true, value: (series, index) => series.queued[index] },
    { name: "running", colour: "busy", value: (series, index) => series.running[index] },
  ],
  count,
);

export const latency = new TimeChart(
  ["p50", "p95", "p99"].map((name, number) => ({
    name, colour: ["good", "busy", "bad"][number], value: (series, index) => series.latency[index][name],
  })),
  duration,
  true,
);
