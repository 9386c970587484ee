"""The contrast of text with what lies beneath it."""

from __future__ import annotations

from selenium import webdriver

# WCAG 2.2, 1.4.3: the contrast of each text that is shown with what lies beneath it, the lowest
# first. Text in pictures is judged on the card that they stand on; all details are opened before.
_CONTRASTS = """
const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const rgba = colour => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  return canvas.getImageData(0, 0, 1, 1).data;
};
const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
  .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const beneath = element => {
  for (let at = element; at; at = at.parentElement) {
    const colour = rgba(getComputedStyle(at).backgroundColor);
    if (colour[3] === 255) return colour;
  }
  return rgba("white");
};
document.querySelectorAll("details").forEach(one => one.open = true);
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
  if (element.closest(".unseen, symbol, title, desc, style")) continue;
  const style = getComputedStyle(element);
  const [a, b] = [light(rgba(element.closest("svg") ? style.fill : style.color)),
                  light(beneath(element))].sort((x, y) => y - x);
  found.push([(a + 0.05) / (b + 0.05), walker.currentNode.data.trim().slice(0, 60)]);
}
return found.sort((x, y) => x[0] - y[0]);
"""


def lowest_contrasts(browser: webdriver.Chrome) -> list[tuple[float, str]]:
    """Each text that is shown with its contrast, the lowest first. Opens all details."""
    found: list[tuple[float, str]] = browser.execute_script(_CONTRASTS)
    return found
