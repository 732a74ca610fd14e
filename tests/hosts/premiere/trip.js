// The whole way, as the panel goes it: a Premiere that has the same calls, the real service over HTTP, a real render.
// Arguments: the panel's folder, the service's key, the file that an export is a copy of. Prints what happened as JSON.
"use strict";

const fs = require("fs");
const path = require("path");

const [panel, key, exported] = process.argv.slice(2);
const logic = require(path.join(panel, "logic.js"));
const { Premiere } = require(path.join(panel, "premiere.js"));
const { FakeClip, FakeItem, FakePremiere, FakeSequence } = require("./fake_premiere.js");

async function main() {
  const sequence = new FakeSequence("cut", [[new FakeItem(new FakeClip("portrait.mp4"), 0, 56)]]);
  const fake = new FakePremiere(sequence, exported);
  const service = new logic.Service((url, options) => fetch(url, options), logic.keyOf(fs.readFileSync(key, "utf-8")));
  const health = await service.health();
  const catalogue = await service.catalogue();
  const stages = new Set();
  const wait = (time) => new Promise((done) => setTimeout(done, Math.min(time, 50)));
  const options = { mode: "replace", codec: "ffv1", format: "xml" };
  const show = (job) => stages.add(job.stage);
  const told = await logic.roundTrip(new Premiere(fake), service, options, show, wait);
  const back = fake.sequences[fake.sequences.length - 1];
  console.log(
    JSON.stringify({
      version: health.version, presets: catalogue.presets.length, stages: [...stages], told, imported: fake.imported,
      name: back.name, opened: fake.opened, markers: back.markers.map((m) => [m.name, m.start.ticks, m.color]),
    })
  );
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
