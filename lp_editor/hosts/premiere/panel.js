// The panel's page: what is seen and pressed. Premiere is asked by premiere.js, the service by logic.js.
"use strict";

const logic = require("./logic.js");
const { Premiere } = require("./premiere.js");

/** @import { Mark, Place } from "./premiere.js" */
/** @import { Catalogue, Job, Service } from "./logic.js" */

const KEY = "/.lp-editor/service.json";

/** Milliseconds without typing until a text is checked. */
const PAUSE = 350;

/**
 * What the panel knows at the moment; one for as long as it is open.
 * @typedef {{service: Service | null, catalogue: Catalogue, timebase: string, place: Place | null, job: string, busy: boolean}} Now
 */

class Panel {
  /**
   * @param {Premiere} premiere
   * @param {Document} page
   * @param {(name: string) => string} read a file of the user's
   * @param {logic.Fetch} fetch
   */
  constructor(premiere, page, read, fetch) {
    this.premiere = premiere;
    this.page = page;
    this.read = read;
    this.fetch = fetch;
    /** @type {Now} */
    this.now = {
      service: null, catalogue: { effects: [], presets: [], problems: [] }, timebase: "", place: null, job: "", busy: false,
    };
    /** @type {any} */
    this.pause = null;
  }

  /**
   * @param {string} id
   * @returns {any} an element of the page; the page is ours, so it is there
   */
  at(id) {
    return this.page.getElementById(id);
  }

  /**
   * @param {string} id
   * @param {boolean} visible
   */
  show(id, visible) {
    this.at(id).classList[visible ? "remove" : "add"]("hidden");
  }

  /** Have everything that can be pressed do something, and connect. */
  start() {
    this.on("connect", "click", () => this.connect());
    this.on("use", "click", () => this.connectTo(logic.pastedKey(this.at("address").value)));
    this.on("look", "click", () => this.look());
    this.on("what", "change", () => this.chosen());
    this.on("text", "input", () => this.typed());
    this.on("mark", "click", () => this.mark());
    this.on("render", "click", () => this.render());
    this.on("cancel", "click", () => this.cancel());
    this.premiere.onChange(() => {
      if (this.now.service && !this.now.busy) this.tried(() => this.look());
    });
    return this.tried(() => this.connect());
  }

  /**
   * @param {string} id
   * @param {string} event
   * @param {() => Promise<void> | void} act
   */
  on(id, event, act) {
    this.at(id).addEventListener(event, () => this.tried(act));
  }

  /**
   * Do something; what goes wrong is said.
   * @param {() => Promise<void> | void} act
   */
  async tried(act) {
    try {
      await act();
    } catch (error) {
      this.tell([{ kind: "wrong", text: logic.messageOf(error) }]);
    }
  }

  /** Look for the key that the service left, and connect. */
  async connect() {
    let text = "";
    try {
      text = this.read(KEY);
    } catch {
      return this.disconnected("lp-editor serve is not running");
    }
    await this.connectTo(logic.keyOf(text));
  }

  /** @param {logic.Key} key */
  async connectTo(key) {
    const service = new logic.Service(this.fetch, key);
    try {
      const health = await service.health();
      this.now.catalogue = await service.catalogue();
      this.at("state").textContent = `lp-editor ${health.version}`;
    } catch (error) {
      return this.disconnected(logic.messageOf(error));
    }
    this.now.service = service;
    this.at("light").className = "light on";
    this.show("paste", false);
    this.show("work", true);
    this.tell(this.now.catalogue.problems.map((text) => ({ kind: "note", text })));
    this.offer();
    await this.look();
  }

  /** @param {string} why */
  disconnected(why) {
    this.now.service = null;
    this.at("state").textContent = why;
    this.at("light").className = "light off";
    this.show("paste", true);
    this.show("work", false);
  }

  /** Fill the list of presets and effects. */
  offer() {
    const list = this.at("what");
    list.textContent = "";
    for (const one of [...this.now.catalogue.presets, ...this.now.catalogue.effects]) {
      const option = this.page.createElement("option");
      option.value = one.name;
      option.textContent = "effect" in one ? one.name : `${one.name} …`;
      list.appendChild(option);
    }
    this.chosen();
  }

  /** Put what was chosen into the text. */
  chosen() {
    const name = this.at("what").value;
    const found = [...this.now.catalogue.presets, ...this.now.catalogue.effects].find((one) => one.name === name);
    this.at("text").value = name ? `lp ${name}` : "";
    this.at("help").textContent = found ? found.help.split("\n")[0] : "";
    return this.check();
  }

  /** Check the text once nobody types any more. */
  typed() {
    clearTimeout(this.pause);
    this.pause = setTimeout(() => this.tried(() => this.check()), PAUSE);
  }

  /** Say what is wrong with the text, if anything is. */
  async check() {
    const { service, timebase } = this.now;
    const text = this.at("text").value;
    if (!service || !timebase || !text) return;
    const complaint = await service.complaint(text, logic.rateText(timebase));
    if (this.at("text").value !== text) return; // typed on meanwhile
    this.at("complaint").textContent = complaint;
    this.show("complaint", complaint !== "");
    this.at("mark").disabled = complaint !== "";
  }

  /** Look at the active sequence: its name, where a mark would go, its marks. */
  async look() {
    const { sequence, handle, timebase } = await this.premiere.active();
    this.now.timebase = timebase;
    this.at("sequence").textContent = sequence;
    this.now.place = await this.premiere.place(handle, timebase);
    this.at("where").textContent = `goes on ${this.placeText(this.now.place)}`;
    this.list(await this.premiere.marks(handle, timebase));
    await this.check();
  }

  /**
   * @param {{on: string, first: number, frames: number}} place
   * @returns {string}
   */
  placeText(place) {
    const where = place.on === "sequence" ? "the sequence" : place.on;
    const from = logic.clock(place.first, this.now.timebase);
    return `${where} at ${from}${place.frames > 0 ? `, ${place.frames} frames` : ", a point"}`;
  }

  /** @param {Mark[]} marks */
  list(marks) {
    const list = this.at("marks");
    list.textContent = "";
    for (const mark of marks) list.appendChild(this.row(mark));
    if (!marks.length) list.appendChild(this.made("p", "hint", "none yet: select a clip, choose what to do, press Mark"));
  }

  /** @param {Mark} mark */
  row(mark) {
    const row = this.made("div", "mark", "");
    row.appendChild(this.made("span", "at", logic.clock(mark.first, this.now.timebase)));
    const middle = row.appendChild(this.made("div", "grow", ""));
    for (const line of mark.lines) middle.appendChild(this.made("div", "text", line));
    const length = mark.frames > 0 ? `, ${mark.frames} frames` : "";
    middle.appendChild(this.made("div", "on", (mark.on === "sequence" ? "on the sequence" : mark.on) + length));
    const away = row.appendChild(this.made("button", "", "×"));
    away.addEventListener("click", () =>
      this.tried(async () => {
        await this.premiere.unmark(mark);
        await this.look();
      })
    );
    return row;
  }

  /**
   * @param {string} tag
   * @param {string} kind
   * @param {string} text
   */
  made(tag, kind, text) {
    const made = this.page.createElement(tag);
    made.className = kind;
    made.textContent = text;
    return made;
  }

  /** Mark what is selected now. */
  async mark() {
    const { handle, timebase } = await this.premiere.active();
    const place = await this.premiere.place(handle, timebase);
    await this.premiere.mark(place, this.at("text").value);
    await this.look();
  }

  /** Render the active sequence's marks and bring them back. */
  async render() {
    const { service } = this.now;
    if (!service || this.now.busy) return;
    this.working(true);
    try {
      const options = { mode: this.at("mode").value, codec: this.at("codec").value, format: this.at("format").value };
      const wait = (/** @type {number} */ time) => new Promise((/** @type {(_: void) => void} */ done) => setTimeout(done, time));
      this.tell(await logic.roundTrip(this.premiere, service, options, (job) => this.progress(job), wait));
    } finally {
      this.working(false);
    }
    await this.look();
  }

  /** @param {boolean} busy */
  working(busy) {
    this.now.busy = busy;
    this.now.job = "";
    this.at("render").disabled = busy;
    this.show("cancel", busy);
    this.show("progress", busy);
    if (busy) {
      this.tell([]);
      this.at("stage").textContent = "exporting";
      this.at("part").style.width = "0";
    }
  }

  /** @param {Job} job */
  progress(job) {
    this.now.job = job.id;
    this.at("stage").textContent = logic.stageText(job);
    this.at("part").style.width = `${Math.round(100 * logic.partDone(job))}%`;
  }

  /** Stop the render. */
  async cancel() {
    if (this.now.service && this.now.job) await this.now.service.cancel(this.now.job);
  }

  /** @param {{kind: string, text: string}[]} lines */
  tell(lines) {
    const place = this.at(this.now.service ? "told" : "state");
    place.textContent = this.now.service ? "" : lines.map((line) => line.text).join(" ");
    if (this.now.service) for (const line of lines) place.appendChild(this.made("div", `told ${line.kind}`, line.text));
  }
}

/** Start the panel with what UXP gives it. */
function main() {
  const files = require("fs");
  const home = require("os").homedir().replace(/\\/g, "/");
  const read = (/** @type {string} */ name) => {
    const path = home + name; // Windows: C:/Users/…
    return String(files.readFileSync(path.startsWith("/") ? `file:${path}` : `file:/${path}`, { encoding: "utf-8" }));
  };
  const panel = new Panel(new Premiere(require("premierepro")), document, read, (url, options) => fetch(url, options));
  require("uxp").entrypoints.setup({ panels: { lpEditor: { show() {} } } });
  return panel.start();
}

if (typeof document !== "undefined") main();

module.exports = { Panel };
