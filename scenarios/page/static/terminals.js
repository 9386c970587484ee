// Terminals in tabs, or side by side. The server keeps what was printed: a reload shows it again.

import "./styles.js";
import { FitAddon } from "./vendor/addon-fit.mjs";
import { Terminal } from "./vendor/xterm.mjs";
import { byId, connection, make, say } from "./dom.js";

const MOST = 4; // as in terminals.py
const dark = matchMedia("(prefers-color-scheme: dark)");
const still = matchMedia("(prefers-reduced-motion: reduce)");
const THEMES = {
  light: { background: "#ffffff", foreground: "#18212d", cursor: "#17569b", cursorAccent: "#ffffff",
    selectionBackground: "#b9d6f6", black: "#18212d", white: "#55606f", brightWhite: "#18212d" },
  dark: { background: "#0b0f14", foreground: "#e6eaf0", cursor: "#8abcf7", cursorAccent: "#0b0f14",
    selectionBackground: "#2f5480" },
};
const theme = () => (dark.matches ? THEMES.dark : THEMES.light);

const panes = [];
let chosen = null;

class Pane {
  constructor(machine, number) {
    this.machine = machine;
    this.number = number;
    this.name = number === 1 ? machine : `${machine} (${number})`;
    this.typing = "";
    this.answers = true;
    this.id = `terminal-${machine}-${number}`;
    this.tab = make("button", { type: "button", role: "tab", id: `${this.id}-tab`,
      "aria-controls": this.id }, make("span", { className: "dot" }), this.name);
    this.state = make("span", { className: "state" });
    this.take = make("button", { type: "button", hidden: true, onclick: () => this.hold() });
    this.screen = make("div", { className: "screen" });
    this.element = make("section", { className: "pane", role: "tabpanel", id: this.id,
      "aria-labelledby": `${this.id}-tab` },
      make("header", {}, make("strong", {}, this.name), this.state, this.take), this.screen);
    this.tab.onclick = () => choose(this, true);
    byId("tabs").append(this.tab);
    byId("panes").append(this.element);
    this.open();
  }

  open() {
    this.term = new Terminal({ theme: theme(), fontSize: 13, scrollback: 5000, cursorBlink: !still.matches,
      minimumContrastRatio: 4.5, screenReaderMode: byId("reader").checked,
      fontFamily: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace' });
    this.fit = new FitAddon();
    this.term.loadAddon(this.fit);
    this.term.open(this.screen);
    this.term.textarea.setAttribute("aria-label", `Terminal of ${this.name}; F6 leaves it`);
    this.term.attachCustomKeyEventHandler((event) => this.key(event));
    const encoder = new TextEncoder();
    this.term.onData((text) => this.typed(encoder.encode(text)));
    this.term.onBinary((text) => this.typed(Uint8Array.from(text, (one) => one.charCodeAt(0))));
    new ResizeObserver(() => this.measure()).observe(this.screen);
    this.line = connection(`/terminal?machine=${encodeURIComponent(this.machine)}&number=${this.number}`, {
      opened: () => this.term.reset(),
      heard: (data) => (typeof data === "string" ? this.told(JSON.parse(data)) : this.show(data)),
      lost: (why) => this.status("lost", why || "the page's server does not answer", true),
    });
  }

  key(event) {
    if (event.type !== "keydown") return true;
    if (event.key === "F6") return false;
    if (event.ctrlKey && event.shiftKey && event.code === "KeyC") {
      event.preventDefault();
      const text = this.term.getSelection();
      if (text) navigator.clipboard.writeText(text).then(() => say("Copied."), () => {});
      return false;
    }
    // The browser pastes, and xterm.js hears of it.
    return !(event.ctrlKey && event.shiftKey && event.code === "KeyV");
  }

  typed(bytes) {
    if (!this.answers) return;
    if (this.ended) {
      if (bytes.includes(13)) this.tell({ again: true });
      return;
    }
    // The server takes 64 kB at once.
    for (let at = 0; at < bytes.length; at += 16384) this.line.send(bytes.slice(at, at + 16384));
  }

  type(text, enter) {
    if (this.typing !== "you") this.hold();
    this.term.paste(text);
    if (enter) this.typed(Uint8Array.of(13));
    this.term.focus();
  }

  tell(what) {
    this.line.send(JSON.stringify(what));
  }

  hold() {
    this.tell({ hold: true });
    this.typing = "you";
    this.measure();
    this.term.focus();
  }

  show(data) {
    this.term.write(new Uint8Array(data), () => this.tell({ shown: data.byteLength }));
  }

  told(what) {
    if (what.kept) this.answers = false;
    else if (what.kept === false) this.term.write("", () => (this.answers = true));
    else if (what.lost) this.term.reset();
    else {
      const mine = this.typing !== "you" && what.typing === "you";
      this.typing = what.typing;
      this.status(what.state, what.says, false);
      if (mine) this.measure();
      else if (what.typing === "other") this.term.resize(what.columns, what.rows);
    }
  }

  status(state, says, gone) {
    this.ended = state === "ended";
    const words = { connecting: "connecting …", open: "", lost: `no connection: ${says}`,
      ended: "the shell has ended: Enter starts another one" }[state];
    const watching = state === "open" && this.typing !== "you";
    const other = this.typing === "other" ? "another window types here" : "nobody types here";
    const text = watching ? other : words;
    if (this.state.textContent !== text) {
      this.state.textContent = text;
      if (text && state !== "connecting") say(`Terminal of ${this.name}: ${text}`);
    }
    this.element.dataset.state = this.tab.dataset.state = gone ? "lost" : state;
    this.take.textContent = "Type here";
    this.take.hidden = !watching;
  }

  measure() {
    if (!this.screen.offsetParent || this.typing !== "you") return;
    this.fit.fit();
    const size = `${this.term.cols} ${this.term.rows}`;
    if (size === this.size && this.line.socket === this.sized) return;
    this.size = size;
    this.sized = this.line.socket;
    this.tell({ columns: this.term.cols, rows: this.term.rows });
  }
}

function choose(pane, focus) {
  chosen = pane;
  for (const one of panes) {
    const here = one === pane;
    one.tab.setAttribute("aria-selected", here);
    one.tab.tabIndex = here ? 0 : -1;
    one.element.classList.toggle("chosen", here);
  }
  pane.measure();
  if (focus) pane.term.focus();
}

function beside() {
  byId("machines").classList.toggle("beside", byId("beside").checked);
  for (const one of panes) one.measure();
}

function another() {
  if (!chosen) return;
  const numbers = panes.filter((one) => one.machine === chosen.machine).map((one) => one.number);
  if (numbers.length >= MOST) return say(`${chosen.machine} has ${MOST} terminals, which is the most.`);
  const pane = new Pane(chosen.machine, Math.max(...numbers) + 1);
  panes.push(pane);
  remember();
  return choose(pane, true);
}

// Which terminals were open beside the first ones, and how: kept for a reload.
function remember() {
  const more = panes.filter((one) => one.number > 1).map((one) => [one.machine, one.number]);
  sessionStorage.setItem("terminals", JSON.stringify(more));
}

export function open(machines) {
  if (panes.length) return;
  const more = JSON.parse(sessionStorage.getItem("terminals") || "[]");
  for (const machine of machines) panes.push(new Pane(machine, 1));
  for (const [machine, number] of more) {
    if (machines.includes(machine)) panes.push(new Pane(machine, number));
  }
  byId("beside").checked = localStorage.getItem("beside") === "yes";
  beside();
  choose(panes[0], false);
}

// Type a command into the terminal of a machine: the chosen one, if it is of that machine.
export function type(machine, text) {
  const pane = chosen?.machine === machine ? chosen : panes.find((one) => one.machine === machine);
  if (!pane) return;
  choose(pane, true);
  pane.type(text, byId("enter").checked);
  say(`Typed on ${pane.name}: ${text}`);
}

export const focused = () => byId("panes").contains(document.activeElement);
export const focus = () => chosen?.term.focus();

byId("tabs").addEventListener("keydown", (event) => {
  const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const at = panes.findIndex((one) => one.tab === event.target);
  if (!way || at < 0) return;
  const next = panes[(at + way + panes.length) % panes.length];
  choose(next, false);
  next.tab.focus();
});
byId("more").onclick = another;
byId("beside").addEventListener("change", () => {
  localStorage.setItem("beside", byId("beside").checked ? "yes" : "");
  beside();
});
byId("reader").addEventListener("change", () => {
  for (const one of panes) one.term.options.screenReaderMode = byId("reader").checked;
});
dark.addEventListener("change", () => {
  for (const one of panes) one.term.options.theme = theme();
});
still.addEventListener("change", () => {
  for (const one of panes) one.term.options.cursorBlink = !still.matches;
});
