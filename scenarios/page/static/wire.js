// The topology as it is now, and the packets on the underlay.

import { byId, make } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const MOST = 100; // rows
let newest = 0;

function draw(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// As the report's template draws it: lines, hosts, links, tasks, words.
export function picture(it) {
  const behind = (line) => !/^(link|rule)/.test(line.style);
  const line = ({ points, style }) => draw("polyline", { class: style, points });
  const box = ({ x, y, width, height, style }, rx) => draw("rect", { class: style, x, y, width, height, rx });
  const drawn = draw("svg", { viewBox: `0 0 ${it.width} ${it.height}`, role: "img", "aria-label": it.description },
    ...it.lines.filter(behind).map(line),
    ...it.boxes.filter((one) => one.style === "host").map((one) => box(one, 10)),
    ...it.lines.filter((one) => !behind(one)).map(line),
    ...it.boxes.filter((one) => one.style === "task").map((one) => box(one, 7)),
    ...it.words.map((word) => draw("text", { class: word.style, x: word.x, y: word.y, "text-anchor": word.anchor }, word.text)));
  byId("picture").replaceChildren(drawn);
}

export function packets({ rows, seen }) {
  const body = byId("packets");
  if (rows.length && rows.at(-1).number < newest) body.replaceChildren(); // it has begun again
  const last = body.childElementCount ? newest : 0;
  for (const row of rows.filter((one) => one.number > last)) body.prepend(make("tr", {}, ...cells(row)));
  while (body.childElementCount > MOST) body.lastElementChild.remove();
  newest = rows.at(-1)?.number ?? 0;
  const missed = seen.reduce((sum, one) => sum + one.missed, 0);
  const errors = seen.filter((one) => one.error).map((one) => one.error);
  byId("capture").textContent = errors.length ? errors.join("; ")
    : missed ? `${missed} more were counted only` : rows.length ? "" : "none yet: ping from one task to the other";
}

function cells(row) {
  const time = new Date(1000 * row.at).toISOString().slice(11, 23);
  const pair = (from, to) => (from ? `${from} → ${to}` : "");
  const network = row.vni === null ? row.encapsulation : `${row.vni} ${row.network ?? ""}`;
  return [time, pair(row.outer_source, row.outer_destination), network,
    pair(row.inner_source, row.inner_destination), row.protocol, row.machine].map((text) => make("td", {}, text));
}

const wires = byId("wires");
wires.open = localStorage.getItem("wires") !== "closed";
wires.addEventListener("toggle", () => localStorage.setItem("wires", wires.open ? "" : "closed"));
