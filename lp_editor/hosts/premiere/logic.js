// What the panel knows without Premiere and without a page: the words of marks, times, and how to talk to the service.
// "use strict" and CommonJS, because UXP and Node both load it so.
"use strict";

/** Ticks of Premiere in a second. */
const TICKS = 254016000000n;

/** Where `lp-editor serve` may be; the same as in manifest.json. */
const PORTS = [47231, 47232, 47233];

/** How a marker's text begins that is meant for us; the same rule as timeline/marks.py. */
const OURS = /^\s*lp(?:\s*[:>]\s*|\s+|$)/i;

/** Milliseconds between two looks at a render, and until a request is given up. */
const EVERY = 500;
const PATIENCE = 20000;

/**
 * @typedef {{url: string, token: string}} Key where the service is, and the token of its start
 * @typedef {{name: string, on: string, help: string}} Effect
 * @typedef {{name: string, effect: string, help: string}} Preset
 * @typedef {{effects: Effect[], presets: Preset[], problems: string[]}} Catalogue
 * @typedef {{id: string, state: string, stage: string, done: number, total: number, error: string}} Job
 * @typedef {{name: string, note: string, first: number, frames: number}} Check frames from the sequence's first one on
 * @typedef {{output: string, frames: number, rendered: number, engine: string, notes: string[], losses: string[],
 *   renders: {file: string, clip: string, place: string}[], nested: string[], checks: Check[]}} Report
 * @typedef {{mode: string, codec: string, format: string}} Options
 * @typedef {(url: string, options: {method: string, headers: {[name: string]: string}, body?: string}) =>
 *   Promise<{status: number, json(): Promise<any>}>} Fetch
 */

/** Something to put right, said in one sentence. */
class Problem extends Error {}

/**
 * The lines of a marker that are meant for us, each once: its name, and every line of its note.
 * @param {string} name
 * @param {string} note
 * @returns {string[]}
 */
function ownLines(name, note) {
  const lines = [name, ...note.split(/\r\n|\r|\n/)].filter((line) => OURS.test(line));
  return [...new Set(lines.map((line) => line.trim().split(/\s+/).join(" ")))];
}

/**
 * The key that the service left in the user's folder. Throws `Problem` for a file that holds none.
 * @param {string} text
 * @returns {Key}
 */
function keyOf(text) {
  let stored;
  try {
    stored = JSON.parse(text);
  } catch {
    stored = null;
  }
  return checkedKey(stored && stored.url, stored && stored.token);
}

/**
 * The key that somebody pasted: the address, `#`, the token, as `lp-editor serve` prints it.
 * @param {string} text
 * @returns {Key}
 */
function pastedKey(text) {
  const [url, token] = text.trim().split("#");
  return checkedKey(url, token);
}

/**
 * @param {unknown} url
 * @param {unknown} token
 * @returns {Key}
 */
function checkedKey(url, token) {
  const found = /^http:\/\/127\.0\.0\.1:(\d+)$/.exec(String(url));
  if (!found || !PORTS.includes(Number(found[1])) || !/^[\w-]{20,}$/.test(String(token))) {
    throw new Problem("that is no address of lp-editor serve; paste what it printed: http://127.0.0.1:47231#…");
  }
  return { url: String(url), token: String(token) };
}

/** The service of `lp-editor serve`, over HTTP. */
class Service {
  /**
   * @param {Fetch} fetch
   * @param {Key} key
   */
  constructor(fetch, key) {
    this.fetch = fetch;
    this.key = key;
  }

  /**
   * The JSON of an answer. Throws `Problem` for everything else.
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @returns {Promise<any>}
   */
  async ask(method, path, body) {
    /** @type {{[name: string]: string}} */
    const headers = { Authorization: `Bearer ${this.key.token}` };
    if (body) headers["Content-Type"] = "application/json";
    let answer, told;
    try {
      const text = body ? JSON.stringify(body) : undefined;
      answer = await inTime(this.fetch(this.key.url + path, { method, headers, body: text }));
      told = await inTime(answer.json());
    } catch (error) {
      throw new Problem(`lp-editor serve does not answer (${messageOf(error)}); is it running?`);
    }
    if (answer.status === 401) throw new Problem("lp-editor serve was started anew; connect again");
    if (answer.status >= 300) throw new Problem(String((told && told.error) || `it said ${answer.status}`));
    return told;
  }

  /** @returns {Promise<{name: string, version: string, folder: string, busy: number}>} */
  health() {
    return this.ask("GET", "/health");
  }

  /** @returns {Promise<Catalogue>} */
  catalogue() {
    return this.ask("GET", "/catalogue");
  }

  /**
   * Whether a marker's text would be understood: what is wrong with it, or "".
   * @param {string} text
   * @param {string} rate frames per second, "25" or "30000/1001"
   * @returns {Promise<string>}
   */
  async complaint(text, rate) {
    return (await this.ask("POST", "/marks", { text, rate })).error || "";
  }

  /**
   * Where to export a sequence to.
   * @param {string} project
   * @param {string} sequence
   * @param {string} format "xml" or "otio"
   * @returns {Promise<{folder: string, project: string}>}
   */
  exchange(project, sequence, format) {
    return this.ask("POST", "/exchanges", { project: short(project), sequence: short(sequence), format });
  }

  /**
   * @param {string} project
   * @param {Options} options
   * @returns {Promise<Job>}
   */
  render(project, options) {
    return this.ask("POST", "/jobs", { project, mode: options.mode, codec: options.codec });
  }

  /**
   * @param {string} id
   * @returns {Promise<Job>}
   */
  job(id) {
    return this.ask("GET", `/jobs/${id}`);
  }

  /**
   * @param {string} id
   * @returns {Promise<Job>}
   */
  cancel(id) {
    return this.ask("POST", `/jobs/${id}/cancel`, {});
  }

  /**
   * @param {string} id
   * @returns {Promise<Report>}
   */
  result(id) {
    return this.ask("GET", `/jobs/${id}/result`);
  }
}

/**
 * @param {string} name
 * @returns {string}
 */
function short(name) {
  return name.slice(0, 200) || "unnamed";
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
function inTime(promise) {
  /** @type {any} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("no answer in time")), PATIENCE);
  });
  return /** @type {Promise<T>} */ (Promise.race([promise, late])).finally(() => clearTimeout(timer));
}

/**
 * @param {unknown} error
 * @returns {string}
 */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Follow a render to its end; its report. Throws `Problem` where it failed or was stopped.
 * @param {Service} service
 * @param {string} id
 * @param {(job: Job) => void} show
 * @param {(milliseconds: number) => Promise<void>} wait
 * @returns {Promise<Report>}
 */
async function followed(service, id, show, wait) {
  for (;;) {
    const job = await service.job(id);
    show(job);
    if (job.state === "done") return service.result(id);
    if (job.state === "cancelled") throw new Problem("stopped; what was rendered is kept");
    if (job.state === "failed") throw new Problem(job.error || "the render failed");
    await wait(EVERY);
  }
}

/**
 * What a job is doing, for people.
 * @param {Job} job
 * @returns {string}
 */
function stageText(job) {
  if (job.state === "waiting") return "waiting for another render";
  const names = { faces: "finding faces", frames: "rendering", sound: "mixing sound" };
  const name = names[/** @type {keyof typeof names} */ (job.stage)] || job.stage || "starting";
  return job.total ? `${name} ${job.done} of ${job.total}` : name;
}

/**
 * How far a job is, 0 to 1.
 * @param {Job} job
 * @returns {number}
 */
function partDone(job) {
  return job.total ? Math.min(job.done / job.total, 1) : 0;
}

/**
 * Frames per second as an exact text, of Premiere's ticks per frame.
 * @param {string} timebase
 * @returns {string}
 */
function rateText(timebase) {
  const per = BigInt(timebase);
  if (per <= 0n) throw new Problem("this sequence has no frame rate");
  const common = gcd(TICKS, per);
  const [top, bottom] = [TICKS / common, per / common];
  return bottom === 1n ? `${top}` : `${top}/${bottom}`;
}

/**
 * @param {bigint} a
 * @param {bigint} b
 * @returns {bigint}
 */
function gcd(a, b) {
  return b ? gcd(b, a % b) : a;
}

/**
 * @param {number} frames
 * @param {string} timebase
 * @returns {string} ticks
 */
function ticksOf(frames, timebase) {
  return String(BigInt(Math.round(frames)) * BigInt(timebase));
}

/**
 * @param {string} ticks
 * @param {string} timebase
 * @returns {number} whole frames begun
 */
function framesOf(ticks, timebase) {
  return Number(BigInt(ticks) / BigInt(timebase));
}

/**
 * Hours, minutes, seconds and frames since the start, as Premiere counts without dropping.
 * @param {number} frames
 * @param {string} timebase
 * @returns {string}
 */
function clock(frames, timebase) {
  const base = Number((TICKS + BigInt(timebase) / 2n) / BigInt(timebase));
  const parts = [frames / base / 3600, (frames / base / 60) % 60, (frames / base) % 60, frames % base];
  return parts.map((part) => String(Math.floor(part)).padStart(2, "0")).join(":");
}

/**
 * Checks that a sequence does not bear yet.
 * @param {Check[]} checks
 * @param {{name: string, first: number}[]} there
 * @returns {Check[]}
 */
function unseen(checks, there) {
  return checks.filter((c) => !there.some((t) => t.name === c.name && t.first === c.first));
}

/**
 * A name for what comes back that no sequence has yet: `cut lp 1`, of that `cut lp 2`.
 * @param {string} name
 * @param {string[]} taken
 * @returns {string}
 */
function freeName(name, taken) {
  const base = name.replace(/ lp \d+$/, "");
  let number = 1;
  while (taken.includes(`${base} lp ${number}`)) number++;
  return `${base} lp ${number}`;
}

/**
 * What to tell when a render is back in the project.
 * @param {Report} report
 * @param {string} sequence
 * @param {string[]} offline
 * @returns {{kind: "done" | "note" | "wrong", text: string}[]}
 */
function told(report, sequence, offline) {
  const count = report.renders.length + report.nested.length;
  const text = `${count} ${count === 1 ? "render is" : "renders are"} in “${sequence}” (engine ${report.engine || "none"})`;
  return [
    { kind: "done", text },
    ...offline.map((name) => ({ kind: /** @type {const} */ ("wrong"), text: `${name} is offline` })),
    ...report.checks.map((c) => ({ kind: /** @type {const} */ ("wrong"), text: `${c.name}: ${c.note}`.replace(/: $/, "") })),
    ...report.notes.map((note) => ({ kind: /** @type {const} */ ("note"), text: note })),
    ...report.losses.map((loss) => ({ kind: /** @type {const} */ ("note"), text: `lost: ${loss}` })),
  ];
}

/**
 * What Premiere does for the panel; `premiere.js` has the real one.
 * @template S
 * @typedef {{
 *   active(): Promise<{project: string, sequence: string, handle: S, timebase: string}>,
 *   export(sequence: S, path: string): Promise<void>,
 *   imported(path: string, name: string): Promise<{name: string, handle: S, timebase: string}>,
 *   marked(sequence: S, checks: Check[], timebase: string): Promise<void>,
 *   offline(sequence: S): Promise<string[]>,
 * }} Host
 */

/**
 * Take the active sequence there and back: export, render, import as a new sequence, put markers where to look again.
 * @template S
 * @param {Host<S>} host
 * @param {Service} service
 * @param {Options} options
 * @param {(job: Job) => void} show
 * @param {(milliseconds: number) => Promise<void>} wait
 */
async function roundTrip(host, service, options, show, wait) {
  const now = await host.active();
  const place = await service.exchange(now.project, now.sequence, options.format);
  await host.export(now.handle, place.project);
  const job = await service.render(place.project, options);
  show(job);
  const report = await followed(service, job.id, show, wait);
  const made = await host.imported(report.output, now.sequence);
  await host.marked(made.handle, report.checks, made.timebase);
  return told(report, made.name, await host.offline(made.handle));
}

module.exports = {
  PORTS, Problem, Service, clock, followed, framesOf, freeName, keyOf, messageOf, ownLines, partDone, pastedKey, rateText, roundTrip,
  stageText, ticksOf, told, unseen,
};
