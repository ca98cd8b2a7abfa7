// Draws every embedded figure. Without WebGL (remote desktops, old machines) points are drawn as SVG instead.
"use strict";
(() => {
  const hasWebGL = Boolean(document.createElement("canvas").getContext("webgl"));
  for (const holder of document.querySelectorAll("script[data-chart]")) {
    const { data, layout, config } = JSON.parse(holder.textContent);
    for (const trace of data) {
      if (trace.type === "scattergl" && !hasWebGL) trace.type = "scatter";
    }
    Plotly.newPlot(holder.dataset.chart, data, layout, config);
  }
})();
