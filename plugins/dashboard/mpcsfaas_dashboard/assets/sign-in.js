// For those who are not let in as they are.

import { key } from "./api.js";
import { html, nothing } from "./vendor/lit-html.js";

export function signIn({ refused }, actions) {
  const submit = (event) => {
    event.preventDefault();
    actions.signIn(new FormData(event.target).get("key").trim());
  };
  return html`
    <main class="door">
      <form class="card" @submit=${submit}>
        ${brand}
        <label for="key">API key</label>
        <input id="key" name="key" type="password" required autofocus autocomplete="current-password"
               spellcheck="false" placeholder="mpcs_…" aria-describedby="reason">
        ${key.get() ? html`<p id="reason" class="problem" role="alert">${refused.message}</p>` : nothing}
        <button class="primary">Sign in</button>
        <p class="hint">
          Who runs the gateway makes one with <code>mpcsfaas keys create</code>. The page needs the scope
          <code>read</code>. It keeps the key in this tab only, until you sign out or close it.
        </p>
      </form>
    </main>`;
}

export const refusal = ({ refused }) => html`
  <main class="door"><div class="card">${brand}<p class="problem" role="alert">${refused.message}</p></div></main>`;

export const brand = html`<h1 class="brand"><img src="/assets/dashboard/icon.svg" alt="" width="20" height="20">MPCSFaaS</h1>`;
