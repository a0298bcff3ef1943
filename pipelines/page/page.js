"use strict";
// Draws the charts, tells how old things are at this moment, and copies queries. Names are data:
// they come in as JSON and go out as text, never as markup.
(function () {
  const page = document.body;
  const currency = page.dataset.currency;
  const staleAfter = Number(page.dataset.staleAfter);

  function read(id) {
    return JSON.parse(document.getElementById(id).textContent);
  }

  function element(name, text) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // How old.

  function age(seconds) {
    const minutes = seconds / 60;
    if (minutes < 1.5) return "just now";
    if (minutes < 90) return `${Math.round(minutes)} minutes ago`;
    if (minutes < 48 * 60) return `${(minutes / 60).toFixed(1)} hours ago`;
    return `${Math.floor(minutes / 1440)} days ago`;
  }

  function tellAges() {
    for (const time of document.querySelectorAll("time[data-age]")) {
      const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
      time.dataset.written ??= time.textContent;
      const isStale = "stale" in time.dataset && seconds > staleAfter;
      const old = `${age(seconds)}${isStale ? ": stale" : ""}`;
      time.textContent = "stale" in time.dataset ? old : `${time.dataset.written}, ${old}`;
      time.title = time.dataset.written;
      if (isStale) {
        const source = time.parentElement;
        source.className = "bad stale";
        source.querySelector(".mark").className = "mark bad";
      }
    }
  }

  // Charts.

  const font = getComputedStyle(page).fontFamily;
  const config = {
    background: null,
    font,
    view: { stroke: null },
    axis: {
      labelColor: "var(--ink-2)",
      titleColor: "var(--ink-2)",
      domainColor: "var(--line)",
      gridColor: "var(--line)",
      tickColor: "var(--line)",
      labelFontSize: 11,
    },
    axisY: { domain: false, ticks: false, labelPadding: 6 },
    axisX: { grid: false, labelPadding: 6 },
    legend: { labelColor: "var(--ink-2)", labelFontSize: 11 },
  };

  const tip = element("div");
  tip.id = "tip";
  tip.hidden = true;
  page.append(tip);

  function showTip(_, event, __, value) {
    tip.hidden = value === null || value === undefined || value === "";
    if (tip.hidden) return;
    tip.replaceChildren();
    for (const [title, text] of Object.entries(value)) {
      const line = element("div");
      line.append(element("span", title), element("b", String(text)));
      tip.append(line);
    }
    const { clientX: x, clientY: y } = event;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 8))}px`;
    tip.style.top = `${y + height + 24 > innerHeight ? y - height - 12 : y + 16}px`;
  }

  const sources = [...document.querySelectorAll(".sources b")].map((name) => name.textContent);

  // A day without usage has its place, too.
  function daysOf(rows) {
    const days = [];
    const first = rows.map((row) => row.usage_date).filter(Boolean).sort()[0];
    for (let day = new Date(first); day <= new Date(page.dataset.through); ) {
      days.push(day.toISOString().slice(0, 10));
      day.setUTCDate(day.getUTCDate() + 1);
    }
    return days;
  }

  function draw(place, name, rows, parameters = {}) {
    const spec = read(`spec-${name}`);
    spec.config = config;
    const x = spec.encoding?.x;
    if (x?.field === "usage_date") x.scale = { domain: daysOf(rows) };
    const color = spec.encoding?.color;
    if (color?.field === "source_name") {
      // A source has one colour in every chart, also where another says nothing.
      color.scale.domain = sources;
      color.legend.values = sources.filter((source) => rows.some((row) => row.source_name === source));
    }
    for (const one of spec.params ?? []) {
      if (one.name in parameters) one.value = parameters[one.name];
    }
    const compiled = vegaLite.compile(spec).spec;
    const view = new vega.View(vega.parse(compiled, null, { ast: true }), {
      expr: vega.expressionInterpreter,
      renderer: "svg",
      logLevel: vega.Warn,
    });
    view.tooltip(showTip).data("rows", rows).initialize(place).run();
    return view;
  }

  function drawAll(name) {
    for (const place of document.querySelectorAll(`[data-chart="${name}"]`)) {
      const rows = read(`data-${name}`);
      const row = place.dataset.row;
      const own = row === undefined ? rows : [rows[Number(row)]];
      draw(place, name, own, { currency, scale_end: own[0]?.scale_end });
    }
  }

  // The days, and what is beside them.

  const formats = {
    cost: { minimumFractionDigits: 2, maximumFractionDigits: 2 },
    tokens: { notation: "compact", minimumFractionDigits: 1, maximumFractionDigits: 1 },
    calls: {},
  };

  function told(measure, value) {
    if (value === null) return measure === "cost" ? "not priced" : "not known";
    return value.toLocaleString("en", formats[measure]);
  }

  function drawDays() {
    const place = document.querySelector('[data-chart="days"]');
    if (!place) return;
    const rows = read("data-days");
    const view = draw(place, "days", rows, { currency });

    function chosen(name) {
      return document.querySelector(`input[name="${name}"]:checked`).value;
    }

    function tell() {
      const [dimension, measure] = [chosen("dimension"), chosen("measure")];
      view.signal("dimension", dimension).signal("measure", measure).run();
      const own = rows.filter((row) => row.dimension === dimension && row.usage_date === null);
      const sum = own.find((row) => row.place === null);
      const unit = measure === "cost" ? currency : measure;
      document.getElementById("days-sum").textContent = `${told(measure, sum[measure])} ${unit}`;
      document.getElementById("days-of").textContent = "in all";
      const names = own.filter((row) => row.place !== null).map((row) => {
        const line = element("li");
        const swatch = element("i");
        swatch.style.background = `var(--c${row.place})`;
        const name = element("span", row.name);
        name.title = row.name;
        const share = row[measure] !== null && sum[measure] ? row[measure] / sum[measure] : null;
        const percent = share === null ? "" : `${Math.round(share * 100)}%`;
        line.append(swatch, name, element("b", told(measure, row[measure])), element("small", percent));
        return line;
      });
      document.getElementById("days-names").replaceChildren(...names);
    }

    for (const input of document.querySelectorAll(".switches input")) {
      input.addEventListener("change", tell);
    }
    tell();
  }

  // Queries.

  async function copy(button) {
    const text = document.getElementById(button.dataset.copies);
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(text);
      button.textContent = "Selected: press Ctrl-C";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2500);
  }

  document.documentElement.classList.add("scripted");
  for (const button of document.querySelectorAll("button.copy")) {
    button.addEventListener("click", () => copy(button));
  }
  tellAges();
  setInterval(tellAges, 60000);
  drawDays();
  for (const name of ["budgets", "drivers", "cache", "errors", "latency"]) drawAll(name);
})();
