// Executes a registered function: once, and then with each of some lists of arguments, in a group whose stream it follows.

import { randomUUID } from "node:crypto";

import { Client } from "./mpcsfaas.mjs";

const USAGE = "usage: node main.mjs FUNCTION_ID '[ARGUMENT, …]' …";

/** One line that says how a task ended. */
function described({ state, value, failure }) {
  if (state === "COMPLETED") return JSON.stringify(value);
  if (!failure) return state;
  return `${state} (${failure.kind}) ${failure.type ? `${failure.type}: ` : ""}${failure.message}`;
}

/** Execute the function with each list of arguments, print how each task ended; how many did not complete. */
async function main(functionId, calls) {
  const client = new Client();
  console.log(`once: ${described(await client.execute(functionId, calls[0]))}`);

  const group = `javascript/${randomUUID()}`;
  const answers = await client.submit(calls.map((args) => ({ function_id: functionId, args, group })));
  const waiting = new Map();
  let failed = 0;
  answers.forEach(({ id, error }, place) => {
    if (!error) return waiting.set(id, calls[place]);
    failed += 1;
    console.log(`${JSON.stringify(calls[place])}: refused, ${error.detail}`);
  });
  if (!waiting.size) return failed;

  for await (const result of client.follow(group)) {
    console.log(`${JSON.stringify(waiting.get(result.id))}: ${described(result)}`);
    waiting.delete(result.id);
    if (result.state !== "COMPLETED") failed += 1;
    if (!waiting.size) break;
  }
  return failed;
}

const [functionId, ...texts] = process.argv.slice(2);
if (!texts.length) {
  console.error(USAGE);
  process.exit(2);
}
try {
  const failed = await main(functionId, texts.map((text) => JSON.parse(text)));
  console.log(`${texts.length - failed} completed, ${failed} failed`);
  process.exitCode = failed ? 1 : 0;
} catch (error) {
  console.error(`${error.name}: ${error.message}`);
  process.exitCode = 1;
}
