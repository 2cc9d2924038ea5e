// One task: what became of it, attempt by attempt.

import { ago, clock, duration, moment, shortId } from "./format.js";
import { badge } from "./lists.js";
import { timeline } from "./timeline.js";
import { html, nothing } from "./vendor/lit-html.js";

const USUAL = { max_redeliveries: 3, retry_delay: 1, ttl: 86_400 };

export function taskPanel({ task, answer }, actions) {
  return html`
    <aside class="task" aria-label="Task">
      <div class="head">
        <h2>Task <code>${task.id}</code></h2>
        <button class="quiet" @click=${actions.close} aria-label="Close">✕</button>
      </div>
      ${task.problem ? html`<p class="problem" role="alert">${task.problem.message}</p>` : nothing}
      ${task.record ? details(task, answer, actions) : nothing}
    </aside>`;
}

function details({ record, logs }, { look, viewer }, actions) {
  const named = look.functions.find(({ id }) => id === record.function_id);
  const end = record.finished_at ?? look.at;
  return html`
    <div class="summary">
      ${badge(record.state)} <strong>${named?.name ?? shortId(record.function_id)}</strong>
      <span class="space"></span>
      ${viewer.scopes.includes("execute") ? buttons(record, actions) : nothing}
    </div>
    <dl>
      ${fact("Accepted", moment(record.created_at))}
      ${fact(record.finished_at ? "Ended" : "Since", record.finished_at ? moment(record.finished_at) : `${ago(record.created_at, look.at)}`)}
      ${fact("In all", duration(end - record.created_at))}
      ${fact("Attempts", record.attempt)}
      ${record.retry_of ? fact("Does again", html`<a href="#/tasks/${record.retry_of}">${shortId(record.retry_of)}</a>`) : nothing}
      ${Object.entries(record.options).filter(isUnusual).map(([name, value]) => fact(name.replaceAll("_", " "), String(value)))}
    </dl>
    ${record.attempt ? attempts(record, look.at) : nothing}
    ${record.failure ? failure(record.failure) : nothing}
    ${output("Printed", logs?.stdout)}
    ${output("Printed to standard error", logs?.stderr)}`;
}

function buttons({ id, state }, actions) {
  if (state === "FAILED") return html`<button class="primary" @click=${() => actions.retry(id)}>Retry</button>`;
  if (state === "QUEUED" || state === "RUNNING") return html`<button class="danger" @click=${() => actions.cancel(id)}>Cancel</button>`;
  return nothing;
}

const fact = (name, value) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;

function isUnusual([name, value]) {
  const isNothing = value == null || value === 0 || (Array.isArray(value) && !value.length);
  return !isNothing && USUAL[name] !== value;
}

const attempts = (record, now) => html`
  <h3>Attempts</h3>
  ${timeline(record, now)}
  <table>
    <thead><tr><th class="number">No.</th><th class="wide">Worker</th><th class="number">Claimed</th><th class="number">Ran</th><th>Outcome</th></tr></thead>
    <tbody>
      ${record.history.map((attempt) => attemptRow(attempt, record))}
      ${record.history.length < record.attempt && record.state === "RUNNING"
        ? html`<tr><td class="number">${record.attempt}</td><td class="wide"></td><td></td><td></td><td>${badge("RUNNING")}</td></tr>` : nothing}
    </tbody>
  </table>`;

const attemptRow = ({ number, worker, claimed_at: claimed, started_at: started, finished_at: finished, failure: failed }) => html`
  <tr>
    <td class="number">${number}</td>
    <td class="wide mono muted">${worker}</td>
    <td class="number">${clock(claimed)}</td>
    <td class="number">${started && finished ? duration(finished - started) : "–"}</td>
    <td>${failed ? html`<span class="bad">${failed.type || failed.kind}</span> <span class="muted">${failed.message}</span>`
      : html`<span class="good">completed</span>`}</td>
  </tr>`;

const failure = ({ kind, type, message, traceback }) => html`
  <h3>Failure</h3>
  <p class="problem"><strong>${type || kind}</strong> ${message}</p>
  ${output("Traceback", traceback)}`;

const output = (name, text) => (text ? html`<h3>${name}</h3><pre tabindex="0">${text}</pre>` : nothing);
