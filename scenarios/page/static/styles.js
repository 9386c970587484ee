// The page allows no styles but those of its files (Content-Security-Policy). xterm.js makes
// <style> elements and style attributes; what it writes there goes the way that is allowed to
// scripts: constructed style sheets, and the properties of an element's style.

const create = document.createElement.bind(document);
const set = Element.prototype.setAttribute;

// An empty <style> is refused as well: what stands for it in the document is a <template>.
document.createElement = (name, options) => {
  if (name !== "style") return create(name, options);
  const element = create("template");
  construct(element);
  return element;
};

Element.prototype.setAttribute = function (name, value) {
  if (name === "style") this.style.cssText = value;
  else set.call(this, name, value);
};

function construct(element) {
  const sheet = new CSSStyleSheet();
  let text = "";
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  Object.defineProperty(element, "textContent", {
    get: () => text,
    set: (value) => {
      text = value;
      sheet.replaceSync(value);
    },
  });
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet);
    Element.prototype.remove.call(element);
  };
}
