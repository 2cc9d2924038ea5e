// What the page is about to show, and what makes it change. Views turn the state into HTML.

import { cancelTask, getDashboard, getLogs, getTask, key, retryTask } from "./api.js";
import { overview } from "./overview.js";
import { refusal, signIn } from "./sign-in.js";
import { taskPanel } from "./task.js";
import { apply } from "./theme.js";
import { html, nothing, render } from "./vendor/lit-html.js";

const INTERVAL = 1000; // Milliseconds from one answer to the next question.
const NOTICE = 6000;

const state = {
  answer: undefined, // The latest answer of the gateway.
  refused: undefined, // The problem with which it lets nobody in.
  silent: false, // True while it does not answer.
  listed: "running", // Which tasks are listed.
  held: undefined, // The look whose tasks are listed while somebody points at them.
  task: undefined, // The one that is looked at: {id, record, logs, problem}.
  notice: undefined,
};

const actions = {
  async signIn(text) {
    key.set(text);
    await look();
  },
  signOut() {
    key.forget();
    state.answer = state.task = undefined;
    look();
  },
  list(which) {
    state.listed = which;
    state.held = undefined;
    draw();
  },
  hold: (isHeld) => {
    state.held = isHeld ? state.answer?.look : undefined;
    draw();
  },
  open: (id) => { location.hash = `#/tasks/${id}`; },
  close: () => { location.hash = "#/"; },
  cancel: (id) => act(async () => {
    const { state: reached } = await cancelTask(id);
    notify(reached === "CANCELLED" ? "Cancelled." : `It has ended already: ${reached}.`);
  }),
  retry: (id) => act(async () => {
    const again = await retryTask(id);
    notify("Done again as a new task.", again);
  }),
};

function draw() {
  render(page(), document.body);
}

function page() {
  if (state.refused) return key.get() || state.refused.kind !== "unknown-user" ? signIn(state, actions) : refusal(state);
  if (!state.answer) return html`<p class="loading">${state.silent ? "The gateway does not answer." : ""}</p>`;
  return html`
    ${overview(state, actions)}
    ${state.task ? taskPanel(state, actions) : nothing}
    ${state.notice ? noticeOf(state.notice) : nothing}`;
}

const noticeOf = ({ text, taskId, isBad }) => html`
  <div class="notice ${isBad ? "bad" : ""}" role="status">
    <span>${text}</span>${taskId ? html`<a href="#/tasks/${taskId}">Show it</a>` : nothing}
  </div>`;

function notify(text, taskId, isBad = false) {
  const notice = (state.notice = { text, taskId, isBad });
  setTimeout(() => {
    if (state.notice === notice) state.notice = undefined;
    draw();
  }, NOTICE);
}

async function act(work) {
  try {
    await work();
  } catch (problem) {
    notify(problem.message, undefined, true);
  }
  await look();
}

// Looking

let timer;
let looking;

/** Ask now; who asks while that is under way gets the next answer after it. */
async function look() {
  clearTimeout(timer);
  while (looking) await looking;
  looking = refresh();
  await looking;
  looking = undefined;
  draw();
  clearTimeout(timer);
  if (!document.hidden && !state.refused) timer = setTimeout(look, INTERVAL);
}

async function refresh() {
  try {
    const [answer] = await Promise.all([getDashboard(), refreshTask()]);
    state.answer = answer;
    state.refused = undefined;
    state.silent = false;
  } catch (problem) {
    if (problem.status === 401 || problem.status === 403) state.refused = problem;
    else state.silent = true;
  }
}

async function refreshTask() {
  const task = state.task;
  if (!task || (task.record?.finished_at && task.logs)) return;
  try {
    [task.record, task.logs] = await Promise.all([getTask(task.id), getLogs(task.id)]);
    task.problem = undefined;
  } catch (problem) {
    task.problem = problem;
  }
}

function follow() {
  const [, id] = location.hash.match(/^#\/tasks\/([0-9a-f-]+)$/i) ?? [];
  if (id !== state.task?.id) state.task = id && { id };
  if (state.answer) draw();
  look();
}

addEventListener("hashchange", follow);
addEventListener("keydown", (event) => { if (event.key === "Escape" && state.task) actions.close(); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
document.addEventListener("theme", draw);

apply();
document.body.replaceChildren();
follow();
