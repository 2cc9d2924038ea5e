// Light, dark, or as the system has it; and the colours of the style sheet, for what is painted on a canvas.

const PLACE = "mpcsfaas-theme";
const THEMES = ["auto", "light", "dark"];
const system = matchMedia("(prefers-color-scheme: dark)");
const probe = document.createElement("i");

export const current = () => (THEMES.includes(localStorage.getItem(PLACE)) ? localStorage.getItem(PLACE) : "auto");

export function next() {
  localStorage.setItem(PLACE, THEMES[(THEMES.indexOf(current()) + 1) % THEMES.length]);
  apply();
  document.dispatchEvent(new Event("theme"));
}

export function apply() {
  const theme = current();
  document.documentElement.style.colorScheme = theme === "auto" ? "light dark" : theme;
}

/** The colour that a variable of the style sheet stands for just now. */
export function colour(name) {
  if (!probe.isConnected) {
    probe.hidden = true;
    document.body.append(probe);
  }
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

system.addEventListener("change", () => document.dispatchEvent(new Event("theme")));
