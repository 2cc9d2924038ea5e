// Lists of tasks.

import { ago, count, duration, shortId } from "./format.js";
import { html, nothing } from "./vendor/lit-html.js";

const LISTS = [["running", "Running"], ["queued", "Queued"], ["latest", "Latest"]];
const EMPTY = {
  running: "Nothing runs just now.",
  queued: "Nothing waits.",
  latest: "No task yet. Register a function and execute it: see the REST API, or the Python SDK.",
};

/** The tasks of one kind. While a mouse is over them they stay as they are, so that a click hits what was aimed at. */
export function tasks(state, actions) {
  const look = state.held ?? state.answer.look;
  const rows = look[state.listed];
  const { queued, running, is_bound: isBound } = state.answer.look.depth;
  const counts = { running, queued };
  return html`
    <section class="panel list" aria-label="Tasks">
      <div class="head">
        <div class="tabs" role="tablist">
          ${LISTS.map(([which, name]) => html`
            <button role="tab" aria-selected=${which === state.listed} @click=${() => actions.list(which)}>${name}
              ${which in counts ? html`<span class="muted">${count(counts[which])}${isBound ? "+" : ""}</span>` : nothing}</button>`)}
        </div>
        <small>${state.held ? "held while you point at it" : nothing}</small>
      </div>
      <div class="body" @pointerenter=${(event) => event.pointerType === "mouse" && actions.hold(true)}
           @pointerleave=${() => actions.hold(false)}>
        ${rows.length ? table(rows, look.at, actions, state) : html`<p class="empty">${EMPTY[state.listed]}</p>`}
      </div>
    </section>`;
}

const table = (rows, now, actions, state) => html`
  <table>
    <thead><tr><th>Function</th><th class="wide">Task</th><th>State</th><th class="number wide">Attempt</th>
      <th class="number">Age</th><th class="number">Took</th></tr></thead>
    <tbody>${rows.map((row) => html`
      <tr class=${row.id === state.task?.id ? "chosen" : ""} @click=${() => actions.open(row.id)}>
        <td class="name"><a href="#/tasks/${row.id}">${row.function || shortId(row.function_id)}</a></td>
        <td class="wide mono muted">${shortId(row.id)}</td>
        <td>${badge(row.state)}</td>
        <td class="number wide">${row.attempt || "–"}</td>
        <td class="number">${ago(row.created_at, now)}</td>
        <td class="number">${row.finished_at ? duration(row.finished_at - row.created_at) : "–"}</td>
      </tr>`)}
    </tbody>
  </table>`;

export function failures(state, actions) {
  const { at, failed } = state.answer.look;
  return html`
    <section class="panel list" aria-label="Recent failures">
      <div class="head"><h2>Recent failures</h2></div>
      <div class="body">
        ${failed.length ? html`<ul class="failures">${failed.map((row) => failure(row, at, state, actions))}</ul>`
          : html`<p class="empty">No task has failed.</p>`}
      </div>
    </section>`;
}

const failure = (row, now, state, actions) => html`
  <li class=${row.id === state.task?.id ? "chosen" : ""} @click=${() => actions.open(row.id)}>
    <div><a href="#/tasks/${row.id}">${row.function || shortId(row.function_id)}</a>
      <span class="kind">${row.failure?.type || row.failure?.kind}</span></div>
    <time>${ago(row.finished_at, now)}</time>
    <p>${row.failure?.message}</p>
  </li>`;

export const badge = (state) => html`<span class="badge ${state.toLowerCase()}">${state.toLowerCase()}</span>`;
