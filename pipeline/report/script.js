const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const tip = document.getElementById("tip");
const colour = i => DATA.colours[i % DATA.colours.length];
function show(event, text) {
  tip.textContent = text || "";
  tip.style.opacity = text ? 1 : 0;
  tip.style.left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8) + "px";
  tip.style.top = event.clientY + 14 + "px";
}
// A canvas over a shared stretch of time [view.from, view.to], in milliseconds; draw(context, width, height, x).
function plot(parent, title, height, view, draw, hover) {
  const box = document.createElement("div"), canvas = document.createElement("canvas"), key = document.createElement("p");
  box.className = "plot"; key.className = "key";
  box.innerHTML = "<h3></h3>"; box.firstChild.textContent = title;
  box.append(canvas, key); parent.append(box);
  const left = 92, x = t => left + (t - view.from) / (view.to - view.from) * (canvas.clientWidth - left - 8);
  const time = px => view.from + (px - left) / (canvas.clientWidth - left - 8) * (view.to - view.from);
  function paint() {
    const ratio = devicePixelRatio || 1, w = canvas.clientWidth;
    canvas.style.height = height + "px"; canvas.width = w * ratio; canvas.height = height * ratio;
    const c = canvas.getContext("2d");
    c.scale(ratio, ratio); c.font = "12px system-ui,sans-serif"; c.textBaseline = "middle";
    axis(c, w, height, x, view);
    draw(c, w, height - 20, x, left);
  }
  view.paints.push(paint);
  canvas.onwheel = e => { e.preventDefault(); zoom(view, time(e.offsetX), e.deltaY > 0 ? 1.25 : 0.8) };
  canvas.onpointerdown = e => { canvas.setPointerCapture(e.pointerId); view.grab = time(e.offsetX) };
  canvas.onpointerup = () => { view.grab = null };
  canvas.onpointermove = e => {
    if (view.grab != null) { const d = view.grab - time(e.offsetX); move(view, d); return }
    show(e, hover ? hover(time(e.offsetX), e.offsetY, height - 20) : "");
  };
  canvas.onpointerleave = e => show(e, "");
  canvas.ondblclick = () => { view.from = 0; view.to = view.end; repaint(view) };
  return key;
}
const repaint = view => view.paints.forEach(paint => paint());
function zoom(view, at, factor) {
  const span = Math.min(view.end, Math.max(20, (view.to - view.from) * factor)), share = (at - view.from) / (view.to - view.from);
  view.from = at - share * span; view.to = view.from + span; move(view, 0);
}
function move(view, by) {
  const span = view.to - view.from;
  view.from = Math.max(0, Math.min(view.end - span, view.from + by)); view.to = view.from + span; repaint(view);
}
function axis(c, w, height, x, view) {
  const span = view.to - view.from, steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000];
  const step = steps.find(s => span / s < 12) || 20000;
  c.strokeStyle = css("--line"); c.fillStyle = css("--dim"); c.lineWidth = 1;
  for (let t = Math.ceil(view.from / step) * step; t <= view.to; t += step) {
    c.beginPath(); c.moveTo(x(t), 0); c.lineTo(x(t), height - 18); c.stroke();
    c.textAlign = "center"; c.fillText((t / 1000).toFixed(step < 100 ? 3 : 1) + " s", Math.min(x(t), w - 20), height - 8);
  }
}
// The only way in which an operator works needs no colour of its own: its lane says who it is.
const shade = (run, kind) => kind < run.rivals ? colour(kind) : css("--dim");
function legend(key, names, extra) {
  names.forEach((name, i) => { const mark = document.createElement("i"); mark.style.background = colour(i); key.append(mark, name) });
  if (extra) key.append(extra);
}
const LANE = 20, view = { from: 0, end: Math.max(1, ...DATA.runs.map(r => r.end)), paints: [] };
view.to = view.end;
for (const run of DATA.runs) {
  const row = new Map(run.shown.map((lane, i) => [lane, i])), rows = run.shown.length;
  const key = plot(document.getElementById("timelines"), run.name, rows * LANE + 20, view, (c, w, h, x, left) => {
    run.shown.forEach((lane, i) => {
      c.fillStyle = css("--lane"); c.fillRect(left, i * LANE + 2, w - left - 8, LANE - 4);
      c.fillStyle = css("--ink"); c.textAlign = "right"; c.fillText(run.lanes[lane], left - 8, i * LANE + LANE / 2);
    });
    c.save(); c.beginPath(); c.rect(left, 0, w - left - 8, h); c.clip();
    for (const [lane, kind, from, to, , outcome] of run.slices) {
      if (to < view.from || from > view.to) continue;
      c.globalAlpha = outcome === "done" ? 0.9 : 0.35; c.fillStyle = shade(run, kind);
      c.fillRect(x(from), row.get(lane) * LANE + 4, Math.max(1, x(to) - x(from) - 0.5), LANE - 8);
    }
    c.globalAlpha = 1; c.strokeStyle = css("--miss");
    // Close up: until when each timestamp had to be answered here.
    if (view.to - view.from < 3000) for (const [lane, from, to] of run.limits) {
      if (!row.has(lane) || to < view.from || from > view.to) continue;
      const y = row.get(lane) * LANE;
      c.beginPath(); c.moveTo(x(from), y + LANE - 2.5); c.lineTo(x(to), y + LANE - 2.5);
      c.moveTo(x(to), y + 3); c.lineTo(x(to), y + LANE - 2); c.stroke();
    }
    for (const [lane, why, at] of run.marks) {
      const y = row.get(lane) * LANE;
      if (why === "miss") { c.fillStyle = css("--miss"); c.beginPath(); c.arc(x(at), y + LANE / 2, 3.5, 0, 7); c.fill() }
      else { c.fillStyle = css("--dim"); c.fillRect(x(at), y + LANE - 5, 1, 4) }
    }
    c.restore();
  }, (t, y) => {
    const lane = run.shown[Math.floor(y / LANE)], near = (view.to - view.from) / 250;
    const mark = run.marks.find(m => m[0] === lane && Math.abs(m[2] - t) < near);
    if (mark) return `${run.lanes[lane]}: ${mark[1]} at ${mark[2]} ms\nt = ${mark[3]} ms`;
    const s = run.slices.find(s => s[0] === lane && s[2] <= t && t <= s[3]);
    return s ? `${run.lanes[lane]}: ${run.kinds[s[1]]} ${s[5]}\nt = ${s[4]} ms, took ${(s[3] - s[2]).toFixed(1)} ms` : "";
  });
  legend(key, run.kinds.slice(0, run.rivals), run.limits.length ? "  Zoom in to see the deadlines." : "");
}
for (const run of DATA.runs) {
  if (!run.answers.length) continue;
  const names = [...new Set(run.answers.map(a => a[3]))];
  const top = 1.1 * Math.max(...run.answers.map(a => a[1]), ...run.budgets.map(b => b[1]), 100);
  const key = plot(document.getElementById("latencies"), run.name, 150, view, (c, w, h, x, left) => {
    const y = v => h - v / top * (h - 8);
    c.fillStyle = css("--dim"); c.textAlign = "right";
    for (let v = 0; v < top; v += top > 700 ? 200 : 100) c.fillText(v + " ms", left - 8, y(v));
    c.save(); c.beginPath(); c.rect(left, 0, w - left - 8, h); c.clip();
    c.strokeStyle = css("--miss"); c.lineWidth = 1.5; c.beginPath();
    run.budgets.forEach(([at, within], i) => {
      if (i) c.lineTo(x(at), y(run.budgets[i - 1][1])); else c.moveTo(x(at), y(within));
      c.lineTo(x(at), y(within));
    });
    if (run.budgets.length) c.lineTo(x(view.end), y(run.budgets[run.budgets.length - 1][1]));
    c.stroke();
    for (const [at, latency, , quality] of run.answers) {
      c.fillStyle = colour(names.indexOf(quality)); c.beginPath(); c.arc(x(at), y(latency), 2.6, 0, 7); c.fill();
    }
    c.restore();
  }, t => {
    const near = run.answers.reduce((a, b) => !a || Math.abs(b[0] - t) < Math.abs(a[0] - t) ? b : a, null);
    const budget = [...run.budgets].reverse().find(b => b[0] <= t);
    return near ? `${near[1].toFixed(0)} ms, ${near[3]} (${near[2]})` + (budget ? `\nbudget ${budget[1].toFixed(0)} ms: ${budget[2]}` : "") : "";
  });
  legend(key, names, run.budgets.length ? "  — budget" : "");
}
addEventListener("resize", () => repaint(view));
matchMedia("(prefers-color-scheme:dark)").addEventListener("change", () => repaint(view));
repaint(view);
