"use strict";
(() => {
  const index = JSON.parse(document.getElementById("index").textContent);
  const dialog = document.getElementById("shown");
  const title = document.getElementById("shown-title");
  const body = document.getElementById("shown-body");
  const told = document.getElementById("told");
  const OUTCOMES = { P: "pass", F: "fail", T: "timeout", E: "error", s: "skipped", "-": "no record" };
  const TIMES = { ttft_ms: "TTFT as measured", ttfc_ms: "first text or tool call", e2e_ms: "E2E as measured", queue_ms: "wait for a slot",
    load_ms: "model load", prefill_ms: "prefill, by the server", decode_ms: "decode, by the server", isolation_ms: "isolation", backoff_ms: "waits for a busy server" };
  const PAGE = 100;
  let opener = null;

  // Text goes into text nodes only: nothing of it can become markup.
  function make(name, text, parts = {}) {
    const element = document.createElement(name);
    if (text !== undefined && text !== null) element.textContent = String(text);
    for (const [key, value] of Object.entries(parts)) element.setAttribute(key, value);
    return element;
  }

  const pieces = new Map();
  function piece(number) {
    if (!pieces.has(number)) pieces.set(number, unpack(number));
    return pieces.get(number);
  }
  async function unpack(number) {
    const packed = atob(document.getElementById(`piece-${number}`).textContent);
    const bytes = Uint8Array.from(packed, (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  const details = new Map();
  async function said(job, prompt, run) {
    for (const number of index.jobs[job].details[prompt] ?? []) {
      if (!details.has(number)) {
        const found = new Map();
        for (const [, of, detail] of await piece(number)) found.set(of, detail);
        details.set(number, found);
      }
      const detail = details.get(number).get(run);
      if (detail) return detail;
    }
    return null;
  }
  async function trials(job, prompt) {
    const rows = await piece(index.jobs[job].rows);
    return Array.from(rows.outcomes[prompt], (letter, at) => ({
      run: at + 1, letter, outcome: OUTCOMES[letter],
      ttft: rows.ttft[prompt][at], e2e: rows.e2e[prompt][at],
      mode: rows.modes[rows.mode[prompt][at]],
    }));
  }

  function ms(value) {
    if (value === null || value === undefined) return "-";
    if (value >= 999.5) return `${(value / 1000).toFixed(2)} s`;
    return value >= 9.95 ? `${value.toFixed(0)} ms` : `${value.toFixed(1)} ms`;
  }
  function table(caption, head, rows, scrolls = true) {
    const made = make("table");
    made.append(make("caption", caption));
    const top = make("tr");
    for (const name of head) top.append(make("th", name, { scope: "col" }));
    made.append(make("thead"));
    made.tHead.append(top);
    const inside = make("tbody");
    for (const row of rows) {
      const line = make("tr");
      row.cells.forEach((cell, at) => {
        const holder = at ? make("td", undefined, row.kinds?.[at] ? { class: row.kinds[at] } : {}) : make("th", undefined, { scope: "row" });
        holder.append(cell instanceof Node ? cell : document.createTextNode(cell ?? "-"));
        line.append(holder);
      });
      if (row.now) { line.className = "now"; line.setAttribute("aria-current", "true"); }
      inside.append(line);
    }
    made.append(inside);
    if (!scrolls) return made;
    const scroll = make("div", undefined, { class: "scroll", role: "region", tabindex: "0", "aria-label": caption });
    scroll.append(made);
    return scroll;
  }
  function link(text, action, label) {
    const button = make("button", text, { type: "button" });
    if (label) button.setAttribute("aria-label", label);
    button.addEventListener("click", action);
    return button;
  }
  function block(parent, name, text) {
    if (!text) return;
    parent.append(make("h3", name), make("pre", text, { tabindex: "0", "aria-label": name, role: "region" }));
  }

  // Each view is numbered, so that one that comes late does not replace a newer one.
  let turn = 0;
  async function show(heading, fill) {
    const mine = ++turn;
    title.textContent = heading;
    body.replaceChildren(make("p", "Unpacking ..."));
    if (!dialog.open) dialog.showModal();
    const parts = document.createDocumentFragment();
    try {
      await fill(parts);
    } catch (error) {
      parts.replaceChildren(make("p", `This browser cannot unpack the page's data (${error.name}). results.jsonl has it.`));
    }
    if (mine !== turn) return;
    body.replaceChildren(parts);
    dialog.scrollTop = 0;
    title.focus();
  }

  function showPrompts(job, from = 0) {
    const own = index.jobs[job];
    show(`${own.label}: all prompts`, async (parts) => {
      const rows = (await piece(own.rows)).outcomes;
      const end = Math.min(from + PAGE, own.prompts.length);
      const lines = [];
      for (let at = from; at < end; at += 1) {
        const judged = [...rows[at]].filter((letter) => "PFT".includes(letter)).length;
        const passed = rows[at].split("P").length - 1;
        lines.push({ cells: [link(own.prompts[at], () => showRuns(job, at, 1, own.runs)), `${passed}/${judged}`, rows[at].slice(0, 60)] });
      }
      parts.append(table(`Prompts ${from + 1} to ${end} of ${own.prompts.length}`, ["prompt", "passed", "runs"], lines));
      parts.append(steps([
        ["Earlier prompts", from > 0, () => showPrompts(job, from - PAGE)],
        ["More prompts", end < own.prompts.length, () => showPrompts(job, end)],
      ]));
    });
  }
  function showRuns(job, prompt, first, last, from = 0) {
    const own = index.jobs[job];
    show(`${own.prompts[prompt]}, runs ${first} to ${last} (${own.label})`, async (parts) => {
      const found = (await trials(job, prompt)).slice(first - 1, last);
      found.sort((a, b) => (a.letter === "P") - (b.letter === "P"));
      const end = Math.min(from + PAGE, found.length);
      parts.append(make("p", "Trials that did not pass stand first.", { class: "note" }));
      parts.append(table(`${from + 1} to ${end} of ${found.length}`, ["run", "outcome", "failure mode", "TTFT", "E2E"],
        found.slice(from, end).map((one) => runRow(job, prompt, one))));
      parts.append(steps([
        ["Earlier", from > 0, () => showRuns(job, prompt, first, last, from - PAGE)],
        ["More", end < found.length, () => showRuns(job, prompt, first, last, end)],
      ]));
    });
  }
  function runRow(job, prompt, one, now) {
    const open = link(`run ${one.run}`, () => showTrial(job, prompt, one.run));
    return { now, cells: [now ? `run ${one.run}` : open, one.outcome, one.mode ?? "", ms(one.ttft), ms(one.e2e)] };
  }
  function steps(list) {
    const row = make("p", undefined, { class: "steps" });
    for (const [text, isOn, action] of list) {
      const button = link(text, action);
      button.disabled = !isOn;
      row.append(button);
    }
    return row;
  }

  function showTrial(job, prompt, run) {
    const own = index.jobs[job];
    show(`${own.prompts[prompt]}, run ${run} (${own.label})`, async (parts) => {
      const all = await trials(job, prompt);
      const one = all[run - 1];
      const detail = await said(job, prompt, run);
      const mode = one.mode ? `: ${one.mode.replaceAll("_", " ")}` : "";
      title.textContent = `${own.prompts[prompt]}, run ${run}: ${one.outcome}${mode} (${own.label})`;
      told.textContent = title.textContent;
      parts.append(steps([
        ["Run before", run > 1, () => showTrial(job, prompt, run - 1)],
        ["Next run", run < own.runs, () => showTrial(job, prompt, run + 1)],
        ["Prompt before", prompt > 0, () => showTrial(job, prompt - 1, run)],
        ["Next prompt", prompt + 1 < own.prompts.length, () => showTrial(job, prompt + 1, run)],
      ]));
      const question = (await piece(index.asked))[`${own.suite}\n${own.prompts[prompt]}`];
      if (question) block(parts, question.title ? `Prompt: ${question.title}` : "Prompt", question.text);
      if (detail) {
        judged(parts, detail);
        replied(parts, detail);
      } else if (one.letter === "-") {
        parts.append(make("p", "This trial has no record."));
      } else {
        parts.append(make("p", "What was said in this trial is not in the page, which would be too large; results.jsonl has it."));
      }
      await beside(parts, job, prompt, run, all, detail);
      measured(parts, one, detail);
      if (question) asked(parts, question);
    });
  }
  function judged(parts, detail) {
    if (detail.fault) parts.append(make("p", `${detail.fault.kind}: ${detail.fault.message}`, { class: "reason" }));
    const checks = detail.checks ?? [];
    if (!checks.length) return;
    parts.append(table("Expected and got", ["check", "held", "expected", "got", "why not"],
      checks.map(([name, passed, expected, got, why]) => ({
        cells: [name, passed ? "yes" : "no", expected, got, why], kinds: ["", "", "text", "text", "text"],
      }))));
  }
  function replied(parts, detail) {
    if (detail.calls) {
      parts.append(table("Tool calls", ["tool", "arguments", "read from", "fault"],
        detail.calls.map((cells) => ({ cells, kinds: ["", "text", "", "text"] }))));
    }
    if (detail.transcript) {
      parts.append(table("Conversation", ["who", "what"],
        detail.transcript.map((cells) => ({ cells, kinds: ["", "text"] }))));
    }
    block(parts, "Reply", detail.text);
    block(parts, "Thinking", detail.thinking);
  }
  function asked(parts, found) {
    for (const [at, [text, expect]] of found.turns.entries()) {
      if (at) block(parts, `Turn ${at + 1}`, text);
      block(parts, `Expected of turn ${at + 1}`, expect);
    }
    block(parts, "Expectation", found.expect);
    block(parts, "System text", found.system);
    if (found.length) parts.append(make("p", found.length, { class: "note" }));
    if (found.tools.length) parts.append(make("p", `Tools offered: ${found.tools.join(", ")}`, { class: "note" }));
  }
  function measured(parts, one, detail) {
    const rows = [["TTFT less load", ms(one.ttft)], ["E2E less load", ms(one.e2e)]];
    for (const [name, value] of Object.entries(detail?.timings ?? {})) rows.push([TIMES[name] ?? name, ms(value)]);
    for (const [name, value] of Object.entries(detail?.usage ?? {})) rows.push([name.replaceAll("_", " "), value.toLocaleString("en")]);
    for (const [name, value] of Object.entries(detail?.length ?? {})) rows.push([`prompt's ${name.replaceAll("_", " ")}`, value.toLocaleString("en")]);
    const facts = [["finish reason", detail?.finish], ["behaviour", detail?.behaviour], ["seed", detail?.seed], ["asked at", detail?.at],
      ["server", detail?.server], ["attempts", detail?.attempts > 1 ? detail.attempts : null], ["waits for a busy server", detail?.backoffs || null],
      ["model was loaded", detail?.resident === undefined ? null : detail.resident ? "yes" : "no"], ["pytest id", detail?.id]];
    for (const [name, value] of facts) if (value !== null && value !== undefined) rows.push([name, value]);
    parts.append(table("Times, tokens, circumstances", ["what", "value"], rows.map((cells) => ({ cells, kinds: ["", "text"] }))));
  }
  async function beside(parts, job, prompt, run, all, detail) {
    if (all.length < 2) return;
    const from = Math.max(0, Math.min(run - 11, all.length - 21));
    const near = all.slice(from, from + 21);
    const cut = near.length < all.length ? ` (runs ${from + 1} to ${from + near.length} of ${all.length})` : "";
    parts.append(table(`This prompt over the runs${cut}`, ["run", "outcome", "failure mode", "TTFT", "E2E"],
      near.map((one) => runRow(job, prompt, one, one.run === run))));
    if (!detail) return;
    const other = await nearest(job, prompt, run, all);
    if (!other) return;
    const mine = spoken(detail);
    const theirs = spoken(other.detail);
    parts.append(make("h3", `Difference from run ${other.run}, which ${other.outcome === "pass" ? "passed" : `was ${other.outcome}`}`));
    if (mine === theirs) parts.append(make("p", "The replies are equal."));
    else parts.append(difference(theirs, mine));
  }
  // A run that came out otherwise tells most; else the one before.
  async function nearest(job, prompt, run, all) {
    const isPass = all[run - 1].letter === "P";
    const byDistance = all.filter((one) => one.run !== run && one.letter !== "-")
      .sort((a, b) => ((a.letter === "P") === isPass) - ((b.letter === "P") === isPass) || Math.abs(a.run - run) - Math.abs(b.run - run));
    for (const one of byDistance.slice(0, 20)) {
      const detail = await said(job, prompt, one.run);
      if (detail) return { ...one, detail };
    }
    return null;
  }
  function spoken(detail) {
    const calls = (detail.calls ?? []).map(([name, given]) => `${name} ${given}`);
    return [...calls, detail.text ?? ""].join("\n").trim();
  }
  // Longest common subsequence of words; long replies are compared in their beginning.
  function difference(before, after) {
    const [a, b] = [before, after].map((text) => (text.match(/\s+|[^\s]+/g) ?? []).slice(0, 1200));
    const width = b.length + 1;
    const lengths = new Uint16Array((a.length + 1) * width);
    for (let i = a.length - 1; i >= 0; i -= 1) {
      for (let j = b.length - 1; j >= 0; j -= 1) {
        lengths[i * width + j] = a[i] === b[j] ? lengths[(i + 1) * width + j + 1] + 1
          : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
      }
    }
    const shown = make("pre", undefined, { tabindex: "0", role: "region", "aria-label": "Difference: struck out only there, underlined only here" });
    let [i, j] = [0, 0];
    while (i < a.length || j < b.length) {
      let [name, text] = ["span", ""];
      while (i < a.length && j < b.length && a[i] === b[j]) { text += a[i]; i += 1; j += 1; }
      if (!text) {
        name = "del";
        while (i < a.length && (j >= b.length || lengths[(i + 1) * width + j] >= lengths[i * width + j + 1]) && a[i] !== b[j]) { text += a[i]; i += 1; }
      }
      if (!text) {
        name = "ins";
        while (j < b.length && (i >= a.length || lengths[i * width + j + 1] > lengths[(i + 1) * width + j]) && a[i] !== b[j]) { text += b[j]; j += 1; }
      }
      if (!text) break;
      shown.append(make(name, text));
    }
    return shown;
  }

  // The grid: one stop for Tab, arrows within.
  for (const grid of document.querySelectorAll("table.cells")) {
    const rows = Array.from(grid.tBodies[0].rows, (row) => Array.from(row.querySelectorAll("button.c")));
    rows.flat().forEach((button, at) => { button.tabIndex = at ? -1 : 0; });
    grid.addEventListener("focusin", (event) => {
      if (!event.target.matches("button.c")) return;
      for (const other of grid.querySelectorAll('button.c[tabindex="0"]')) other.tabIndex = -1;
      event.target.tabIndex = 0;
    });
    grid.addEventListener("keydown", (event) => {
      const row = rows.findIndex((buttons) => buttons.includes(event.target));
      if (row < 0) return;
      const column = rows[row].indexOf(event.target);
      const to = { ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1],
        ArrowRight: [row, column + 1], Home: [row, 0], End: [row, rows[row].length - 1] }[event.key];
      const button = to && rows[to[0]]?.[to[1]];
      if (!to) return;
      event.preventDefault();
      button?.focus();
    });
  }
  document.addEventListener("click", (event) => {
    const cell = event.target.closest?.("button[data-c], button[data-all]");
    if (!cell) return;
    opener = cell;
    if (cell.dataset.all !== undefined) { showPrompts(Number(cell.dataset.all)); return; }
    const [job, prompt, first, last] = cell.dataset.c.split(",").map(Number);
    if (first === last) showTrial(job, prompt, first);
    else showRuns(job, prompt, first, last);
  });
  document.getElementById("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => { turn += 1; body.replaceChildren(); opener?.focus(); });

  // The leaderboard: what has no value stays last in both directions.
  for (const sortable of document.querySelectorAll("table.sortable")) {
    const heads = Array.from(sortable.tHead.rows[0].cells);
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const isUp = head.getAttribute("aria-sort") !== "ascending";
      for (const other of heads) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", isUp ? "ascending" : "descending");
      const value = (row) => row.cells[column].dataset.v ?? "";
      const rows = Array.from(sortable.tBodies[0].rows).sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const found = Number.isNaN(Number(x)) || Number.isNaN(Number(y)) ? x.localeCompare(y) : Number(x) - Number(y);
        return isUp ? found : -found;
      });
      sortable.tBodies[0].append(...rows);
      told.textContent = `Sorted by ${head.textContent}, ${isUp ? "least" : "most"} first`;
    }));
  }

  // On paper nothing can be opened.
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = Array.from(document.querySelectorAll("details:not([open]):not(.data)"));
    for (const one of closed) one.open = true;
  });
  window.addEventListener("afterprint", () => { for (const one of closed) one.open = false; });
})();
