import { saidInAddress } from "../address.js";
import { drawList, element, make, on } from "../elements.js";
import { complain, keyIsMissing, trouble } from "../search.js";
import { askJson } from "../server.js";
import { number, percent, say, span } from "../words.js";
import { attempt, closeQuestion } from "./ask.js";
import * as dead from "./dead.js";
import * as models from "./models.js";
import * as stages from "./stages.js";
import "./words.js";

const PERIOD_MS = 2000;
const ENDED_SHOWN_MS = 60_000;

const parts = { stages, dead, models };
const partInAddress = () =>
  Object.hasOwn(parts, saidInAddress("part") ?? "") ? saidInAddress("part") : "stages";
let known = { stages: [], operations: [], health: null };
let timer = null;

export function start() {
  stages.listen();
  dead.listen();
}

export function show({ came }) {
  draw();
  if (came) retry();
  else parts[partInAddress()].read();
}

export function hide() {
  closeQuestion();
  stop();
}

function stop() {
  clearTimeout(timer);
  timer = null;
}

export function retry() {
  stop();
  models.read();
  return look({ anew: true });
}

async function look({ anew = false } = {}) {
  const mine = setTimeout(() => {});
  timer = mine;
  if (!document.hidden || anew) {
    // One may fail for the reason that another one reports: the store is away.
    const answers = await Promise.allSettled(
      ["progress", "operations", "health"].map((what) => askJson(`/v1/ops/${what}`)),
    );
    // The view was left, or drawn anew, meanwhile.
    if (timer !== mine) return;
    const [progress, running, health] = answers.map(({ value }) => value);
    const failed = answers.find(({ reason }) => reason)?.reason;
    known = {
      stages: progress?.stages ?? known.stages,
      operations: running?.operations ?? known.operations,
      health: health ?? null,
    };
    if (failed)
      complain({
        ...failed,
        ...(!health && { title: say("operationsAway") }),
        // Without the key of searches nothing reaches ingest.
        isOperators: failed.status !== 401 || failed.isOperators,
      });
    else if (trouble?.isOperators) complain(null);
    if (progress) dead.notice(known.stages, { isShown: partInAddress() === "dead", anew });
    if (partInAddress() === "models" && !anew) models.readNowAndThen();
    draw();
    if (keyIsMissing()) return;
  }
  timer = setTimeout(look, PERIOD_MS);
}

export function draw() {
  const part = partInAddress();
  for (const link of element("parts").children) {
    const { part: name } = link.dataset;
    link.toggleAttribute("aria-current", name === part);
    element(`part-${name}`).hidden = name !== part;
  }
  const count = known.stages.reduce((sum, stage) => sum + (stage.dead ?? 0), 0);
  element("dead-mark").hidden = !count;
  element("dead-mark").textContent = number(count);
  element("desk").hidden = keyIsMissing();
  drawHealth();
  const recent = ({ ended_at: at }) => !at || Date.now() - Date.parse(at) < ENDED_SHOWN_MS;
  drawList(
    element("running"),
    known.operations.filter(recent).slice(0, 8),
    ({ id }) => id,
    buildOperation,
    drawOperation,
  );
  parts[part].draw(known);
}

function drawHealth() {
  const { store, broker, sweep, active } = known.health ?? {};
  const facts = {
    store,
    broker,
    sweep,
    active: known.health && { ok: active, detail: say(active ? "isActive" : "isStandby") },
  };
  element("health").replaceChildren(
    ...Object.entries(facts)
      .filter(([, fact]) => fact)
      .map(([name, { ok, detail, age_seconds: age }]) => {
        const words = !ok
          ? `: ${detail}`
          : age === undefined || age === null
            ? ""
            : `: ${say("ago", span(age))}`;
        return make("li", {
          className: ok ? "" : "bad",
          title: detail,
          textContent: say(`health_${name}`) + words,
        });
      }),
  );
}

function buildOperation({ id }) {
  const cancel = make("button.small-button");
  on(cancel, "click", () => attempt(askJson(`/v1/ops/operations/${id}`, { method: "DELETE" })));
  return make("li", {}, make("span"), cancel, make("progress", { max: 1 }));
}

function drawOperation(row, { kind, subject, state, progress, error }) {
  const [words, cancel, bar] = row.children;
  const end = error ?? told(progress ?? {});
  words.textContent = [`${say(`kind_${kind}`)} (${subject})`, say(`state_${state}`), end]
    .filter(Boolean)
    .join(" · ");
  words.className = error ? "wrong" : "";
  cancel.textContent = say("cancel");
  cancel.hidden = state !== "running";
  bar.hidden = state !== "running";
  bar.ariaLabel = words.textContent;
  const { moved, left, skipped, total } = progress ?? {};
  if (total) bar.value = (moved + skipped) / (moved + skipped + left);
  else bar.removeAttribute("value");
}

function told(progress) {
  if (progress.mean !== undefined && progress.mean !== null)
    return say("overlap", percent(progress.mean), progress.samples);
  const numbers = Object.entries(progress).filter(
    ([name, value]) => value > 0 && Number.isInteger(value) && name !== "listing_ms",
  );
  const all = numbers.map(([name, value]) => `${name.replaceAll("_", " ")} ${number(value)}`);
  return [progress.dry_run === true && say("dryRun"), ...all, ...(progress.failures ?? [])]
    .filter(Boolean)
    .join(", ");
}
