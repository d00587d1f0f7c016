import { addressOf, hasFilters, isSearch, viewInAddress } from "./address.js";
import { element } from "./elements.js";
import { isCursorGone, keyIsMissing, results, running, status, trouble } from "./search.js";
import { hasKey } from "./server.js";
import { canShare } from "./sharing.js";
import { say } from "./words.js";

// What the model that answers has seen: the table of pictures has a row of each model until
// maintenance comes by.
const rows = () =>
  (status?.tables?.[`embeddings_${status.model?.id}`] ?? status?.tables?.images)?.rows ?? 0;
const isComplete = () => results.answer && !results.cursor && !running;
const leftOut = () => (isComplete() && !trouble ? (results.answer.dropped_below_cutoff ?? 0) : 0);

export function drawState() {
  element("count").textContent = status ? say("indexed", rows()) : "";
  element("to-operations").hidden = status?.operations === false;
  element("demo").hidden = !status?.model?.demo;
  element("progress").hidden = !running;
  element("more").hidden = !results.cursor || !results.hits.length;
  element("more").disabled = Boolean(running);
  drawSummary();
  drawLeftOut();
  drawMessage();
}

function drawSummary() {
  const { hits, answer, asked } = results;
  const name = asked?.sort === "taken_at" ? "summaryLatest" : "summary";
  const found = hits.length ? say(name, hits.length, answer.took_ms, answer.model ?? "–") : "";
  element("summary").textContent = running ? say("searching") : found;
  element("summary").title = found && say("summaryTitle", answer.table_version);
  element("share").hidden = !hits.length || !canShare(asked);
  element("degraded").hidden = !answer?.degraded;
  element("degraded").textContent = answer?.degraded ? say("degraded", answer.degraded) : "";
}

function drawLeftOut() {
  const count = leftOut();
  element("left-out").hidden = !count;
  if (!count) return;
  element("left-out-words").textContent = say(
    results.hits.length ? "leftOut" : "weakLeftOut",
    count,
  );
  element("show-left-out").href = addressOf({ ...results.asked, relevant: false });
}

function drawMessage() {
  const [title, detail] = messageWords();
  element("message").hidden = !title;
  // A reader who has scrolled would not see it at the top.
  element("message").classList.toggle("over", Boolean(trouble) && scrollY > 300);
  element("message-title").textContent = title ?? "";
  element("message-detail").textContent = detail ?? "";
  element("message-detail").hidden = !detail;
  element("retry").hidden = !trouble || [401, 403, 415].includes(trouble.status);
  element("key-form").hidden = !keyIsMissing();
  if (!keyIsMissing()) return;
  element("key-label").textContent = say(trouble.isOperators ? "operatorsKey" : "keyLabel");
  element("key").focus();
}

function messageWords() {
  if (keyIsMissing())
    return [say(hasKey(trouble.isOperators) ? "keyRefused" : "keyNeeded"), say("keyNeededDetail")];
  if (trouble?.status === 0) return [say("unreachable"), say("unreachableDetail")];
  if (isCursorGone()) return [say("outdated")];
  if (trouble)
    return [
      trouble.title ?? say("failed"),
      [trouble.field, trouble.detail].filter(Boolean).join(": ") ||
        say("badAnswer", trouble.status),
    ];
  const { asked, hits, answer } = results;
  const view = viewInAddress();
  if ((view === "search" && (running || hits.length)) || view === "upload" || view === "operations")
    return [];
  if (status && rows() === 0) return [say("empty"), say("emptyDetail")];
  if (view === "library") return [];
  if (answer)
    return leftOut()
      ? [say("nothingRelevant")]
      : [say("nothing"), say(hasFilters(asked) ? "nothingFiltered" : "nothingDetail")];
  return asked && !isSearch(asked) && hasFilters(asked)
    ? [say("onlyFilters"), say("onlyFiltersDetail")]
    : [];
}
