"use strict";
// Plays moving capsules on canvases that share a clock and a camera. Coordinates: X right, Y up, Z towards the eye.

const show = JSON.parse(document.querySelector("#show").textContent);
const UNKNOWN = -32768, GRID = 0.5, REACH = 2.5, NEAR = 0.15, TRAIL = 1.0, PIECES = 4;
const LAMP = [-0.42, -0.62, 0.66];

const decoded = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
const element = (name, properties = {}, parent = null) => {
  const made = Object.assign(document.createElement(name), properties);
  if (parent) parent.append(made);
  return made;
};
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// The places of points, and the way of the camera's target: the middle of all points, so smooth that it does not shake.
class Body {
  constructor(view) {
    Object.assign(this, view);
    this.places = new Int16Array(decoded(view.places).buffer);
    this.heat = view.heat && decoded(view.heat);
    this.seconds = view.frames / view.fps;
    const middles = [];
    for (let frame = 0; frame < view.frames; frame++) {
      let x = 0, y = 0, z = 0, known = 0;
      for (let point = 0; point < view.count; point++) {
        const place = this.place(frame, point);
        if (place) { x += place[0]; y += place[1]; z += place[2]; known++; }
      }
      middles.push(known ? [x / known, y / known, z / known] : middles.at(-1) || view.middle);
    }
    const half = Math.round(view.fps / 2);
    this.target = middles.map((_, frame) => {
      const near = middles.slice(Math.max(0, frame - half), frame + half + 1);
      return [0, 1, 2].map(axis => near.reduce((sum, each) => sum + each[axis], 0) / near.length);
    });
    const away = [];
    for (let frame = 0; frame < view.frames; frame += Math.max(1, Math.floor(view.frames / 60)))
      for (let point = 0; point < view.count; point++) {
        const place = this.place(frame, point);
        if (place) away.push(Math.hypot(...place.map((value, axis) => value - this.target[frame][axis])));
      }
    away.sort((one, other) => one - other);
    this.radius = Math.max(0.3, away[Math.floor(0.98 * (away.length - 1))] || 1);
  }
  place(frame, point) {
    const at = 3 * (frame * this.count + point);
    if (this.places[at] === UNKNOWN) return null;
    return [0, 1, 2].map(axis => this.places[at + axis] * this.scale + this.middle[axis]);
  }
}

const bodies = show.views.map(view => new Body(view));
const longest = Math.max(...bodies.map(body => body.seconds));
const start = { yaw: -0.35, pitch: 0.16, zoom: 1 };
const camera = { ...start };
const state = { time: 0, playing: false, speed: 1, trails: true, stale: true };
const sound = show.sound && element("audio", { src: show.sound, preload: "auto" });
const dark = matchMedia("(prefers-color-scheme: dark)");
// Colours by day and by night are those of the style sheet, which alone knows which it is.
const ink = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// What is seen from the camera: a function from a place to its pixel, how near it is, and how large a metre is there.
function lens(body, frame, width, height) {
  const [sy, cy, sp, cp] = [Math.sin(camera.yaw), Math.cos(camera.yaw), Math.sin(camera.pitch), Math.cos(camera.pitch)];
  const target = body.target[frame], focal = 1.5 * Math.min(height, 1.6 * width);
  const distance = 3.5 * body.radius / camera.zoom;
  return place => {
    const [x, y, z] = [place[0] - target[0], place[1] - target[1], place[2] - target[2]];
    const [right, back] = [cy * x + sy * z, cy * z - sy * x];
    const [up, near] = [cp * y - sp * back, cp * back + sp * y];
    const depth = distance - near;
    return { x: width / 2 + focal * right / depth, y: height / 2 - focal * up / depth, depth, metre: focal / depth };
  };
}

const shades = new Map();
function shaded(color, share) {
  const key = color + "," + share;
  if (!shades.has(key)) {
    const lit = color.split(",").map(value => Math.round(share <= 1 ? value * share : value * 1 + (255 - value) * (share - 1)));
    shades.set(key, `rgb(${lit})`);
  }
  return shades.get(key);
}

// The outline of two discs and all between them, lit from above on the left.
function capsule(context, one, other, r1, r2, color) {
  const [dx, dy] = [other.x - one.x, other.y - one.y];
  const length = Math.hypot(dx, dy);
  context.beginPath();
  let light;
  if (length <= Math.abs(r1 - r2) + 0.35 * Math.max(r1, r2)) {
    const [centre, r] = r1 > r2 ? [one, r1] : [other, r2];
    context.arc(centre.x, centre.y, r, 0, 2 * Math.PI);
    if (length > Math.abs(r1 - r2)) context.arc(r1 > r2 ? other.x : one.x, r1 > r2 ? other.y : one.y, Math.min(r1, r2), 0, 2 * Math.PI);
    light = context.createRadialGradient(centre.x + LAMP[0] * r * 0.5, centre.y + LAMP[1] * r * 0.5, 0.1 * r, centre.x, centre.y, 1.15 * r);
    [[0, 1.22], [0.45, 1], [1, 0.62]].forEach(([at, share]) => light.addColorStop(at, shaded(color, share)));
  } else {
    const angle = Math.atan2(dy, dx), lean = Math.acos(clamp((r1 - r2) / length, -1, 1));
    context.arc(one.x, one.y, r1, angle + lean, angle - lean + 2 * Math.PI);
    context.arc(other.x, other.y, r2, angle - lean, angle + lean);
    const [nx, ny] = [-Math.sin(angle), Math.cos(angle)], r = Math.max(r1, r2);
    const [mx, my] = [(one.x + other.x) / 2, (one.y + other.y) / 2];
    light = context.createLinearGradient(mx - nx * r, my - ny * r, mx + nx * r, my + ny * r);
    for (let step = -4; step <= 4; step++) {
      const across = step / 4, facing = Math.sqrt(1 - across * across);
      const falls = across * (nx * LAMP[0] + ny * LAMP[1]) + facing * LAMP[2];
      light.addColorStop((across + 1) / 2, shaded(color, Math.round(20 * (0.55 + 0.72 * Math.max(0, falls))) / 20));
    }
  }
  context.closePath();
  context.fillStyle = light;
  context.fill();
}

function drawFloor(context, body, frame, see, color) {
  const target = body.target[frame], floor = body.floor;
  const reach = Math.max(REACH, 2 * body.radius), count = Math.ceil(reach / GRID);
  const [x0, z0] = [Math.round(target[0] / GRID) * GRID, Math.round(target[2] / GRID) * GRID];
  context.lineWidth = 1;
  for (let line = -count; line <= count; line++)
    for (let part = -count; part < count; part++)
      for (const along of [true, false]) {
        const at = step => see(along ? [x0 + line * GRID, floor, z0 + step * GRID] : [x0 + step * GRID, floor, z0 + line * GRID]);
        const [one, other] = [at(part), at(part + 1)];
        if (one.depth < NEAR || other.depth < NEAR) continue;
        const far = Math.hypot(line, part + 0.5) / count;
        if (far >= 1) continue;
        context.strokeStyle = `rgba(${color},${(0.34 * (1 - far)).toFixed(2)})`;
        context.beginPath();
        context.moveTo(one.x, one.y);
        context.lineTo(other.x, other.y);
        context.stroke();
      }
}

function drawShadow(context, body, frame, see) {
  // One stroke for all limbs: where shadows cross they are not darker.
  context.beginPath();
  let width = 0, count = 0;
  body.ends.forEach(([a, b], number) => {
    const ends = [body.place(frame, a), body.place(frame, b)];
    if (!ends[0] || !ends[1]) return;
    const [one, other] = ends.map(place => see([place[0], body.floor, place[2]]));
    if (one.depth < NEAR || other.depth < NEAR) return;
    context.moveTo(one.x, one.y);
    context.lineTo(other.x + 0.01, other.y);
    width += 1.5 * body.radii[number] * one.metre;
    count++;
  });
  if (!count) return;
  context.lineWidth = width / count;
  context.lineCap = context.lineJoin = "round";
  context.strokeStyle = `rgba(0,0,0,${ink("--shadow")})`;
  context.stroke();
}

function drawTrails(context, body, frame, see) {
  const first = Math.max(0, frame - Math.round(TRAIL * body.fps));
  context.lineCap = "round";
  for (const point of body.trails) {
    const capsules = body.ends.findIndex(pair => pair.includes(point));
    const color = capsules < 0 ? "128,128,128" : body.colors[capsules].join(",");
    for (let step = first; step < frame; step++) {
      const ends = [body.place(step, point), body.place(step + 1, point)];
      if (!ends[0] || !ends[1]) continue;
      const [one, other] = ends.map(see);
      if (one.depth < NEAR || other.depth < NEAR) continue;
      const fresh = (step - first + 1) / (frame - first);
      context.strokeStyle = `rgba(${color},${(0.75 * fresh).toFixed(2)})`;
      context.lineWidth = Math.max(1, 0.022 * fresh * one.metre);
      context.beginPath();
      context.moveTo(one.x, one.y);
      context.lineTo(other.x, other.y);
      context.stroke();
    }
  }
}

function drawBody(context, body, frame, see) {
  const pieces = [];
  body.ends.forEach(([a, b], number) => {
    const [first, last] = [body.place(frame, a), body.place(frame, b)];
    if (!first || !last) return;
    const radius = body.radii[number], heat = body.heat ? body.heat[frame * body.ends.length + number] / 255 : 0;
    const color = body.colors[number].map((value, part) => Math.round(value + heat * (body.heatColor[part] - value))).join(",");
    const length = Math.hypot(...first.map((value, axis) => value - last[axis]));
    // In pieces, so that limbs that cross are drawn in the right order.
    const count = clamp(Math.ceil(length / (3 * radius)), 1, PIECES);
    const at = share => see(first.map((value, axis) => value + share * (last[axis] - value)));
    for (let piece = 0; piece < count; piece++) {
      const [one, other] = [at(piece / count), at((piece + 1) / count)];
      if (one.depth > NEAR && other.depth > NEAR) pieces.push({ one, other, radius, color, depth: one.depth + other.depth });
    }
  });
  pieces.sort((one, other) => other.depth - one.depth);
  for (const { one, other, radius, color } of pieces)
    capsule(context, one, other, Math.max(1, radius * one.metre), Math.max(1, radius * other.metre), color);
}

function draw(body, canvas) {
  const ratio = Math.min(2, devicePixelRatio || 1), width = canvas.clientWidth, height = canvas.clientHeight;
  if (!width || !height) return;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio))
    [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const frame = clamp(Math.floor(state.time * body.fps + 1e-6), 0, body.frames - 1);
  const see = lens(body, frame, width, height);
  drawFloor(context, body, frame, see, ink("--grid"));
  drawShadow(context, body, frame, see);
  if (state.trails) drawTrails(context, body, frame, see);
  drawBody(context, body, frame, see);
}

// The page: a canvas for each body, the controls, and a button for each mark.
const stage = document.querySelector("#stage");
const canvases = bodies.map(body => {
  const figure = element("figure", {}, stage);
  const canvas = element("canvas", { tabIndex: 0 }, figure);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${body.title}: moving body; drag or use the arrow keys to turn it`);
  element("figcaption", { textContent: body.title }, figure);
  return canvas;
});
const choices = document.querySelector("#choices");
function setSeen(number, seen) {
  const others = bodies.some((body, other) => other !== number && body.seen);
  bodies[number].seen = seen || !others; // somebody is always there
  canvases[number].parentElement.hidden = !bodies[number].seen;
  choices.children[number]?.setAttribute("aria-pressed", bodies[number].seen);
  state.stale = true;
}
if (bodies.length > 2)
  bodies.forEach((body, number) => {
    const button = element("button", { type: "button", textContent: body.title }, choices);
    button.addEventListener("click", () => setSeen(number, !body.seen));
  });
bodies.forEach((body, number) => setSeen(number, body.seen));
const controls = document.querySelector("#controls");
const play = element("button", { type: "button" }, controls);
const wrapped = element("div", { className: "time" }, controls);
const slider = element("input", { type: "range", min: 0, max: longest, step: "any", value: 0 }, wrapped);
slider.setAttribute("aria-label", "time in seconds");
const bars = element("div", { id: "bars" });
const clock = element("output", {}, controls);
const speed = element("select", { title: "speed" }, controls);
speed.setAttribute("aria-label", "speed");
for (const [value, text] of [[0.25, "¼×"], [0.5, "½×"], [1, "1×"], [2, "2×"]])
  element("option", { value, textContent: text, selected: value === 1 }, speed);
const trails = element("button", { type: "button", className: "trails", textContent: "trails" }, controls);
const marks = document.querySelector("#marks");
const jumps = bodies.flatMap(body => body.marks).map(mark => {
  const told = `${mark.start.toFixed(1)} s to ${mark.stop.toFixed(1)} s: ${mark.label}`;
  const button = element("button", { type: "button", textContent: told }, marks);
  button.addEventListener("click", () => { seek(mark.start); });
  const bar = element("i", { title: told }, bars);
  bar.style.left = `${100 * mark.start / longest}%`;
  bar.style.width = `${100 * (mark.stop - mark.start) / longest}%`;
  return { ...mark, button };
});
if (jumps.length) wrapped.append(bars);

function seek(time) {
  state.time = clamp(time, 0, longest);
  state.stale = true;
  if (sound) sound.currentTime = Math.min(state.time, sound.duration || state.time);
}
function setPlaying(playing) {
  state.playing = playing;
  play.textContent = playing ? "❚❚" : "▶";
  play.setAttribute("aria-label", playing ? "pause" : "play");
  if (!sound) return;
  sound.playbackRate = state.speed;
  if (playing) sound.play().catch(() => { setPlaying(false); });
  else sound.pause();
}
function setTrails(on) {
  state.trails = on;
  state.stale = true;
  trails.setAttribute("aria-pressed", on);
}
play.addEventListener("click", () => setPlaying(!state.playing));
trails.addEventListener("click", () => setTrails(!state.trails));
slider.addEventListener("input", () => seek(+slider.value));
speed.addEventListener("change", () => { state.speed = +speed.value; if (sound) sound.playbackRate = state.speed; });
dark.addEventListener("change", () => { state.stale = true; });
addEventListener("resize", () => { state.stale = true; });

function turn(yaw, pitch) {
  camera.yaw += yaw;
  camera.pitch = clamp(camera.pitch + pitch, -0.05, 1.5);
  state.stale = true;
}
function zoom(factor) {
  camera.zoom = clamp(camera.zoom * factor, 0.4, 4);
  state.stale = true;
}
for (const canvas of canvases) {
  const held = new Map();
  canvas.addEventListener("pointerdown", event => { canvas.setPointerCapture(event.pointerId); held.set(event.pointerId, event); });
  canvas.addEventListener("pointermove", event => {
    const before = held.get(event.pointerId);
    if (!before) return;
    if (held.size === 1) turn((event.clientX - before.clientX) * 0.009, (event.clientY - before.clientY) * 0.007);
    const apart = () => { const [one, other] = [...held.values()]; return Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY); };
    const was = held.size === 2 ? apart() : 0;
    held.set(event.pointerId, event);
    if (was > 0) zoom(apart() / was);
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, event => held.delete(event.pointerId));
  canvas.addEventListener("wheel", event => { event.preventDefault(); zoom(Math.exp(-0.0012 * event.deltaY)); }, { passive: false });
  canvas.addEventListener("dblclick", () => { Object.assign(camera, start); state.stale = true; });
  canvas.addEventListener("keydown", event => {
    const does = {
      ArrowLeft: () => turn(-0.12, 0), ArrowRight: () => turn(0.12, 0), ArrowUp: () => turn(0, 0.08), ArrowDown: () => turn(0, -0.08),
      "+": () => zoom(1.1), "-": () => zoom(1 / 1.1), " ": () => setPlaying(!state.playing),
    }[event.key];
    if (does) { event.preventDefault(); does(); }
  });
}

let last = null;
function tick(now) {
  const passed = last === null ? 0 : (now - last) / 1000;
  last = now;
  if (state.playing) {
    // What is heard is the clock where something is: ears notice a lag that eyes do not.
    state.time = sound && !sound.ended ? sound.currentTime : state.time + passed * state.speed;
    if (state.time >= longest || (sound && sound.ended)) seek(0), sound && sound.play().catch(() => { setPlaying(false); });
    state.stale = true;
  }
  if (state.stale) {
    state.stale = false;
    bodies.forEach((body, number) => draw(body, canvases[number]));
    slider.value = state.time;
    clock.textContent = `${state.time.toFixed(2)} / ${longest.toFixed(2)} s`;
    for (const jump of jumps) jump.button.classList.toggle("now", jump.start <= state.time && state.time < jump.stop);
  }
  requestAnimationFrame(tick);
}
setTrails(true);
trails.hidden = !bodies.some(body => body.trails.length);
setPlaying(show.playing && !sound && !matchMedia("(prefers-reduced-motion: reduce)").matches);
requestAnimationFrame(tick);
