// What there is: functions and workers.

import { ago, count, duration } from "./format.js";
import { html, nothing } from "./vendor/lit-html.js";

export const functions = (look) => html`
  <section class="panel list short" aria-label="Functions">
    <div class="head"><h2>Functions</h2><small>the last 5 minutes</small></div>
    <div class="body">
      ${look.functions.length ? html`
        <table>
          <thead><tr><th>Name</th><th class="wide">Serializer</th><th class="number">Ended</th><th class="number">Failed</th>
            <th class="number">Run p50</th><th class="number wide">p95</th><th class="number wide">p99</th></tr></thead>
          <tbody>${look.functions.map(functionRow)}</tbody>
        </table>` : html`<p class="empty">No function is registered.</p>`}
      ${look.functions_are_all ? nothing : html`<p class="empty">There are more: <code>mpcsfaas fn list</code>.</p>`}
    </div>
  </section>`;

const functionRow = ({ id, name, serializer, figures }) => html`
  <tr title=${id}>
    <td class="name">${name}</td>
    <td class="wide muted">${serializer}</td>
    <td class="number">${figures ? count(figures.ended) : "–"}</td>
    <td class="number ${figures?.failed ? "bad" : ""}">${figures ? count(figures.failed) : "–"}</td>
    <td class="number">${duration(figures?.run_time.p50)}</td>
    <td class="number wide">${duration(figures?.run_time.p95)}</td>
    <td class="number wide">${duration(figures?.run_time.p99)}</td>
  </tr>`;

export const workers = (look) => html`
  <section class="panel list short" aria-label="Workers">
    <div class="head"><h2>Workers</h2>
      <small>${look.dispatchers.map(({ strategy, host }) => `${strategy} on ${host}`).join(", ")}</small></div>
    <div class="body">
      ${look.dispatchers.length ? html`
        <table>
          <thead><tr><th>Worker</th><th class="wide">Host</th><th class="wide">Python</th><th>Slots</th>
            <th class="number">Last beat</th></tr></thead>
          <tbody>${look.dispatchers.flatMap(({ workers: all }) => all).map((worker) => workerRow(worker, look.at))}</tbody>
        </table>` : html`<p class="empty">No dispatcher runs, so nothing is executed. Start one: <code>mpcsfaas dispatcher</code>.</p>`}
    </div>
  </section>`;

const workerRow = ({ id, host, pid, slots, busy, labels, python_version: python, last_seen: seen }, now) => html`
  <tr>
    <td class="name mono" title="process ${pid}">${id}${labels.map((label) => html` <span class="chip">${label}</span>`)}</td>
    <td class="wide muted">${host}</td>
    <td class="wide muted">${python}</td>
    <td><span class="slots"><meter min="0" max=${slots} .value=${busy}></meter><span>${busy} / ${slots}</span></span></td>
    <td class="number">${seen ? ago(seen, now) : "–"}</td>
  </tr>`;
