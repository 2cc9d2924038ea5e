// The platform at a glance.

import { depth, latency, throughput } from "./charts.js";
import { count, duration, rate } from "./format.js";
import { functions, workers } from "./inventory.js";
import { brand } from "./sign-in.js";
import { failures, tasks } from "./lists.js";
import { current, next } from "./theme.js";
import { html, nothing } from "./vendor/lit-html.js";

export function overview(state, actions) {
  const { look, viewer, version } = state.answer;
  return html`
    <header class="top">
      ${brand}
      <span class="pulse ${state.silent ? "bad" : ""}" role="status">${state.silent ? "no answer, trying again" : "live"}</span>
      <span class="space"></span>
      ${finder(actions)}
      ${viewer.tenant ? html`<span class="chip" title="Key mpcs_${viewer.key}_…">${viewer.tenant}</span>` : nothing}
      <button class="quiet" @click=${next} aria-label="Colours: ${current()}" title="Colours: light, dark, or as the system has them">◐ ${current()}</button>
      ${viewer.key ? html`<button class="quiet" @click=${actions.signOut}>Sign out</button>` : nothing}
    </header>
    <main class="page ${state.silent ? "stale" : ""}">
      ${tiles(look)}
      <section class="charts">
        ${chart("Throughput", "tasks per second", throughput, look, [["completed", "good"], ["failed", "bad"]])}
        ${chart("Queue", "tasks", depth, look, [["queued", "accent"], ["running", "busy"]])}
        ${chart("Latency", "acceptance to end", latency, look, [["p50", "good"], ["p95", "busy"], ["p99", "bad"]])}
      </section>
      <section class="lists">
        ${tasks(state, actions)}
        ${failures(state, actions)}
        ${functions(look)}
        ${look.dispatchers ? workers(look) : nothing}
      </section>
      <footer>mpcsfaas ${version} · <a href="/docs">REST API</a></footer>
    </main>`;
}

const finder = (actions) => html`
  <form class="finder" role="search" @submit=${(event) => {
    event.preventDefault();
    const id = new FormData(event.target).get("id").trim();
    if (id) actions.open(id);
  }}><input name="id" aria-label="Id of a task" placeholder="Task id" spellcheck="false" autocomplete="off"></form>`;

function tiles({ depth: { queued, running, is_bound: isBound, oldest_queued_at: oldest }, at, rate: perSecond, latency: of, dispatchers, series }) {
  const more = isBound ? "+" : "";
  const failed = sum(series.failed) * series.slot;
  const completed = sum(series.completed) * series.slot;
  return html`
    <section class="tiles">
      ${tile("Queued", count(queued) + more, oldest ? `oldest ${duration(at - oldest)}` : queued ? "waiting" : "nothing waits")}
      ${tile("Running", count(running) + more, slotsText(dispatchers))}
      ${tile("Throughput", rate(perSecond), "per second")}
      ${tile("Completed", count(completed), "in 5 min")}
      ${tile("Failed", count(failed), failed ? `${((100 * failed) / (failed + completed)).toFixed(1)} % in 5 min` : "in 5 min", failed ? "bad" : "")}
      ${tile("Latency p50", duration(of.p50), "in 5 min")}
      ${tile("Latency p95", duration(of.p95), "in 5 min")}
      ${tile("Latency p99", duration(of.p99), "in 5 min")}
    </section>`;
}

function slotsText(dispatchers) {
  if (!dispatchers) return "now";
  if (!dispatchers.length) return "no dispatcher";
  const all = dispatchers.flatMap(({ workers: of }) => of);
  return `${sum(all.map(({ busy }) => busy))} of ${sum(all.map(({ slots }) => slots))} slots`;
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

const tile = (name, value, note, mood = "") => html`
  <div class="tile ${mood}"><h2>${name}</h2><output>${value}</output><small>${note}</small></div>`;

const chart = (name, unit, drawn, look, legend) => html`
  <figure class="panel chart">
    <figcaption>
      <h2>${name} <small>${unit}</small></h2>
      <span class="legend">${legend.map(([label, colour]) => html`<span class="key ${colour}">${label}</span>`)}</span>
    </figcaption>
    <div class="canvas">${canvas(name, drawn, look.series)}</div>
  </figure>`;

function canvas(name, drawn, series) {
  queueMicrotask(() => { // Once the canvas is there.
    drawn.attach(document.getElementById(`chart-${name}`));
    drawn.show(series);
  });
  return html`<canvas id="chart-${name}" role="img" aria-label="${name} over the last minutes"></canvas>`;
}
