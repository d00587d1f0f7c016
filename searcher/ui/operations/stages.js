import { copyOf, drawList, element, on } from "../elements.js";
import { number, say, span, translate } from "../words.js";
import { ask, button, drawNumbers, order } from "./ask.js";

const shown = (value, options) =>
  value === null || value === undefined ? "–" : number(value, options);

export function listen() {
  on("sweep", "click", () => order("sweep"));
  on("sweep-dry", "click", () => order("sweep", { dry_run: true }));
  on("sweep-release", "click", () => order("sweep", { release: true }));
  on("maintain", "click", () => order("maintain"));
}

export const read = () => {};

export const draw = ({ stages }) =>
  drawList(element("stages"), stages, ({ stage }) => stage, build, drawStage);

function build({ stage }) {
  const card = copyOf("card");
  const switched = (action) => order(`stages/${encodeURIComponent(stage)}/${action}`);
  const cancel = async () =>
    (await ask(
      say("cancelBackfillAsk", stage),
      say("cancelBackfillDetail"),
      say("cancelBackfill"),
    )) && switched("cancel");
  card.querySelector(".doing").append(
    button("pause", () => switched("pause")),
    button("resume", () => switched("resume")),
    button("cancelBackfill", cancel),
  );
  return card;
}

function drawStage(
  card,
  { stage, paused, objects, indexed, rows_per_second: rate, seconds_left: left, ...counts },
) {
  const [pause, resume] = card.querySelectorAll("button");
  const bar = card.querySelector("progress");
  card.querySelector("h2").textContent = stage;
  card.querySelector("p").textContent = paused ? say("paused", paused) : say("working");
  card.querySelector("p").classList.toggle("wrong", Boolean(paused));
  bar.ariaLabel = say("indexedOf");
  bar.value = objects ? Math.min(indexed / objects, 1) : 0;
  pause.hidden = Boolean(paused);
  resume.hidden = !paused;
  translate(card);
  drawNumbers(card.querySelector("dl"), [
    ["indexedOf", shown(indexed)],
    ["total", shown(objects)],
    ...["queued", "retrying", "suspect", "dead"].map((name) => [
      name,
      shown(counts[name]),
      counts[name] > 0 && ["suspect", "dead"].includes(name),
    ]),
    ["perSecond", shown(rate, { maximumFractionDigits: 1 })],
    ["timeLeft", left ? span(left) : left === 0 ? say("now") : "–"],
  ]);
}
