// The exercise: steps that turn green by themselves, hints, and the buttons.
// What the server sends is described in session.py.

import { byId, connection, make, say, spans } from "./dom.js";
import * as terminals from "./terminals.js";
import * as wire from "./wire.js";

const steps = new Map();
let exercise = null;
let hinted = null;
let nextBefore = null;
let busy = false;

class Step {
  constructor(plan) {
    this.plan = plan;
    this.mark = make("span", { className: "mark", "aria-hidden": "true" });
    this.word = make("span", { className: "unseen" });
    this.why = make("p", { className: "why" }, ...spans(plan.why));
    this.commands = make("div", { className: "commands" });
    this.not = make("p", { className: "not" });
    this.hint = make("div", { className: "hint", hidden: true });
    this.at = make("span", { className: "at muted small" });
    this.hintButton = button("Hint", "hint", plan.number);
    this.solveButton = button("Solve", "solve", plan.number);
    this.catchButton = make("button", { type: "button",
      onclick: () => catchUp(plan.number) }, "Catch up to here");
    this.deeds = make("div", { className: "deeds" }, this.hintButton, this.solveButton, this.catchButton);
    this.details = make("details", {},
      make("summary", {}, this.mark, make("span", { className: "number" }, `${plan.number}.`),
        make("span", { className: "name" }, plan.title), this.at, this.word),
      this.why, this.commands, this.not, this.hint, this.deeds);
    this.element = make("li", { id: `step-${plan.number}` }, this.details);
    this.shown = "";
  }

  update(seen, isNext) {
    const was = this.state;
    this.state = seen.state;
    this.element.className = `step ${seen.state}${isNext ? " next" : ""}${seen.mistake ? " mistake" : ""}`;
    this.mark.textContent = seen.state === "done" ? "✓" : isNext ? "▸" : "·";
    this.word.textContent = seen.state === "done" ? "(done)" : isNext ? "(next)" : "(not done)";
    this.at.textContent = seen.at ? new Date(seen.at).toLocaleTimeString() : "";
    this.not.textContent = seen.why_not;
    this.not.hidden = !seen.why_not;
    this.hintButton.hidden = !isNext;
    this.solveButton.hidden = seen.state !== "open";
    this.catchButton.hidden = seen.state === "done" || isNext;
    const commands = JSON.stringify(seen.commands);
    if (commands !== this.shown) {
      this.shown = commands;
      this.commands.replaceChildren(...seen.commands.map(command));
    }
    return was && was !== "done" && seen.state === "done";
  }
}

function button(text, what, step) {
  return make("button", { type: "button", onclick: () => ask(what, step) }, text);
}

function command({ machine, text, whole }) {
  const label = whole ? `Type on ${machine}: ${text}` : `On ${machine}: ${text}`;
  const children = [make("code", {}, text), make("span", { className: "on" }, machine)];
  if (!whole) return make("p", { className: "command" }, ...children);
  return make("button", { type: "button", className: "command", "aria-label": label, title: "Type it",
    onclick: () => terminals.type(machine, text) }, ...children);
}

const show = {
  exercise(it) {
    if (exercise && JSON.stringify(exercise) === JSON.stringify(it)) return;
    exercise = it;
    document.title = `${it.title} – Swarmrig`;
    byId("place").textContent = [it.number && `Exercise ${it.number}`, `lab ${it.lab}`].filter(Boolean).join(" · ");
    byId("title").textContent = it.title;
    byId("summary").replaceChildren(...spans(it.summary));
    steps.clear();
    for (const plan of it.steps) steps.set(plan.number, new Step(plan));
    byId("steps").replaceChildren(...[...steps.values()].map((one) => one.element));
  },

  machines: (names) => terminals.open(names),
  picture: wire.picture,
  packets: wire.packets,

  look(it) {
    const turned = [];
    for (const seen of it.steps) {
      const step = steps.get(seen.number);
      if (step?.update(seen, seen.number === it.next)) turned.push(step);
    }
    byId("bar").value = it.done;
    byId("bar").max = it.steps.length;
    byId("count").textContent = `${it.done} of ${it.steps.length} steps`;
    byId("names").replaceChildren(...it.names.map((line) => make("li", {}, line)));
    if (turned.length) say(told(turned, it));
    if (it.next !== nextBefore) {
      steps.get(nextBefore)?.details.removeAttribute("open");
      const next = steps.get(it.next);
      if (next) {
        next.details.open = true;
        next.element.scrollIntoView({ block: "nearest" });
      }
      nextBefore = it.next;
    }
    if (hinted && it.steps.some((one) => one.number === hinted && one.state === "done")) show.hint(null);
  },

  hint(it) {
    if (hinted) steps.get(hinted)?.hint.replaceChildren();
    for (const one of steps.values()) one.hint.hidden = true;
    for (const one of steps.values()) one.hintButton.textContent = "Hint";
    hinted = it?.step;
    const step = steps.get(hinted);
    if (!step) return;
    const last = it.stage === it.of;
    step.hint.replaceChildren(
      make("h2", {}, `Hint ${it.stage} of ${it.of}`), make("p", {}, ...spans(it.says)),
      ...(it.undo.length ? [make("p", {}, "First take it back:"), ...it.undo.map(command)] : []),
      ...(it.commands.length ? [make("p", {}, it.undo.length ? "Then:" : "Type:"), ...it.commands.map(command)] : []));
    step.hint.hidden = false;
    step.details.open = true;
    step.hintButton.textContent = last ? "Hint" : "Plainer hint";
    say(step.hint.innerText);
  },

  work(it) {
    const note = byId("work");
    busy = !it.over;
    // Not `disabled`: the keyboard's place would be lost.
    for (const one of document.querySelectorAll(".deeds button, #deeds button")) one.setAttribute("aria-disabled", busy);
    note.hidden = it.over && !it.error && !it.lines.some((line) => !line.state);
    note.className = `note ${it.error ? "bad" : it.over ? "" : "busy"}`;
    const marks = { done: "✓", failed: "✗", running: "·", "": "" };
    note.replaceChildren(
      make("h2", {}, it.over ? it.what : `${it.what} …`),
      make("ul", {}, ...it.lines.map((line) => make("li", {}, `${marks[line.state]} ${line.who}${line.says ? `: ${line.says}` : ""}`))),
      ...(it.error ? error(it.error) : []),
      ...(it.over ? [make("button", { type: "button", onclick: () => (note.hidden = true) }, "Close")] : []));
    if (!it.over && !it.lines.length) say(`${it.what} …`);
    if (it.over && it.error) say(`${it.what}: ${it.error.says}`);
  },

  trouble(it) {
    const note = byId("trouble");
    note.hidden = !it;
    note.replaceChildren(...(it ? error(it) : []));
    if (it) say(it.says);
  },

  report(path) {
    byId("steps").querySelector(".report")?.remove();
    if (path) byId("steps").append(make("li", { className: "report" }, "All steps are done. The report: ", make("code", {}, path)));
  },

  refused(it) {
    show.trouble(it);
    setTimeout(() => show.trouble(null), 8000);
  },
};

const error = ({ says, advice }) => [make("p", {}, make("strong", {}, says)), ...(advice ? [make("p", {}, advice)] : [])];

function told(turned, it) {
  const numbers = turned.map((one) => one.plan.number).join(", ");
  const done = turned.length === 1 ? `Step ${numbers} is done: ${turned[0].plan.title}.` : `Steps ${numbers} are done.`;
  const next = steps.get(it.next);
  return `${done} ${next ? `Next: step ${it.next}, ${next.plan.title}.` : "All steps are done."}`;
}

const live = connection("/live", {
  heard: (data) => {
    const news = JSON.parse(data);
    // In this order: a look is of the exercise before it.
    for (const kind of Object.keys(show)) if (kind in news) show[kind](news[kind]);
  },
  lost: (why) => show.trouble({ says: why || "The page's server does not answer.",
    advice: "If inv learn has ended, start it again and open the address that it prints." }),
  opened: () => show.trouble(null),
});

function ask(what, step = "") {
  if (!busy) live.send(JSON.stringify({ do: what, step }));
}

function confirmed(question, meaning, yes, deed) {
  byId("question").textContent = question;
  byId("meaning").textContent = meaning;
  byId("yes").textContent = yes;
  const dialog = byId("ask");
  dialog.returnValue = "no";
  dialog.onclose = () => dialog.returnValue === "yes" && deed();
  dialog.showModal();
}

const catchUp = (number) => confirmed(`Catch up to step ${number}?`,
  "All steps before it are done for you. If the lab has the checkpoint “ready”, it begins there: what you have typed is undone.",
  "Catch up", () => ask("catch-up", number));
byId("reset").onclick = () => confirmed("Forget which steps were done?",
  "The lab is not changed: steps whose work is still there are done again at once.", "Reset", () => ask("reset"));
byId("rebuild").onclick = () => confirmed("Reset the lab to the state after inv up?",
  "What you have made on the machines is gone. Without the checkpoint “ready” the machines are created again, which takes minutes.",
  "Rebuild", () => ask("rebuild"));

document.addEventListener("keydown", (event) => {
  if (event.key !== "F6") return;
  event.preventDefault();
  // A terminal takes Tab for itself: nobody gets from there to what is below it otherwise.
  if (event.shiftKey) return document.querySelector("#wires > summary").focus();
  if (!terminals.focused() && !byId("wires").contains(document.activeElement)) return terminals.focus();
  const next = ["button.command", "summary"].map((one) => document.querySelector(`.step.next ${one}`));
  return (next.find(Boolean) ?? byId("exercise")).focus();
});
