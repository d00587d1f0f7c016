import { copyOf, drawList, element } from "../elements.js";
import { askJson, askStatus, sendJson } from "../server.js";
import { number, percent, say, translate } from "../words.js";
import { ask, attempt, button, drawNumbers, order } from "./ask.js";

let models = [];
let own = {}; // what the searcher says of itself
let readAt = 0;

const PERIOD_MS = 10_000;

export async function read() {
  readAt = Date.now();
  [{ models }, own] = await Promise.all([
    askJson("/v1/ops/models").catch(() => ({ models })),
    askStatus().catch(() => own),
  ]);
  draw();
}

export const readNowAndThen = () => Date.now() - readAt > PERIOD_MS && read();

export function draw() {
  element("provider").textContent = [
    ...provider(own.model),
    own.wanted && say("wanted", own.wanted, own.problem ?? ""),
  ]
    .filter(Boolean)
    .join(" ");
  drawList(element("models"), models, ({ id }) => id, build, drawModel);
}

function provider(model) {
  if (!model) return [];
  const { active: used, requested, reason } = model.placement.image;
  return [say("provider", model.id, used), reason && say("providerInstead", requested, reason)];
}

const active = () => models.find((one) => one.active)?.id;

function build({ id }) {
  const card = copyOf("card");
  card.querySelector(".doing").append(
    button("activate", () => activate(id)),
    button("compare", () => order("models/overlap", { a: active(), b: id })),
  );
  return card;
}

async function activate(id) {
  if (!(await ask(say("activateAsk", id), "", say("activate")))) return;
  try {
    await sendJson("/v1/ops/models/activate", { model: id });
  } catch (problem) {
    if (problem.status !== 409) await attempt(Promise.reject(problem));
    else if (await ask(say("notActivated", id), problem.detail, say("activateAnyway")))
      await order("models/activate", { model: id, force: true });
  }
  await read();
}

function stateOf({ kind, active: isActive, previous, removed }) {
  if (removed) return "removedModel";
  if (kind === "caption") return "captioner";
  if (isActive) return "activeModel";
  return previous ? "previousModel" : "otherModel";
}

function drawModel(card, of) {
  const { id, kind, active: isActive, rows, coverage, queues, space, removed } = of;
  card.querySelector("h2").textContent = id;
  card.querySelector("p").textContent = [say(stateOf(of)), space].filter(Boolean).join(" · ");
  card.querySelector("progress").value = (coverage ?? 0) / 100;
  card.querySelector("progress").ariaLabel = say("coverage");
  card.querySelector(".doing").hidden = isActive || kind === "caption" || Boolean(removed);
  translate(card);
  const waiting = queues && (queues.work ?? 0) + (queues.bulk ?? 0);
  drawNumbers(card.querySelector("dl"), [
    ["coverage", coverage === null ? "–" : percent(coverage / 100)],
    ["rows", number(rows ?? 0)],
    ["queued", queues ? number(waiting) : "–"],
    ["dead", queues ? number(queues.dead ?? 0) : "–", queues?.dead > 0],
  ]);
}
