// The gateway, as this page asks it: with the key that was given, if any, and never with cookies.

const PLACE = "mpcsfaas-key"; // Of this tab alone, and gone with it.
const PATIENCE = 15_000;

export const key = {
  get: () => sessionStorage.getItem(PLACE),
  set: (text) => sessionStorage.setItem(PLACE, text),
  forget: () => sessionStorage.removeItem(PLACE),
};

/** Why the gateway did not do what it was asked. `status` is 0 if it did not answer at all. */
export class Problem extends Error {
  constructor(status, kind, detail) {
    super(detail);
    this.status = status;
    this.kind = kind;
  }
}

export const getDashboard = () => ask("GET", "/v1/dashboard");
export const getTask = (id) => ask("GET", `/v1/tasks/${encodeURIComponent(id)}`);
export const getLogs = (id) => ask("GET", `/v1/tasks/${encodeURIComponent(id)}/logs`);
export const cancelTask = (id) => ask("DELETE", `/v1/tasks/${encodeURIComponent(id)}`);

/** The id of the task that does a failed one again. */
export async function retryTask(id) {
  const [answer] = (await ask("POST", "/v1/tasks:retry", { ids: [id] })).results;
  if (answer.error) throw problemOf(answer.error.status, answer.error);
  return answer.id;
}

async function ask(method, path, body) {
  const response = await send(method, path, body);
  const content = await response.json().catch(() => ({}));
  if (!response.ok) throw problemOf(response.status, content);
  return content;
}

async function send(method, path, body) {
  const headers = { Accept: "application/json" };
  if (key.get()) headers.Authorization = `Bearer ${key.get()}`;
  if (body) headers["Content-Type"] = "application/json";
  const signal = AbortSignal.timeout(PATIENCE);
  try {
    return await fetch(path, {
      method, headers, signal, body: body && JSON.stringify(body), credentials: "omit", cache: "no-store",
    });
  } catch {
    throw new Problem(0, "no-answer", "The gateway does not answer.");
  }
}

function problemOf(status, content) {
  const kind = String(content.type ?? "").split(":").at(-1);
  return new Problem(status, kind, content.detail || content.title || `The gateway answered with status ${status}.`);
}
