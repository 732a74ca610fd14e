// Premiere as far as our panel calls it: the same names, the same arguments, nothing behind them. As the real one (26.3) it
// makes actions only while the project is locked, and changes nothing until a transaction carries them out.
"use strict";

const fs = require("fs");

const TICKS = 254016000000n;

class TickTime {
  constructor(ticks) {
    this.ticks = String(ticks);
  }
  static createWithTicks(ticks) {
    return new TickTime(BigInt(ticks));
  }
  get ticksNumber() {
    return Number(this.ticks);
  }
  get seconds() {
    return this.ticksNumber / Number(TICKS);
  }
  add(other) {
    return new TickTime(BigInt(this.ticks) + BigInt(other.ticks));
  }
  subtract(other) {
    return new TickTime(BigInt(this.ticks) - BigInt(other.ticks));
  }
}

/** A time of `frames` at 25 a second. */
const at = (frames) => new TickTime((BigInt(Math.round(frames * 1000)) * (TICKS / 25n)) / 1000n);

class FakeMarker {
  constructor(owner, name, start, duration, comments) {
    Object.assign(this, { owner, name, start, duration, comments, color: 0 });
  }
  getName() {
    return this.name;
  }
  getComments() {
    return this.comments;
  }
  getStart() {
    return this.start;
  }
  getDuration() {
    return this.duration;
  }
  createSetColorByIndexAction(index) {
    return action(() => (this.color = index));
  }
}

let locked = 0; // how many projects are locked at the moment

/** What a transaction carries out later; only to be had while a project is locked. */
function action(carryOut) {
  if (!locked) throw new Error("an action was made while no project was locked");
  return { carryOut };
}

/** Something that bears markers, a sequence or a clip of the project. */
class Bearer {
  constructor(name) {
    this.name = name;
    this.guid = { toString: () => name };
    this.markers = [];
  }
  getMarkers() {
    return this.markers;
  }
  createAddMarkerAction(name, type, start, duration, comments) {
    if (type !== "Comment") throw new Error(`no marker is a ${type}`);
    return action(() => this.markers.push(new FakeMarker(this, name, start, duration, comments)));
  }
  createRemoveMarkerAction(marker) {
    return action(() => (this.markers = this.markers.filter((m) => m !== marker)));
  }
}

class FakeClip extends Bearer {
  constructor(name, { offline = false, nested = false } = {}) {
    super(name);
    Object.assign(this, { offline, nested, type: 1 });
  }
  getId() {
    return this.name;
  }
  async isOffline() {
    return this.offline;
  }
  async isSequence() {
    return this.nested;
  }
}

/** A clip on a track: `start` to `stop` of the sequence shows the media from `into` on, in frames at 25 a second. */
class FakeItem {
  constructor(clip, start, stop, into = 0, speed = 1) {
    Object.assign(this, { clip, start, stop, into, speed });
  }
  async getStartTime() {
    return at(this.start);
  }
  async getEndTime() {
    return at(this.stop);
  }
  async getInPoint() {
    return at(this.into);
  }
  async getSpeed() {
    return this.speed;
  }
  async isSpeedReversed() {
    return 0;
  }
  async getProjectItem() {
    return this.clip;
  }
  createAddVideoTransitionAction() {}
}

class FakeSequence extends Bearer {
  constructor(name, tracks = [[]]) {
    super(name);
    Object.assign(this, { tracks, selection: [], in: new TickTime(-1n), out: new TickTime(-1n), playhead: at(0), timebase: String(TICKS / 25n) });
  }
  async getTimebase() {
    return this.timebase;
  }
  async getVideoTrackCount() {
    return this.tracks.length;
  }
  async getVideoTrack(index) {
    return { getTrackItems: (type, empty) => (type === 1 && !empty ? this.tracks[index] : []) };
  }
  async getInPoint() {
    return this.in;
  }
  async getOutPoint() {
    return this.out;
  }
  async getEndTime() {
    return at(Math.max(0, ...this.tracks.flat().map((item) => item.stop)));
  }
  async getPlayerPosition() {
    return this.playhead;
  }
  async getSelection() {
    return { getTrackItems: async () => this.selection };
  }
  async getProjectItem() {
    return { createSetNameAction: (name) => action(() => (this.name = name)) };
  }
}

/** A project and the module `premierepro` around it. `exported` is the file that an export is a copy of. */
class FakePremiere {
  constructor(sequence, exported = null) {
    Object.assign(this, { sequences: sequence ? [sequence] : [], exported, imported: [], bins: [], undo: [], opened: [], refuses: false });
    const project = this.project(sequence);
    this.Project = { getActiveProject: async () => project };
    this.ProjectConverter = {
      exportAsFinalCutProXML: async (_, path, quiet) => this.copied(path, quiet),
      exportAsOpenTimelineIO: async (_, path, quiet) => this.copied(path, quiet),
    };
    this.Markers = { getMarkers: async (owner) => owner };
    this.Marker = { MARKER_TYPE_COMMENT: "Comment" };
    this.TickTime = TickTime;
    this.ClipProjectItem = { cast: (item) => item };
    this.ProjectItem = { TYPE_BIN: 2 };
    this.Constants = { MarkerColor: { RED: 1 }, SequenceEvent: { ACTIVATED: 0, SELECTION_CHANGED: 2 }, TrackItemType: { CLIP: 1 } };
    this.listeners = [];
    this.EventManager = { addGlobalEventListener: (event, act) => this.listeners.push([event, act]) };
  }
  project(active) {
    const bin = (name) => ({ name, type: 2 });
    return {
      name: "my film.prproj",
      getActiveSequence: async () => active,
      getSequences: async () => [...this.sequences],
      getRootItem: async () => ({
        getItems: async () => this.bins,
        createBinAction: (name) => action(() => this.bins.push(bin(name))),
      }),
      importFiles: async (paths, quiet, where) => this.taken(paths, where),
      openSequence: async (sequence) => this.opened.push(sequence.name),
      lockedAccess: (inside) => {
        locked += 1;
        try {
          inside();
        } finally {
          locked -= 1;
        }
      },
      executeTransaction: (fill, name) => {
        const actions = [];
        fill({ addAction: (one) => actions.push(one) });
        if (this.refuses) return false;
        for (const one of actions) one.carryOut();
        this.undo.push(name);
        return true;
      },
    };
  }
  copied(path, quiet) {
    if (!this.exported || !quiet) return false;
    fs.copyFileSync(this.exported, path);
    return true;
  }
  taken(paths, where) {
    if (!paths.every((path) => fs.existsSync(path))) return false;
    this.imported.push({ paths, where: where && where.name });
    const names = [...fs.readFileSync(paths[0], "utf-8").matchAll(/<sequence\b[^]*?<name>([^<]*)/g)].map((found) => found[1]);
    this.sequences.push(...names.map((name) => Object.assign(new FakeSequence(name), { guid: { toString: () => `${name} anew` } })));
    return true;
  }
}

module.exports = { FakeClip, FakeItem, FakePremiere, FakeSequence, at };
