// Uploads to the bucket. They go on while another view is shown.

import { viewInAddress } from "../address.js";
import { copyOf, element, drawList, make, on } from "../elements.js";
import { takeDrops } from "../question.js";
import { complain, readStatus, status, trouble } from "../search.js";
import { imagePath } from "../server.js";
import { lasting } from "../storage.js";
import { load } from "../thumbnails.js";
import { bytes, percent, say, translate } from "../words.js";
import { awaitArrival, whenArrived } from "./arrival.js";
import { chosenFiles, droppedFiles, sift } from "./files.js";
import { cancel, follow, isSending, send } from "./transfer.js";
import "./words.js";

// Rows that are shown: of a large upload the latest, and those that failed.
const MOST_ROWS = 200;
const DRAW_PERIOD_MS = 200;
const STORED_UNFINISHED = "bucketlens.upload";

const all = []; // every file that was taken
const begun = []; // those a row is shown of, the newest first
const skipped = [];
let drawing = null;

const rules = () => status?.upload ?? null;
const unfinished = () => JSON.parse(lasting.get(STORED_UNFINISHED));
const left = () =>
  all.filter(({ state }) => ["waiting", "sending", "pausing", "failed"].includes(state));

export function start() {
  on("choose-files", "click", () => element("files").click());
  on("choose-folder", "click", () => element("folder").click());
  for (const id of ["files", "folder"]) {
    on(id, "change", ({ target }) => {
      take(chosenFiles(target.files));
      target.value = "";
    });
  }
  on("upload-cancel", "click", cancel);
  on("upload-retry", "click", () => send(all.filter(({ state }) => state === "failed")));
  on("forget-unfinished", "click", () => {
    lasting.remove(STORED_UNFINISHED);
    draw();
  });
  follow(react, awaitArrival);
  whenArrived(react);
  addEventListener("beforeunload", (event) => {
    if (isSending()) event.preventDefault();
  });
}

export async function show() {
  takeDrops(async (transfer) => take(await droppedFiles(transfer)), "dropToUpload");
  if (!status) await readStatus();
  if (!status && !trouble) complain({ status: 0 });
  draw();
}

export const hide = () => takeDrops();
export const retry = show;

function take(files) {
  if (!rules()) return;
  const sifted = sift(files, rules());
  const resumes = unfinished() !== null && !isSending();
  skipped.push(...sifted.skipped);
  for (const file of sifted.taken) file.place = all.push(file);
  send(sifted.taken, { atMost: rules().max_files, resumes });
  drawSoon();
}

function react(file) {
  if (file.state !== "waiting" && file.state !== "cancelled" && !file.hasRow) {
    file.hasRow = true;
    begun.unshift(file);
    const oldest =
      begun.length > MOST_ROWS ? begun.findLastIndex(({ state }) => state !== "failed") : -1;
    if (oldest > 0) begun.splice(oldest, 1);
  }
  if (file.problem?.status === 401) complain(file.problem);
  drawSoon();
}

function drawSoon() {
  drawing ??= setTimeout(() => {
    drawing = null;
    remember();
    draw();
  }, DRAW_PERIOD_MS);
}

// Kept for a reload. The server knows which files are done.
function remember() {
  const open = left();
  if (!open.length) return lasting.remove(STORED_UNFINISHED);
  lasting.set(
    STORED_UNFINISHED,
    JSON.stringify({ name: open[0].name.split("/")[0], left: open.length }),
  );
}

export function draw() {
  const taken = rules();
  element("drop-zone").hidden = !taken;
  element("drop-zone").classList.toggle("begun", all.length > 0);
  if (!taken)
    return (
      status &&
      viewInAddress() === "upload" &&
      complain({ status: 403, title: say("uploadOff"), detail: say("uploadOffDetail") })
    );
  const suffixes = Object.values(taken.types).flat();
  element("files").accept = suffixes.join();
  element("upload-takes").textContent = say(
    "uploadTakes",
    suffixes.map((suffix) => suffix.slice(1).toUpperCase()).join(", "),
    bytes(taken.max_bytes),
  );
  const before = all.length ? null : unfinished();
  element("unfinished").hidden = !before;
  if (before) element("unfinished-words").textContent = say("unfinished", before.left, before.name);
  drawTotal();
  drawSkipped();
  drawList(element("transfers"), begun, ({ place }) => place, build, drawRow);
}

function drawTotal() {
  const wanted = all.filter(({ state }) => state !== "cancelled" && state !== "refused");
  const of = (...states) => wanted.filter(({ state }) => states.includes(state));
  const [stored, searchable, failed] = [of("stored", "searchable"), of("searchable"), of("failed")];
  const whole = wanted.reduce((sum, { file }) => sum + file.size, 0);
  const sent =
    stored.reduce((sum, { file }) => sum + file.size, 0) +
    of("sending").reduce((sum, file) => sum + Math.min(file.sent, file.file.size), 0);
  element("upload-total").hidden = !all.length;
  element("upload-counts").textContent = say(
    "uploadCounts",
    stored.length,
    wanted.length,
    searchable.length,
  );
  element("upload-progress").value = whole ? sent / whole : 0;
  element("upload-retry").hidden = !failed.length;
  element("upload-cancel").hidden = !isSending();
  element("upload-mark").hidden = !isSending();
  element("upload-mark").textContent = percent(whole ? sent / whole : 0);
}

function drawSkipped() {
  element("skipped").hidden = !skipped.length;
  element("skipped-count").textContent = say("skippedCount", skipped.length);
  drawList(
    element("skipped-files"),
    skipped.slice(0, MOST_ROWS),
    ({ name }) => name,
    () => make("li"),
    (line, { name, why }) => {
      line.textContent = `${name}: ${say(...why)}`;
    },
  );
}

function build(file) {
  const row = copyOf("transfer");
  Object.assign(row.querySelector(".name"), { textContent: file.name, title: file.name });
  on(row.querySelector(".again"), "click", () => send([file]));
  return row;
}

function drawRow(row, file) {
  const {
    state,
    sent,
    file: { size },
    problem,
    imageId,
  } = file;
  const [open, image, told, similar, again, bar] = [
    ".open",
    "img",
    ".state",
    ".similar",
    ".again",
    "progress",
  ].map((part) => row.querySelector(part));
  const share = Math.min(sent / size, 1);
  row.className = `transfer ${state}`;
  told.textContent = problem ? reason(problem) : say(`file_${state}`, bytes(size), percent(share));
  again.hidden = state !== "failed";
  bar.hidden = !["sending", "pausing"].includes(state);
  bar.value = share;
  translate(row);
  if (!imageId || similar.href) return;
  similar.hidden = false;
  similar.href = `/?like=${imageId}`;
  Object.assign(open, { href: `#image=${imageId}`, ariaLabel: file.name }).dataset.image = imageId;
  image.hidden = false;
  load(image, imagePath(imageId, "thumbnail"));
}

function reason({ status: code, detail }) {
  if (detail) return detail;
  return code ? say("storeRefused", code) : say("noAnswer");
}
