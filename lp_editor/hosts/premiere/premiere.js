// Everything the panel asks of Premiere, and nothing else: the only file that knows its API (npm @adobe/premierepro, 26.3).
// Changes are actions; they are made and carried out while the project is locked, and each is one step of Undo.
"use strict";

const { Problem, framesOf, freeName, ownLines, ticksOf, unseen } = require("./logic.js");

/** @import { Action, ClipProjectItem, Marker, Markers, premierepro, Project, Sequence, TickTime } from "@adobe/premierepro" */
/** @import { VideoClipTrackItem } from "@adobe/premierepro" */
/** @import { Check } from "./logic.js" */

/**
 * @typedef {{lines: string[], on: string, first: number, frames: number, marker: Marker, owner: Sequence | ClipProjectItem}} Mark
 *   a marker that is meant for us; `first` counts from the start of what it is on
 * @typedef {{on: string, owner: Sequence | ClipProjectItem, start: TickTime, duration: TickTime, first: number, frames: number}}
 *   Place where a new mark would go
 */

/** The bin that holds what comes back. */
const BIN = "lp-editor";

class Premiere {
  /** @param {premierepro} ppro */
  constructor(ppro) {
    this.ppro = ppro;
  }

  /**
   * Have something done whenever another sequence is shown, or something else is selected in it.
   * @param {() => void} act
   */
  onChange(act) {
    const { Constants, EventManager } = this.ppro;
    for (const event of [Constants.SequenceEvent.ACTIVATED, Constants.SequenceEvent.SELECTION_CHANGED]) {
      EventManager.addGlobalEventListener(event, act);
    }
  }

  /** @returns {Promise<{project: string, sequence: string, handle: Sequence, timebase: string}>} */
  async active() {
    const project = await this.project();
    const sequence = await project.getActiveSequence();
    if (!sequence) throw new Problem("no sequence is open; open one");
    return { project: project.name, sequence: sequence.name, handle: sequence, timebase: await sequence.getTimebase() };
  }

  /** @returns {Promise<Project>} */
  async project() {
    const project = await this.ppro.Project.getActiveProject();
    if (!project) throw new Problem("no project is open; open one");
    return project;
  }

  /**
   * Export a sequence, as the end of the path says: .xml or .otio.
   * @param {Sequence} sequence
   * @param {string} path
   */
  async export(sequence, path) {
    const converter = this.ppro.ProjectConverter;
    const made = path.endsWith(".otio")
      ? await converter.exportAsOpenTimelineIO(sequence, path, true)
      : await converter.exportAsFinalCutProXML(sequence, path, true);
    if (!made) throw new Problem(`Premiere could not export “${sequence.name}” to ${path}`);
  }

  /**
   * Import a project file into our bin; the sequence that came of it, under a name of its own, opened. A file may hold
   * nested sequences too: the one called `name` is meant.
   * @param {string} path
   * @param {string} name
   * @returns {Promise<{name: string, handle: Sequence, timebase: string}>}
   */
  async imported(path, name) {
    const project = await this.project();
    const there = await project.getSequences();
    const before = new Set(there.map((s) => s.guid.toString()));
    const bin = await this.bin(project);
    if (!(await project.importFiles([path], true, bin, false))) {
      throw new Problem(`Premiere did not import ${path}; use File > Import`);
    }
    const made = (await project.getSequences()).filter((s) => !before.has(s.guid.toString()));
    if (!made.length) throw new Problem(`Premiere imported ${path}, but made no sequence of it; use File > Import`);
    const sequence = made.find((s) => s.name === name) || made[0];
    const fresh = freeName(name, there.map((s) => s.name));
    const item = await sequence.getProjectItem();
    this.done(project, "lp-editor: name", () => [item.createSetNameAction(fresh)]);
    await project.openSequence(sequence);
    return { name: fresh, handle: sequence, timebase: await sequence.getTimebase() };
  }

  /**
   * Our bin, made where there is none.
   * @param {Project} project
   */
  async bin(project) {
    const root = await project.getRootItem();
    const found = async () => (await root.getItems()).find((i) => i.name === BIN && i.type === this.ppro.ProjectItem.TYPE_BIN);
    const there = await found();
    if (there) return there;
    this.done(project, "lp-editor: bin", () => [root.createBinAction(BIN, false)]);
    return (await found()) || undefined;
  }

  /**
   * Put markers where to look again, red, those that are there already left out.
   * @param {Sequence} sequence
   * @param {Check[]} checks
   * @param {string} timebase
   */
  async marked(sequence, checks, timebase) {
    const project = await this.project();
    const markers = await this.ppro.Markers.getMarkers(sequence);
    const there = markers.getMarkers().map((m) => ({ name: m.getName(), first: framesOf(m.getStart().ticks, timebase) }));
    const fresh = unseen(checks, there);
    if (!fresh.length) return;
    this.done(project, "lp-editor: markers", () => fresh.map((check) => this.marker(markers, check, timebase)));
    const red = this.ppro.Constants.MarkerColor.RED;
    const names = new Set(fresh.map((check) => check.name));
    const ours = (await this.ppro.Markers.getMarkers(sequence)).getMarkers().filter((m) => names.has(m.getName()));
    this.done(project, "lp-editor: colours", () => ours.map((m) => m.createSetColorByIndexAction(red)));
  }

  /**
   * @param {Markers} markers
   * @param {Check} check
   * @param {string} timebase
   * @returns {Action}
   */
  marker(markers, check, timebase) {
    const { TickTime, Marker } = this.ppro;
    const start = TickTime.createWithTicks(ticksOf(check.first, timebase));
    const duration = TickTime.createWithTicks(ticksOf(Math.max(check.frames, 1), timebase));
    return markers.createAddMarkerAction(check.name, Marker.MARKER_TYPE_COMMENT, start, duration, check.note);
  }

  /**
   * The names of media that a sequence shows and that are offline.
   * @param {Sequence} sequence
   * @returns {Promise<string[]>}
   */
  async offline(sequence) {
    /** @type {Set<string>} */
    const names = new Set();
    for (const { clip } of await this.clips(sequence)) {
      if (await clip.isOffline()) names.add(clip.name);
    }
    return [...names];
  }

  /**
   * The picture clips of a sequence with their media, nested sequences left out.
   * @param {Sequence} sequence
   * @returns {Promise<{item: VideoClipTrackItem, clip: ClipProjectItem}[]>}
   */
  async clips(sequence) {
    const found = [];
    for (let track = 0; track < (await sequence.getVideoTrackCount()); track++) {
      const row = await sequence.getVideoTrack(track);
      for (const item of row.getTrackItems(this.ppro.Constants.TrackItemType.CLIP, false)) {
        const clip = await this.clipOf(item);
        if (clip) found.push({ item, clip });
      }
    }
    return found;
  }

  /**
   * The media of a clip on a track; null for a nested sequence, or what has none.
   * @param {VideoClipTrackItem} item
   * @returns {Promise<ClipProjectItem | null>}
   */
  async clipOf(item) {
    const projectItem = await item.getProjectItem();
    const clip = projectItem && this.ppro.ClipProjectItem.cast(projectItem);
    return clip && !(await clip.isSequence()) ? clip : null;
  }

  /**
   * The markers meant for us: those of the sequence, and of the media that its clips show.
   * @param {Sequence} sequence
   * @param {string} timebase
   * @returns {Promise<Mark[]>}
   */
  async marks(sequence, timebase) {
    const found = await this.marksOn(sequence, "sequence", timebase);
    /** @type {Set<string>} */
    const seen = new Set();
    for (const { item, clip } of await this.clips(sequence)) {
      const id = (await item.getProjectItem()).getId();
      if (seen.has(id)) continue;
      seen.add(id);
      found.push(...(await this.marksOn(clip, clip.name, timebase)));
    }
    return found;
  }

  /**
   * @param {Sequence | ClipProjectItem} owner
   * @param {string} on
   * @param {string} timebase
   * @returns {Promise<Mark[]>}
   */
  async marksOn(owner, on, timebase) {
    const markers = (await this.ppro.Markers.getMarkers(owner)).getMarkers();
    return markers
      .map((marker) => ({
        lines: ownLines(marker.getName(), marker.getComments()),
        on,
        first: framesOf(marker.getStart().ticks, timebase),
        frames: framesOf(marker.getDuration().ticks, timebase),
        marker,
        owner,
      }))
      .filter((mark) => mark.lines.length > 0);
  }

  /**
   * Where a new mark would go: on the one selected clip, as far as it lies between In and Out; else on the sequence from In
   * to Out, or at the playhead. A clip that plays at another speed than its own is marked on the sequence.
   * @param {Sequence} sequence
   * @param {string} timebase
   * @returns {Promise<Place>}
   */
  async place(sequence, timebase) {
    const range = await this.range(sequence);
    const selected = await this.selected(sequence);
    if (selected) {
      const [from, to] = [await selected.item.getStartTime(), await selected.item.getEndTime()];
      const start = range && range.start.ticksNumber > from.ticksNumber ? range.start : from;
      const stop = range && range.stop.ticksNumber < to.ticksNumber ? range.stop : to;
      if (stop.ticksNumber > start.ticksNumber) {
        if (!(await this.plain(selected.item))) return this.placeAt("sequence", sequence, start, stop, timebase);
        const into = start.subtract(from).add(await selected.item.getInPoint());
        return this.placeAt(selected.clip.name, selected.clip, into, into.add(stop.subtract(start)), timebase);
      }
    }
    if (range) return this.placeAt("sequence", sequence, range.start, range.stop, timebase);
    const playhead = await sequence.getPlayerPosition();
    return this.placeAt("sequence", sequence, playhead, playhead, timebase);
  }

  /**
   * @param {string} on
   * @param {Sequence | ClipProjectItem} owner
   * @param {TickTime} start
   * @param {TickTime} stop
   * @param {string} timebase
   * @returns {Place}
   */
  placeAt(on, owner, start, stop, timebase) {
    const duration = stop.subtract(start);
    const [first, frames] = [framesOf(start.ticks, timebase), framesOf(duration.ticks, timebase)];
    return { on, owner, start, duration, first, frames };
  }

  /**
   * From In to Out of a sequence; null where they are not set (Premiere then gives a negative time, or all of it).
   * @param {Sequence} sequence
   */
  async range(sequence) {
    const [start, stop] = [await sequence.getInPoint(), await sequence.getOutPoint()];
    const end = await sequence.getEndTime();
    const set = start.seconds >= 0 && stop.ticksNumber > start.ticksNumber;
    const all = start.ticksNumber === 0 && stop.ticksNumber >= end.ticksNumber;
    return set && !all ? { start, stop } : null;
  }

  /**
   * The picture clip that alone is selected, its sound beside; else null.
   * @param {Sequence} sequence
   */
  async selected(sequence) {
    const selection = await sequence.getSelection();
    const items = selection ? await selection.getTrackItems() : [];
    const pictures = items.filter((item) => "createAddVideoTransitionAction" in item);
    if (pictures.length !== 1) return null;
    const item = /** @type {VideoClipTrackItem} */ (pictures[0]);
    const clip = await this.clipOf(item);
    return clip ? { item, clip } : null;
  }

  /**
   * Whether a clip plays forwards at its own speed.
   * @param {VideoClipTrackItem} item
   */
  async plain(item) {
    return (await item.getSpeed()) === 1 && !(await item.isSpeedReversed());
  }

  /**
   * Put a mark where `place` says.
   * @param {Place} place
   * @param {string} text
   */
  async mark(place, text) {
    const markers = await this.ppro.Markers.getMarkers(place.owner);
    const kind = this.ppro.Marker.MARKER_TYPE_COMMENT;
    const make = () => [markers.createAddMarkerAction(text, kind, place.start, place.duration, "")];
    this.done(await this.project(), "lp-editor: mark", make);
  }

  /**
   * Take a mark away.
   * @param {Mark} mark
   */
  async unmark(mark) {
    const markers = await this.ppro.Markers.getMarkers(mark.owner);
    this.done(await this.project(), "lp-editor: unmark", () => [markers.createRemoveMarkerAction(mark.marker)]);
  }

  /**
   * Carry out some actions as one step of Undo. Throws `Problem` where Premiere refuses.
   * @param {Project} project
   * @param {string} name
   * @param {() => Action[]} make
   */
  done(project, name, make) {
    let made = false;
    project.lockedAccess(() => {
      made = project.executeTransaction((together) => {
        for (const action of make()) together.addAction(action);
      }, name);
    });
    if (!made) throw new Problem(`Premiere refused “${name}”; is the project locked?`);
  }
}

module.exports = { BIN, Premiere };
