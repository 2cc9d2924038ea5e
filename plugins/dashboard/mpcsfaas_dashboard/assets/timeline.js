// The attempts of one task on a line of time: how long each waited, was handed over, and ran.

import { duration, tick } from "./format.js";
import { colour } from "./theme.js";
import { html } from "./vendor/lit-html.js";

const PHASES = [["waiting", "idle"], ["handed over", "accent"], ["running", "busy"]];
const ROW = 26;

let chart;

export function timeline(record, now) {
  const spans = spansOf(record, now);
  queueMicrotask(() => show(spans));
  return html`
    <span class="legend">${PHASES.map(([name, kind]) => html`<span class="key ${kind}">${name}</span>`)}</span>
    <div class="timeline" .style=${`height: ${spans.length * ROW + 34}px`}>
      <canvas id="timeline" role="img" aria-label="Timeline of the attempts; the table below tells the same"></canvas>
    </div>`;
}

/** For each attempt `[from, to]` of each phase, in seconds after the task's acceptance; null where nothing is known. */
export function spansOf({ created_at: accepted, history, attempt, state }, now) {
  let free = 0;
  const spans = history.map((one) => {
    const [claimed, started, finished] = [one.claimed_at, one.started_at, one.finished_at].map((at) => (at ? at - accepted : null));
    const span = { number: one.number, waiting: pair(free, claimed), "handed over": pair(claimed, started ?? finished), running: pair(started, finished) };
    free = finished ?? claimed ?? free;
    return span;
  });
  if (state === "RUNNING" && history.length < attempt) spans.push({ number: attempt, running: [free, now - accepted] });
  return spans;
}

const pair = (from, to) => (from == null || to == null ? null : [Math.max(0, from), Math.max(from, to)]);

function show(spans) {
  const canvas = document.getElementById("timeline");
  if (!canvas) return;
  if (chart?.canvas !== canvas) {
    chart?.destroy();
    chart = new Chart(canvas, configuration());
  }
  chart.data.labels = spans.map(({ number }) => `No. ${number}`);
  PHASES.forEach(([name], index) => { chart.data.datasets[index].data = spans.map((span) => span[name] ?? null); });
  chart.update("none");
}

document.addEventListener("theme", () => {
  chart?.destroy();
  chart = undefined;
});

function configuration() {
  const ticks = { color: colour("muted"), font: { size: 11 } };
  return {
    type: "bar",
    data: { datasets: PHASES.map(([label, kind]) => ({ label, data: [], backgroundColor: colour(kind), grouped: false, minBarLength: 2, barThickness: 10, borderRadius: 2 })) },
    options: {
      animation: false, indexAxis: "y", maintainAspectRatio: false,
      plugins: { legend: { display: false }, tooltip: { callbacks: { label: ({ dataset, raw }) => ` ${dataset.label}  ${duration(raw[1] - raw[0])}` } } },
      scales: {
        x: { beginAtZero: true, border: { display: false }, grid: { color: colour("grid") }, ticks: { ...ticks, maxTicksLimit: 6, callback: tick } },
        y: { border: { display: false }, grid: { display: false }, ticks },
      },
    },
  };
}
