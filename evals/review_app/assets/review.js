// Keys, the seconds of work on a verdict, and notes that survive a reload. Pages work without it.
"use strict";
(() => {
  const IDLE_MS = 60000; // without a sign of life for this long, nobody is reading
  const DRAFT_MS = 400; // after the last keystroke
  const find = (id) => document.getElementById(id);
  const isShown = (one) => one.getClientRects().length > 0;
  const listKeyed = () => [...document.querySelectorAll("[data-key]")].filter(isShown);
  const isText = (one) => one.isContentEditable
    || one.matches("textarea, select, input:not([type=checkbox], [type=radio])");
  const help = find("help");

  // Keys of one character may be switched off, by each person (WCAG 2.1.4); named keys stay.
  const choice = `keys ${document.body.dataset.annotator}`;
  const letters = find("letter-keys");
  let hasLetters = true;
  function switchLetters(isOn) {
    hasLetters = isOn;
    document.body.classList.toggle("no-letters", !isOn);
    if (letters) letters.checked = isOn;
  }
  try {
    switchLetters(localStorage.getItem(choice) !== "off");
  } catch { /* a browser that stores nothing: the choice lasts for one page */ }
  if (letters) {
    letters.addEventListener("change", () => {
      switchLetters(letters.checked);
      try {
        localStorage.setItem(choice, letters.checked ? "on" : "off");
      } catch { /* as above */ }
    });
  }

  // Keys: each element with data-key is clicked, or focused where one writes in it.
  function press(one) {
    if (isText(one)) {
      one.focus();
      if (one.select) one.select();
    } else {
      one.click();
    }
  }

  document.addEventListener("keydown", (event) => {
    // 229: a key that an input method took, which some browsers report outside a composition.
    if (event.isComposing || event.keyCode === 229 || event.repeat) return;
    const at = event.target;
    if (isText(at)) {
      if (event.key === "Escape") at.blur();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && at.id === "note") {
        event.preventDefault();
        sendPending();
      }
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || (help && help.open)) return;
    if (!hasLetters && event.key.length === 1) return;
    if (event.key === "Enter" && at.closest("a, button, summary")) return;
    if (event.key.startsWith("Arrow") && at.closest("pre, [tabindex]:not(main)")) return;
    const one = listKeyed().find((each) => each.dataset.key.split(" ").includes(event.key));
    if (!one) return;
    event.preventDefault();
    press(one);
  });

  const opener = find("open-help");
  if (opener) {
    opener.addEventListener("click", () => {
      find("keys").replaceChildren(...listKeyed().flatMap((one) => {
        const keys = document.createElement("dt");
        const names = one.dataset.key.split(" ").filter((key) => hasLetters || key.length > 1);
        if (!names.length) return [];
        for (const key of names) {
          const shown = document.createElement("kbd");
          shown.textContent = { ArrowLeft: "←", ArrowRight: "→" }[key] || key;
          keys.append(shown);
        }
        const words = document.createElement("dd");
        words.textContent = one.dataset.help || one.textContent.trim();
        return [keys, words];
      }));
      help.showModal();
    });
  }

  const form = find("verdict");
  if (!form) return;
  const note = find("note");
  const field = find("seconds");
  const hint = find("hint");
  let pending = null;
  let isSent = false;

  // Seconds of work: while the page is seen and somebody gave a sign of life lately.
  let seconds = Number(field.value) || 0;
  let ticked = performance.now();
  let active = ticked;
  function tick() {
    const now = performance.now();
    if (!document.hidden && now - active < IDLE_MS) seconds += Math.min(now - ticked, 5000) / 1000;
    ticked = now;
    field.value = seconds.toFixed(2);
  }
  for (const name of ["keydown", "pointermove", "pointerdown", "wheel", "scroll", "touchstart"]) {
    document.addEventListener(name, () => { tick(); active = performance.now(); }, { passive: true });
  }
  document.addEventListener("visibilitychange", () => { tick(); active = performance.now(); });
  setInterval(tick, 1000);

  // A failure needs a reason: the first press asks for it, the second one sends.
  const hasReason = () => note.value.trim() !== "" || form.querySelector("[name=tag]:checked");
  function sendPending() {
    if (pending) pending.click();
    else hint.textContent = "Leave the note with Escape, then choose Pass, Fail or Defer.";
  }
  function choose(button) {
    pending = button;
    for (const one of form.querySelectorAll("button[name=verdict]")) {
      one.setAttribute("aria-pressed", String(one === button));
    }
  }
  form.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (isSent || !button) return event.preventDefault();
    if (button.value === "fail" && !hasReason()) {
      event.preventDefault();
      choose(button);
      const keys = matchMedia("(pointer: coarse)").matches ? "" : "Ctrl+Enter, or ";
      hint.textContent = `What is wrong? Write it or choose a tag, then ${keys}Fail again.`;
      note.focus();
      return;
    }
    tick();
    isSent = true;
    clearTimeout(timer);
    sessionStorage.removeItem(place);
  });

  // Drafts: a moment after the last change, and when the page is left. Until the server has a
  // note, this window keeps it, since a reload may overtake what the page sends while it is left.
  let timer = 0;
  let isChanged = false;
  const about = form.elements.trace ? form.elements.trace.value : "";
  const place = `note ${form.getAttribute("action")} ${about}`;
  const unsaved = sessionStorage.getItem(place);
  if (unsaved !== null) note.value = unsaved;
  function saveDraft() {
    clearTimeout(timer);
    if (isSent || !isChanged || !form.dataset.draft) return;
    isChanged = false;
    tick();
    fetch(form.dataset.draft, {
      method: "POST", body: new URLSearchParams(new FormData(form)), keepalive: true,
    }).then((answer) => {
      if (answer.ok && !isChanged) sessionStorage.removeItem(place);
      hint.textContent = answer.ok ? "" : "This note could not be kept; copy it before you leave.";
    }, () => { isChanged = true; });
  }
  form.addEventListener("input", () => {
    isChanged = true;
    sessionStorage.setItem(place, note.value);
    clearTimeout(timer);
    timer = setTimeout(saveDraft, DRAFT_MS);
  });
  addEventListener("pagehide", saveDraft);
  document.addEventListener("visibilitychange", () => { if (document.hidden) saveDraft(); });
})();
