import { drawList, element, make, on } from "../elements.js";
import { askJson, sendJson } from "../server.js";
import { instant, number, say } from "../words.js";
import { ask, attempt, button, order } from "./ask.js";
import { drawLetters, showThumbnail } from "./letters.js";

const LISTED = 100;
const MOST_LISTED = 1000;
const LEAST_PAUSE_MS = 15_000;

const form = () => element("dead-filter").elements;
let found = { groups: [], total: 0, asked: {} }; // `asked` is the filter it was found by
let stageNames = [];
let differs = 0; // how often in a row the queues told another number than what is shown
let isReading = false;
let isOutdated = false; // the filter was changed during a look
let readAt = 0;

export function listen() {
  let pause;
  on("dead-filter", "submit", (event) => event.preventDefault());
  on("dead-filter", "input", () => {
    clearTimeout(pause);
    pause = setTimeout(read, 300);
  });
  element("dead-all").append(
    make("span.muted"),
    button("replay", () => shift("replay", found.asked)),
    button("drop", () => shift("drop", found.asked)),
  );
}

const filter = () =>
  Object.fromEntries(
    ["stage", "class", "key"]
      .map((name) => [name, form()[name].value.trim()])
      .filter(([, value]) => value),
  );

export async function read() {
  isOutdated = isReading;
  if (isReading) return;
  isReading = true;
  do {
    isOutdated = false;
    await look(filter());
  } while (isOutdated);
  isReading = false;
  readAt = Date.now();
  drawGroups();
}

async function look(asked) {
  try {
    found = { ...(await askJson(`/v1/ops/dead/groups?${new URLSearchParams(asked)}`)), asked };
    element("dead-wrong").textContent = "";
  } catch (problem) {
    if (problem.status !== 401)
      element("dead-wrong").textContent = problem.detail ?? say("unreachable");
  }
}

// Reading takes the letters out of the queue for a moment, so only after their number has changed.
export function notice(stages, { isShown, anew }) {
  stageNames = stages.map(({ stage }) => stage);
  // An unknown number is no change.
  if (
    !isShown ||
    (!anew && (Date.now() - readAt < LEAST_PAUSE_MS || stages.some(({ dead }) => dead === null)))
  )
    return;
  const chosen = form().stage.value;
  const count = stages.reduce(
    (sum, { stage, dead }) => sum + (!chosen || stage === chosen ? (dead ?? 0) : 0),
    0,
  );
  differs = count === found.total ? 0 : differs + 1;
  if (!anew && differs < 2) return;
  differs = 0;
  read();
}

export function draw() {
  drawChoice(form().stage, stageNames);
  drawChoice(form().class, [...new Set(found.groups.map((group) => group.class))]);
  drawGroups();
}

function drawChoice(select, names) {
  const chosen = select.value;
  const values = ["", ...new Set([...names, chosen].filter(Boolean))];
  if (document.activeElement === select) return;
  select.replaceChildren(
    ...values.map((value) => make("option", { value, textContent: value || say("any") })),
  );
  select.value = chosen;
}

function drawGroups() {
  const count = found.groups.reduce((sum, group) => sum + group.count, 0);
  const [words, ...buttons] = element("dead-all").children;
  words.textContent = found.total ? say("deadCount", count, found.total) : say("noDead");
  for (const one of buttons) one.hidden = !count;
  drawList(element("groups"), found.groups, ({ id }) => id, build, drawGroup);
}

function build(group) {
  const summary = make(
    "summary",
    {},
    make("span.thumb"),
    make("span"),
    make("strong"),
    make("span.muted"),
  );
  const details = make("details.group", {}, summary, make("div"));
  on(details, "toggle", () => {
    if (details.open) open(details.lastChild, group);
  });
  showThumbnail(summary.firstChild, { id: group.sample_id });
  return make("li", {}, details);
}

function drawGroup(row, group) {
  const { stage, class: kind, reason, count, replayed, last_failed: last } = group;
  const [, words, total, facts] = row.querySelector("summary").children;
  const details = row.firstChild;
  words.textContent = reason || kind;
  total.textContent = number(count);
  if (details.open && row.dataset.count !== String(count))
    open(details.lastChild, group, Number(details.lastChild.dataset.limit));
  row.dataset.count = count;
  facts.textContent = [kind, stage, last && instant(last), replayed && say("replayed", replayed)]
    .filter(Boolean)
    .join(" · ");
}

async function open(place, { id, stage }, limit = LISTED) {
  const { asked } = found;
  const answer = await attempt(
    askJson(`/v1/ops/dead?${new URLSearchParams({ ...asked, stage, group: id, limit })}`),
  );
  if (!answer) return;
  place.dataset.limit = limit;
  const before = new Set([...place.querySelectorAll(":checked")].map(({ value }) => value));
  const ticked = () => [...place.querySelectorAll(":checked")].map(({ value }) => value);
  const meant = () => ({
    stage,
    ...(ticked().length ? { ids: ticked() } : { ...asked, stage, group: id }),
  });
  const words = make("span.muted");
  const tell = () => {
    words.textContent = ticked().length
      ? say("someLetters", ticked().length)
      : say("allLetters", answer.matching);
  };
  const doing = make(
    "p.doing",
    {},
    words,
    button("replay", () => shift("replay", meant())),
    button("drop", () => shift("drop", meant())),
  );
  if (answer.matching > answer.letters.length && limit < MOST_LISTED) {
    doing.append(button("moreLetters", () => open(place, { id, stage }, MOST_LISTED)));
  }
  const list = make("ul.letters");
  drawLetters(list, answer.letters, shift);
  for (const box of list.querySelectorAll("input")) box.checked = before.has(box.value);
  on(list, "change", tell);
  place.replaceChildren(doing, list);
  tell();
}

// An operation works on one stage.
async function shift(what, selection) {
  const everything = Object.keys(selection).length ? selection : { all: true };
  const trial = await attempt(sendJson(`/v1/ops/dead/${what}`, { ...everything, dry_run: true }));
  if (!trial) return;
  const { present, overwritten, gone, unknown } = trial.objects;
  const detail = say("survey", present, overwritten, gone, unknown);
  if (
    !(await ask(
      say(what === "replay" ? "askReplay" : "askDrop", trial.selected),
      detail,
      trial.selected && say(what),
    ))
  )
    return;
  const stages = selection.stage
    ? [selection.stage]
    : [...new Set(found.groups.map((group) => group.stage))];
  for (const stage of stages) await order(`dead/${what}`, { ...selection, stage });
}
