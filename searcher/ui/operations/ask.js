import { viewInAddress } from "../address.js";
import { element, make, on } from "../elements.js";
import { sendJson } from "../server.js";
import { say } from "../words.js";

let last = Promise.resolve();

/** Whether the reader agrees. One dialog at a time, and none after these pages were left. */
export function ask(...words) {
  last = last.then(() => viewInAddress() === "operations" && show(...words));
  return last;
}

export function closeQuestion() {
  if (element("ask").open) element("ask").close("no");
}

function show(title, detail, yes) {
  const dialog = element("ask");
  element("ask-title").textContent = title;
  element("ask-detail").replaceChildren(detail);
  element("ask-yes").hidden = !yes;
  element("ask-yes").textContent = yes ?? "";
  dialog.returnValue = "no";
  dialog.showModal();
  dialog.scrollTop = 0;
  return new Promise((resolve) => {
    on(dialog, "close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

export async function attempt(work) {
  try {
    return await work;
  } catch ({ detail, status }) {
    await ask(say("failedTo"), detail ?? (status ? say("badAnswer", status) : say("unreachable")));
    return undefined;
  }
}

export const order = (what, body = {}) => attempt(sendJson(`/v1/ops/${what}`, body));

/** A button that is disabled while its work is under way. */
export function button(name, work) {
  const made = make("button", {
    type: "button",
    className: "small-button",
    textContent: say(name),
  });
  made.dataset.say = name;
  on(made, "click", async () => {
    made.disabled = true;
    await work();
    made.disabled = false;
  });
  return made;
}

export function drawNumbers(list, facts) {
  list.replaceChildren(
    ...facts.map(([name, value, loud]) =>
      make(
        "div",
        { className: loud ? "loud" : "" },
        make("dt", {}, say(name)),
        make("dd", {}, value),
      ),
    ),
  );
}
