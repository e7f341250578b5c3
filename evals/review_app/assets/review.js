"use strict";
(() => {
  const keyed = () => [...document.querySelectorAll("[data-key]")].filter((one) => one.offsetParent);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest("input, textarea, select, dialog")) return;
    const target = keyed().find((one) => one.dataset.key === event.key);
    if (!target) return;
    event.preventDefault();
    if (target.matches("textarea, input:not([type=checkbox]), select")) target.focus();
    else target.click();
  });
  const help = document.getElementById("help");
  const open = document.getElementById("open-help");
  if (open) open.addEventListener("click", () => {
    const list = document.getElementById("keys");
    list.replaceChildren(...keyed().flatMap((one) => {
      const key = document.createElement("dt");
      const text = document.createElement("dd");
      key.textContent = one.dataset.key;
      text.textContent = one.dataset.help || one.textContent.trim();
      return [key, text];
    }));
    help.showModal();
  });
})();
