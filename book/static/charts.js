// Turns each static chart of a page into an interactive one, in the colours and the width of the page.
(() => {
  "use strict";
  const here = document.currentScript.src;
  const narrow = 620; // pixels: below, legends stand in two columns and charts beside each other are stacked
  let drawings = [];

  const load = (src) =>
    new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = src;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`cannot load ${src}`));
      document.head.append(script);
    });

  const pageColor = (name, fallback) =>
    getComputedStyle(document.documentElement).getPropertyValue(name).trim() || fallback;

  // The chart's own ink, muted, grid and paper colours stand for those of the page.
  function themed(text, data) {
    const page = {
      [data.ink]: pageColor("--pst-color-text-base", data.ink),
      [data.muted]: pageColor("--pst-color-text-muted", data.muted),
      [data.grid]: pageColor("--pst-color-border", data.grid),
      [data.paper]: pageColor("--pst-color-background", data.paper),
    };
    return Object.entries(page).reduce((done, [from, to]) => done.replaceAll(`"${from}"`, `"${to}"`), text);
  }

  // What a chart asks for itself is for wide pages: long labels, labels side by side, legends of many columns.
  function slim(node) {
    if (!node || typeof node !== "object") return;
    if (node.legend?.columns > 2) node.legend.columns = 2;
    if (node.axis?.labelLimit > 120) node.axis.labelLimit = 120;
    if (node.axis?.labelAngle === 0) delete node.axis.labelAngle;
    for (const [key, value] of Object.entries(node)) if (key !== "datasets" && key !== "data") slim(value);
  }

  // A single view takes the width of its box. A chart of several views keeps its widths where the page is wide enough.
  function fitted(spec, width) {
    spec.config = { ...spec.config, font: getComputedStyle(document.body).fontFamily };
    if (width < narrow) {
      spec.config.legend = { ...spec.config.legend, columns: 2, labelLimit: 130, columnPadding: 10 };
      spec.config.axis = { ...spec.config.axis, labelLimit: 120 };
      spec.config.axisXDiscrete = { ...spec.config.axisXDiscrete, labelAngle: -45 };
      if (spec.hconcat) {
        spec.vconcat = spec.hconcat;
        delete spec.hconcat;
      }
      for (const view of spec.vconcat ?? []) view.width = Math.min(view.width ?? width, width - 110);
      slim(spec);
    }
    const single = (spec.mark || spec.layer) && !(spec.encoding && (spec.encoding.row || spec.encoding.column || spec.encoding.facet));
    if (single && !(typeof spec.width === "object") && !(spec.width <= width - 110)) {
      spec.width = "container";
      spec.autosize = { type: "fit-x", contains: "padding" };
    }
    return spec;
  }

  async function draw(box) {
    const text = box.querySelector("script[type='application/json']").textContent;
    const spec = fitted(JSON.parse(themed(text, box.dataset)), box.clientWidth);
    const live = document.createElement("div");
    live.className = "vl-live";
    box.append(live);
    try {
      const result = await window.vegaEmbed(live, spec, {
        mode: "vega-lite",
        renderer: Number(box.dataset.rows) > 1000 ? "canvas" : "svg",
        actions: { export: true, source: false, compiled: false, editor: false },
      });
      box.querySelectorAll(".vl-live").forEach((old) => old !== live && old.remove());
      box.classList.add("vl-drawn");
      drawings.push(result);
    } catch (error) {
      live.remove(); // the static picture stays
      console.error(`chart ${box.id}:`, error);
    }
  }

  async function drawAll() {
    const before = drawings;
    drawings = [];
    for (const box of document.querySelectorAll(".vl-chart")) await draw(box);
    before.forEach((result) => result.finalize());
  }

  document.addEventListener("DOMContentLoaded", async () => {
    if (!document.querySelector(".vl-chart")) return;
    await load(new URL("vendor/vega.js", here).href);
    await drawAll();
    let width = window.innerWidth;
    let waiting;
    const redraw = () => {
      clearTimeout(waiting);
      waiting = setTimeout(drawAll, 150);
    };
    new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    window.addEventListener("resize", () => {
      if ((width < narrow + 200) !== (window.innerWidth < narrow + 200)) redraw();
      width = window.innerWidth;
    });
  });
})();
