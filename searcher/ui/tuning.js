import { SIGNALS, change, isRelevantOnly, readAddress } from "./address.js";
import { element, on } from "./elements.js";
import { wantedKeywords } from "./filters/keywords.js";
import { results } from "./search.js";
import { number } from "./words.js";

const form = element("tuning-form");
const { fusion, sort, relevant } = form.elements;
const slider = (signal) => form.elements[signal];

export function drawTuning() {
  const asked = results.asked ?? readAddress();
  const weights = asked.weights ?? results.answer?.weights;
  fusion.value = asked.fusion;
  sort.value = asked.sort;
  relevant.checked = isRelevantOnly(asked);
  element("reset-weights").disabled = !asked.weights;
  element("advanced").classList.toggle(
    "changed",
    Boolean(
      asked.weights ||
      asked.fusion !== "weighted" ||
      asked.sort !== "relevance" ||
      asked.relevant !== null,
    ),
  );
  if (form.querySelector('input[type="range"]:active')) return;
  for (const signal of SIGNALS) {
    slider(signal).disabled =
      !weights || (signal === "text" && !asked.words && !wantedKeywords(asked.keywords).length);
    if (weights) slider(signal).value = weights[signal];
  }
  drawValues();
}

function drawValues() {
  for (const signal of SIGNALS) {
    const { value, disabled } = slider(signal);
    slider(signal).nextElementSibling.textContent = disabled ? "–" : number(Number(value));
  }
  element("no-weights").hidden = !isWeightless();
}

const isWeightless = () => {
  const usable = SIGNALS.map(slider).filter(({ disabled }) => !disabled);
  return usable.length > 0 && usable.every(({ value }) => Number(value) === 0);
};

function changeTuning({ target }) {
  if (target === fusion || target === sort) return change({ [target.name]: target.value });
  if (target === relevant) {
    const usual = isRelevantOnly({ ...readAddress(), relevant: null });
    return change({ relevant: relevant.checked === usual ? null : relevant.checked });
  }
  if (isWeightless()) return;
  change(
    {
      weights: Object.fromEntries(SIGNALS.map((signal) => [signal, Number(slider(signal).value)])),
    },
    "weights",
  );
}

export function listenToTuning() {
  on("tuning-form", "input", drawValues);
  on("tuning-form", "change", changeTuning);
  on("tuning-form", "submit", (event) => event.preventDefault());
  on("reset-weights", "click", () => {
    change({ weights: null });
    slider(SIGNALS[0]).focus();
  });
}
