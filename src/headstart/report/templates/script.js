"use strict";
// Draws the figures in the colours of a light or a dark page, and marks where in the contents the reader is.
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const dim = JSON.parse(document.getElementById("dark_colours").textContent);
  const figures = [...document.querySelectorAll("script[data-figure]")];
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");

  function draw(isDark) {
    const recolour = (_, value) =>
      isDark && typeof value === "string" && Object.hasOwn(dim, value.toLowerCase()) ? dim[value.toLowerCase()] : value;
    for (const source of figures) {
      const area = document.getElementById(source.dataset.figure);
      const figure = JSON.parse(source.textContent, recolour);
      area.querySelector("noscript")?.remove();
      window.Plotly.react(area, figure.data, figure.layout, { responsive: true, displayModeBar: false });
    }
  }
  if (figures.length && window.Plotly) {
    draw(dark.matches);
    dark.addEventListener("change", () => draw(dark.matches));
    window.addEventListener("beforeprint", () => draw(false)); // paper is white
    window.addEventListener("afterprint", () => draw(dark.matches));
  }

  const links = new Map([...document.querySelectorAll(".contents a")].map((a) => [a.hash.slice(1), a]));
  const sections = [...document.querySelectorAll("main > section")];
  const contents = document.querySelector(".contents");
  let current = null;
  function mark() {
    const line = Math.min(window.innerHeight / 3, 240);
    const atEnd = window.scrollY > 0 && window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 2;
    const here = atEnd ? sections.at(-1) : sections.findLast((one) => one.getBoundingClientRect().top <= line);
    if (here === current) return;
    if (current) links.get(current.id)?.removeAttribute("aria-current");
    current = here ?? null;
    const link = current && links.get(current.id);
    if (!link) return;
    link.setAttribute("aria-current", "true");
    const list = link.closest("ol");
    if (list.scrollWidth > list.clientWidth) {
      list.scrollTo({ left: link.offsetLeft - list.offsetLeft - 16, behavior: still.matches ? "auto" : "smooth" });
    }
  }
  if (contents && sections.length) {
    mark();
    window.addEventListener("scroll", mark, { passive: true });
    window.addEventListener("resize", mark);
  }
})();
