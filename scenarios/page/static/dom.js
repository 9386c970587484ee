// Elements from plain data. Text is always text: nothing here reads HTML.

export const byId = (id) => document.getElementById(id);

export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in element && !key.startsWith("aria")) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

// [["text", "It pings "], ["code", "alpine"]] as text and <code>.
export function spans(of) {
  return of.map(([kind, text]) => (kind === "text" ? text : make(kind, {}, text)));
}

// A screen reader says it. The same words twice are said twice.
let turn = false;
export function say(text) {
  turn = !turn;
  byId("said").textContent = text + (turn ? "\u00a0" : "");
}

// A WebSocket that comes back after a while, longer and longer, until it is refused.
export function connection(path, { opened = () => {}, heard, lost }) {
  const it = { socket: null, send };
  let wait = 250;
  function open() {
    const socket = new WebSocket(`ws://${location.host}${path}`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      wait = 250;
      opened();
    };
    socket.onmessage = (event) => heard(event.data);
    socket.onclose = (event) => {
      const refused = event.code === 4000;
      lost(refused ? event.reason : "");
      if (refused) return;
      setTimeout(open, wait);
      wait = Math.min(2 * wait, 4000);
    };
    it.socket = socket;
  }
  function send(data) {
    if (it.socket.readyState === WebSocket.OPEN) it.socket.send(data);
  }
  open();
  return it;
}
