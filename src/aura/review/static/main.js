// Selects the page and the theme.
import { Embedded, Served } from "./data.js";
import { element, plain, remember, remembered, sentence } from "./dom.js";
import { singleKeys, typing } from "./keys.js";
import { List } from "./list.js";
import { RecordingPage } from "./recording.js";

const main = document.getElementById("main");
const embedded = document.getElementById("embedded");
const source = embedded === null ? new Served()
  : new Embedded(JSON.parse(embedded.textContent));
let page = null;
let shown = null;

function theme() {
  return remembered("theme") ?? (matchMedia("(prefers-color-scheme: dark)")
    .matches ? "dark" : "light");
}

function useTheme(name) {
  document.documentElement.dataset.theme = name;
  const button = document.getElementById("theme");
  if (button !== null) {
    button.textContent = name === "dark" ? "☀ light" : "☾ dark";
    button.setAttribute("aria-label",
      `Switch to ${name === "dark" ? "light" : "dark"} theme`);
  }
  page?.plots.recolour();
}

function toggleTheme() {
  remember("theme", document.documentElement.dataset.theme === "dark"
    ? "light" : "dark");
  useTheme(theme());
}

// A button for the recording before or after this one.
function step(word, title, key, direction) {
  return element("button", { type: "button", title: `${title} (${key})`,
    "aria-label": title, "aria-keyshortcuts": key,
    onclick: () => turn(direction) }, word);
}

async function turn(direction) {
  if (shown === null || !source.editable) return;
  try {
    const key = await source.neighbour(shown, direction);
    if (key !== null) location.hash = `r=${key}`;
    else {
      page?.tell(`This is the ${direction > 0 ? "last" : "first"} recording `
        + "of the list.");
    }
  } catch (refusal) {
    page?.tell(sentence(refusal.message), true);
  }
}

function header(back) {
  const download = (kind, word) => element("a", { class: "button",
    href: source.file(shown, kind), download: "" }, word);
  document.getElementById("top").replaceChildren(
    element("a", { class: "brand", href: source.listed ?? "#" },
      element("b", null, "AURA"), " review"),
    element("nav", { "aria-label": "Page" },
      ...(back && source.editable ? [element("a", {
        href: source.listed ?? "#" }, "← All recordings"),
      step("◀", "Previous recording", "[", -1),
      step("next recording ▶", "Next recording", "]", 1)] : [])),
    element("div", { class: "right" },
      ...(back && embedded === null ? [
        element("span", { class: "quiet" }, "Download review:"),
        download("tsv", "TSV"), download("edf", "EDF+")] : []),
      element("button", { type: "button", id: "theme",
        "aria-keyshortcuts": "t", onclick: toggleTheme })));
  useTheme(theme());
}

function fail(refusal) {
  main.replaceChildren(element("div", { class: "failed", role: "alert" },
    element("h1", null, "This page cannot be shown"),
    element("p", { "data-rule": refusal.rule }, sentence(refusal.message)),
    element("p", null, element("a", { href: "#" }, "All recordings"))));
}

async function show() {
  const given = new URLSearchParams(location.hash.slice(1));
  const key = embedded !== null ? source.content.detail.key : given.get("r");
  if (page !== null && key === shown) return;
  page?.leave();
  page = null;
  shown = key;
  delete document.documentElement.dataset.ready;
  header(key !== null);
  try {
    if (key === null) {
      document.title = "AURA review";
      new List(main, source, await source.cases(), given);
    } else {
      const detail = await source.detail(encodeURIComponent(key));
      if (shown !== key) return;
      document.title = `${plain(detail.path)} · AURA review`;
      const number = (name) => {
        const value = Number(given.get(name) ?? NaN);
        return Number.isFinite(value) ? value : undefined;
      };
      const [from, to] = [number("from"), number("to")];
      page = new RecordingPage(main, source, detail,
        from < to ? { from, to, at: number("at") } : {});
    }
    main.focus({ preventScroll: true });
  } catch (refusal) {
    fail(refusal);
  }
  document.documentElement.dataset.ready = "yes";
}

addEventListener("hashchange", show);
matchMedia("(prefers-color-scheme: dark)").addEventListener(
  "change", () => useTheme(theme()));
document.addEventListener("keydown", (event) => {
  if (!singleKeys() || typing(event.target) || event.ctrlKey
    || event.metaKey || event.altKey || event.repeat) return;
  if (event.key === "t") toggleTheme();
  if (event.key === "[") turn(-1);
  if (event.key === "]") turn(1);
});
useTheme(theme());
show();
