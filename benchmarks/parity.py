"""Compares the liveportrait engine with golden data of the published code, case by case.

    python benchmarks/parity.py --golden DIR --weights DIR [--json FILE] [--device cpu]

``--golden`` is any folder laid out like the developers' golden data, ``--weights`` the weights that it was made with.
Prints one line a case with its error and its limit; the exit code is 1 when a case fails.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from golden import Golden, Result, decoded
from numpy.typing import NDArray

from lp_editor.errors import LpEditorError
from lp_editor.files import write_bytes
from lp_editor.liveportrait import crop, landmarks, load_networks, modes, sliders
from lp_editor.liveportrait.keypoints import (
    eye_ratios,
    lip_ratios,
    motion_multiplier,
    rotation,
)
from lp_editor.liveportrait.modes import Mode, Source
from lp_editor.liveportrait.nets.generator import SpectralConv2d
from lp_editor.liveportrait.networks import ArrayHeads, Networks, degrees
from lp_editor.liveportrait.paste import mask_in_frame, pasted, to_image
from lp_editor.liveportrait.smoothing import smoothed
from lp_editor.liveportrait.template import Template

F_, M_, W_, G_, S_, POINTS = 1e-3, 1e-4, 1e-3, 1e-3, 1e-5, 1e-5
DEGREES, PIXELS, TRUNCATED, WARPED = 1e-3, 1e-3, 1.0, 3.0
"""Limits (golden/README.md): networks, keypoints, angles, pixel positions; levels of truncated and of warped pictures."""

SEEN = 2e-3
"""Of motions read from frames that OpenCV has resized: other versions differ by a level, and M with them."""

NOT_PORTED = (
    (
        "face_detect_decode: det_*, order.*, s8/s16/s32",
        "the detector det_10g.onnx is for research only; MediaPipe finds faces",
    ),
    (
        "face_detect_decode: lm106.*",
        "the 106 landmarks 2d106det.onnx are for research only; MediaPipe's take their place",
    ),
)
"""Parts left out for their licence."""

Array = NDArray[np.float32]


def pixels(images: NDArray[Any]) -> torch.Tensor:
    """Pictures (B, H, W, RGB) of bytes as the networks take them."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 255


def array(x: torch.Tensor) -> Array:
    """A tensor as an array."""
    return np.asarray(x.float().cpu().numpy())


def tensor(x: NDArray[Any]) -> torch.Tensor:
    """An array as a tensor."""
    return torch.from_numpy(np.array(x))


# --- networks ---------------------------------------------------------------------------------------------------------


def appearance(g: Golden, nets: Networks, folder: Path) -> None:
    """F."""
    for name in g.names(".f_s.sample"):
        i = int(name.removeprefix("img"))
        g.check(f"{name}.f_s", array(nets.appearance(pixels(g["images_u8"][i : i + 1]))), F_)


def motion(g: Golden, nets: Networks, folder: Path) -> None:
    """M: raw heads, refined values, and what follows from them."""
    images = pixels(g["images_u8"])
    with torch.inference_mode():
        raw = nets.M(images.to(nets.device, nets.dtype))
    for name, value in vars(raw).items():
        g.check(f"raw.{name}", array(value), M_)
    info = nets.motion(images)
    for name, value in vars(info).items():
        g.check(f"info.{name}", array(value), DEGREES if name in ("pitch", "yaw", "roll") else M_)
    held = still(vars(info))
    g.check("info.R", held.turn, M_)
    g.check("info.x_s", held.points, M_)


def warping(g: Golden, nets: Networks, folder: Path) -> None:
    """W."""
    for case in g.names(".kp_source"):
        volume = nets.appearance(_first_image(folder)) if case == "img" else tensor(g.wave(case))
        if case != "img":
            g.check(f"{case}.feature", array(volume), POINTS)
        made = nets.warp(volume, tensor(g[f"{case}.kp_source"]), tensor(g[f"{case}.kp_driving"]))
        g.check(f"{case}.occlusion_map", array(made.occlusion), W_)
        g.check(f"{case}.deformation", array(made.deformation), W_)
        g.check(f"{case}.out", array(made.feature), W_)


def generator(g: Golden, nets: Networks, folder: Path) -> None:
    """G, and its folded weights."""
    for case in g.names(".image.sample"):
        if case == "img":
            w = _sure(folder, "warping_module")
            points = tensor(w["img.kp_source"]), tensor(w["img.kp_driving"])
            feature = nets.warp(nets.appearance(_first_image(folder)), *points).feature
        else:
            feature = tensor(g.wave(case))
            g.check(f"{case}.feature", array(feature), POINTS)
        picture = nets.generate(feature)
        g.check(f"{case}.image", array(picture), G_)
        if (path := folder / f"generator_{case}.png").is_file():
            stored = decoded(np.frombuffer(path.read_bytes(), np.uint8))
            g.add(path.name, _levels(to_image(array(picture)[0]), stored), TRUNCATED)
    for name in (key.removeprefix("sigma.") for key in g.stored if key.startswith("sigma.")):
        conv = nets.G.get_submodule(name)
        assert isinstance(conv, SpectralConv2d)
        g.check(f"effective_weight.{name}", array(conv.weight()), POINTS)


def stitching(g: Golden, nets: Networks, folder: Path) -> None:
    """S and R."""
    source = tensor(g["kp_source"])
    g.check("stitching_out", array(nets.stitch(source, tensor(g["kp_driving"]))), S_)
    g.check("eye_delta", array(nets.eye_delta(source, tensor(g["eye_ratio_in"]))), S_)
    g.check("lip_delta", array(nets.lip_delta(source, tensor(g["lip_ratio_in"]))), S_)


# --- keypoints --------------------------------------------------------------------------------------------------------


def mathematics(g: Golden, nets: Networks, folder: Path) -> None:
    """Angles, transforms, multipliers, ratios."""
    g.check("degrees", array(degrees(tensor(g["logits"]))), DEGREES)
    g.check("already_degrees_out", array(degrees(tensor(g["already_degrees"]))), POINTS)
    g.check("R_from_B", rotation(*g["angles_deg"].T), POINTS)
    g.check("R_from_Bx1", rotation(*(a[:, None] for a in g["angles_deg"].T)), POINTS)
    g.check("single_axis_R", rotation(*g["single_axis_deg"].T), POINTS)
    info = {name: g[f"kpinfo.{name}"] for name in ("pitch", "yaw", "roll", "kp", "exp", "scale", "t")}
    g.check("kpinfo.x", still(info).points, POINTS)
    turned = {name: array(degrees(tensor(g[f"raw_kpinfo.{name}"]))) for name in ("pitch", "yaw", "roll")}
    g.check("raw_kpinfo.x", still({**info, **turned}).points, POINTS)
    pairs = zip(g["mult.kp_source"], g["mult.kp_driving0"], strict=True)
    g.check("mult.value", np.array([motion_multiplier(a, b) for a, b in pairs]), POINTS)
    eyes, lips = eye_ratios(g["lmk203"]), lip_ratios(g["lmk203"])
    g.check("eye_ratio", eyes, POINTS)
    g.check("lip_ratio", lips, POINTS)
    for key in g.stored:
        ratios, _, target = key.removeprefix("combined_").partition("_target_")
        if target:
            own = eyes if ratios == "eye" else lips
            g.check(key, np.concatenate([own, np.full((len(own), 1), float(target), np.float32)], axis=1), POINTS)


def smoothing(g: Golden, nets: Networks, folder: Path) -> None:
    """The smoother at every variance that is stored."""
    for key in g.stored:
        name, _, noise = key.partition("_out_obs")
        if noise:
            g.check(key, smoothed(g[f"{name}_in"], float(noise)), POINTS)


def still(info: Mapping[str, Any], ratios: Mapping[str, Array] | None = None) -> Source:
    """A source of M's values (arrays or tensors) by name."""
    value = {name: np.asarray(v.cpu() if isinstance(v, torch.Tensor) else v, np.float32) for name, v in info.items()}
    turn = rotation(value["pitch"], value["yaw"], value["roll"])
    eyes, lips = ((ratios or {}).get(name) for name in ("eyes", "lips"))
    kp, exp = (value[name].reshape(-1, 21, 3) for name in ("kp", "exp"))
    return Source(kp, turn, exp, value["scale"], value["t"], eyes, lips)


def template(g: Golden, prefix: str) -> Template:
    """A stored performance."""
    turn = "R" if g.has(f"{prefix}.R") else "R_d"
    count = len(g[f"{prefix}.exp"])
    eyes, lips = (
        next(
            (g[key].reshape(count, -1) for key in (f"{prefix}.c_{n}_lst", f"{prefix}.c_d_{n}_lst") if g.has(key)), None
        )
        for n in ("eyes", "lip")
    )
    return Template(25.0, g[f"{prefix}.{turn}"].reshape(-1, 3, 3), g[f"{prefix}.exp"].reshape(-1, 21, 3),
                    g[f"{prefix}.scale"].reshape(-1, 1), g[f"{prefix}.t"].reshape(-1, 3), eyes, lips)  # fmt: skip


def film(g: Golden, prefix: str) -> Source:
    """A stored source film."""
    t = template(g, prefix)
    return Source(g[f"{prefix}.kp"].reshape(-1, 21, 3), t.turn, t.exp, t.scale, t.t, t.eyes, t.lips, film=True)


def info_of(g: Golden, prefix: str) -> dict[str, NDArray[Any]]:
    """M's stored values."""
    return {name: g[f"{prefix}.{name}"] for name in ("pitch", "yaw", "roll", "t", "exp", "scale", "kp")}


def mode_of(config: Mapping[str, Any]) -> Mode:
    """A published configuration as a mode."""
    return Mode(
        config["animation_region"], config["flag_relative_motion"], config["driving_option"] == "expression-friendly",
        config["driving_multiplier"], config["flag_stitching"], config["flag_normalize_lip"],
        config["flag_eye_retargeting"], config["flag_lip_retargeting"], config["flag_source_video_eye_retargeting"],
        config["driving_smooth_observation_variance"],
    )  # fmt: skip


def animation(g: Golden, nets: Networks, folder: Path) -> None:
    """Every configuration of moving a face by a performance."""
    heads = ArrayHeads(nets)
    for name, case in g.index().items():
        source = film(g, "srcvid.tmpl") if name.startswith("v2") else _still_source(g, case["note"])
        made = modes.animate(source, _driver(g, name), mode_of(case["config"]), heads)
        g.check(f"{name}.x_s", made.source[: len(g[f"{name}.x_s"])], POINTS)
        if g.has(f"{name}.x_d_before_stitching"):
            g.check(f"{name}.x_d_before_stitching", made.raw, POINTS)
        g.check(f"{name}.x_d_final", made.driving, POINTS)
    _seen(g, nets)


def _still_source(g: Golden, note: str) -> Source:
    points = g["source.lmk203_closed_mouth" if "closed" in note else "source.lmk203_open_mouth"][None]
    return still(info_of(g, "source.kpinfo"), {"eyes": eye_ratios(points), "lips": lip_ratios(points)})


def _driver(g: Golden, name: str) -> Template:
    for ending in ("square", "crop"):
        if name.endswith(f"from_driving_video_{ending}"):
            return template(g, f"drvvid.{ending}.tmpl")
    return template(g, "driver1" if name.startswith(("i2i", "v2i")) else "driver")


def _seen(g: Golden, nets: Networks) -> None:
    """What M says of stored crops and driving frames."""
    if g.has("source.img_crop_256x256"):
        info = nets.motion(pixels(g["source.img_crop_256x256"][None]))
        for name, value in vars(info).items():
            g.check(f"source.kpinfo.{name}", array(value), DEGREES if name in ("pitch", "yaw", "roll") else M_)
    if g.has("srcvid.crop256"):
        _check_template(g, "srcvid.tmpl", nets, g["srcvid.crop256"], g["srcvid.lmk203"], M_)
    if not g.has("drvvid.frames"):
        return
    frames, points = g["drvvid.frames"], g["drvvid.lmk203"]
    _check_template(g, "drvvid.square.tmpl", nets, [crop.reduced(f, driver=True) for f in frames], points, SEEN)
    square = crop.average_square([crop.square_around(p, crop.SCALE_OF_DRIVER, crop.UP_OF_DRIVER) for p in points])
    to_crop = square.to_crop(crop.PICTURE)
    cuts = [crop.cut(f, to_crop, crop.PICTURE) for f in frames]
    g.check("drvvid.crop.lmk_crop", np.stack([crop.moved_points(p, to_crop) for p in points]), PIXELS)
    g.check("drvvid.crop.frame0_s8", cuts[0][::8, ::8], WARPED)
    _check_template(g, "drvvid.crop.tmpl", nets, [crop.reduced(c, driver=True) for c in cuts], points, SEEN)


def _check_template(
    g: Golden, prefix: str, nets: Networks, images: Iterable[NDArray[Any]], points: Array, limit: float
) -> None:
    held = still(vars(nets.motion(pixels(np.stack(list(images))))))
    for name, value in {"R": held.turn, "exp": held.exp, "scale": held.scale, "t": held.t, "kp": held.kp}.items():
        g.check(f"{prefix}.{name}", value, limit)
    g.check(f"{prefix}.c_eyes_lst", eye_ratios(points), M_)
    g.check(f"{prefix}.c_lip_lst", lip_ratios(points), M_)


def animals(g: Golden, nets: Networks, folder: Path) -> None:
    """Animals."""
    source, driver = still(info_of(g, "source.kpinfo")), template(g, "driver")
    for name, case in g.index().items():
        made = modes.animate_animal(source, driver, case["stitching"], case["multiplier"], ArrayHeads(nets))
        g.check(f"{name}.x_s", made.source[:1], POINTS)
        g.check(f"{name}.x_d_final", made.driving, POINTS)
    to_crop = crop.square_around(g["source.pts9"]).to_crop(crop.PICTURE)
    g.check("source.M_c2o", crop.inverse(to_crop), PIXELS)


def portrait(g: Golden, nets: Networks, folder: Path) -> None:
    """The portrait editor's sliders, and its two ways to edit a film's lips."""
    heads = ArrayHeads(nets)
    for name, case in g.index().items():
        if "values" not in case:
            continue
        source, angles, limit = _portrait_source(g, nets, case["crop_scale"])
        raw, held = sliders.edited(source, angles, _setting(case, g["source_eye_lip_ratio_rounded"]), heads)
        g.check(f"{name}.x_s", source.points, limit)
        if g.has(f"{name}.x_d_before_stitching"):
            g.check(f"{name}.x_d_before_stitching", raw, limit)
        g.check(f"{name}.x_d_final", held, limit)
    for key in g.stored:
        if key.startswith("delta."):
            g.check(key, sliders.change(_unit_sliders(key)), POINTS)
    if g.has("video_lip.x_s"):
        _edited_films(g, heads)


def _unit_sliders(key: str) -> dict[str, float]:
    """``delta.smile.+1`` as slider values; the raw shifts are stored without the editor's sign."""
    name, *values = key.removeprefix("delta.").split(".")
    if name == "gaze":
        return dict(zip(("gaze_x", "gaze_y"), map(float, values), strict=True))
    sign = -1.0 if name == "mov_x_raw" else 1.0
    return {name.removesuffix("_raw"): sign * float(values[0])}


def _portrait_source(g: Golden, nets: Networks, scale: float) -> tuple[Source, tuple[float, float, float], float]:
    """The portrait at a crop scale, its angles, and the limit: a crop that is not stored is cut and looked at here."""
    points = g["source.lmk203"][None]
    ratios = {"eyes": eye_ratios(points), "lips": lip_ratios(points)}
    if g.has(f"source.scale{scale}.kpinfo.kp"):
        info: Mapping[str, Any] = info_of(g, f"source.scale{scale}.kpinfo")
        limit = POINTS
    else:
        to_crop = crop.square_around(g["source.lmk106"], scale).to_crop(crop.PICTURE)
        image = crop.limited(g.picture("source.image_png"))
        info = vars(nets.motion(pixels(crop.reduced(crop.cut(image, to_crop, crop.PICTURE))[None])))
        limit = SEEN
    angles = [float(np.asarray(info[name]).reshape(-1)[0]) for name in ("pitch", "yaw", "roll")]
    return still(info, ratios), (angles[0], angles[1], angles[2]), limit


def _setting(case: Mapping[str, Any], own: NDArray[Any]) -> sliders.Portrait:
    values = {name: value for name, value in case["values"].items() if name in sliders.SLIDERS}
    asked = case["values"]
    eyes, lips = (asked[name] if asked[name] != filmed else None
                  for name, filmed in zip(("eye_ratio", "lip_ratio"), own, strict=True))  # fmt: skip
    return sliders.Portrait(
        values, asked["pitch"], asked["yaw"], asked["roll"], asked["mov_z"], eyes, lips, case["stitching"]
    )


def _edited_films(g: Golden, heads: ArrayHeads) -> None:
    source = film(g, "srcvid.tmpl")
    change, raw = modes.lips_edited(source, g.number("video_lip.target_ratio"), heads)
    g.check("video_lip.x_s", source.points, POINTS)
    g.check("video_lip.delta_smooth", change, POINTS)
    g.check("video_lip.x_d_before_stitching", raw, POINTS)
    g.check("video_silence.x_s", source.points, POINTS)
    g.check("video_silence.x_d_before_stitching", modes.lips_silent(source), POINTS)


# --- pictures ---------------------------------------------------------------------------------------------------------


def cropping(g: Golden, nets: Networks, folder: Path) -> None:
    """Where the networks' square lies, and what it shows."""
    image = g.picture("image_png") if g.has("image_png") else None
    for case in g.names(".dsize_scale_vx_vy_rot"):
        size, scale, across, up, turned = (float(v) for v in g[f"{case}.dsize_scale_vx_vy_rot"])
        points = g[f"{case}.pts"]
        square = crop.square_around(points, scale, up, across)
        to_crop = square.to_crop(int(size), bool(turned))
        values = {"pt2": crop.reference_points(points), "pt2_nolip": crop.reference_points(points, by_lips=False),
                  "center": square.centre, "size": np.full(2, square.size), "M_o2c": to_crop,
                  "M_c2o": crop.inverse(to_crop), "pt_crop": crop.moved_points(points, to_crop)}  # fmt: skip
        for name, value in values.items():
            g.check(f"{case}.{name}", value, PIXELS)
        g.check(f"{case}.angle_rad", np.array([square.angle]), POINTS)
        if image is not None:
            _crop_pictures(g, case, crop.cut(image, to_crop, int(size)))
    if g.has("vx.pts"):
        square = crop.square_around(g["vx.pts"], across=0.2)
        g.check("vx.rect_center", square.centre, PIXELS)
        g.check("vx.rect_size", np.full(2, square.size), PIXELS)
        g.check("vx.crop_image_M_o2c_with_vx_0.2", crop.square_around(g["vx.pts"]).to_crop(crop.PICTURE), PIXELS)
    if g.has("bbox.pts"):
        _driving_box(g, image)
    for *asked, height, width in g["resize_to_limit_h_w_max_div_outh_outw"].tolist():
        tall, wide, longest, multiple = asked
        made = crop.limited(np.zeros((tall, wide, 3), np.uint8), longest, multiple).shape
        g.add(
            f"size {tall}x{wide} limit {longest} multiple {multiple}", abs(made[0] - height) + abs(made[1] - width), 0
        )


def _crop_pictures(g: Golden, case: str, made: NDArray[np.uint8]) -> None:
    for step in (3, 8):
        if g.has(f"{case}.img_crop_s{step}"):
            g.check(f"{case}.img_crop_s{step}", made[::step, ::step], WARPED)
    g.check(f"{case}.img_crop_mean", made.reshape(-1, 3).mean(0), 0.5)
    for name, driver in (("area", False), ("linear", True)):
        if g.has(f"{case}.crop256_{name}_s4"):
            g.check(f"{case}.crop256_{name}_s4", crop.reduced(made, driver)[::4, ::4], WARPED)
    if g.has(f"{case}.img_crop_png"):
        g.add(f"{case}.img_crop_png", _levels(made, g.picture(f"{case}.img_crop_png")), WARPED)


def _driving_box(g: Golden, image: NDArray[np.uint8] | None) -> None:
    """The one crop of a driving film."""
    squares = [crop.square_around(p, crop.SCALE_OF_DRIVER, crop.UP_OF_DRIVER) for p in g["bbox.pts"]]
    for i, square in enumerate(squares):
        g.check(f"bbox.{i}.center", square.centre, PIXELS)
        g.check(f"bbox.{i}.size", np.full(2, square.size), PIXELS)
        g.check(f"bbox.{i}.angle", np.array([square.angle]), POINTS)
        g.check(f"bbox.{i}.bbox", square.upright, PIXELS)
        g.check(f"bbox.{i}.bbox_rot", square.corners, PIXELS)
    mean = crop.average_square(squares)
    to_crop = mean.to_crop(crop.PICTURE)
    g.check("bbox.average", np.concatenate([mean.upright[0], mean.upright[2]]), PIXELS)
    g.check("bbox.M_o2c", to_crop, PIXELS)
    g.check("bbox.M_c2o", crop.inverse(to_crop), PIXELS)
    g.check("bbox.lmk_crop", crop.moved_points(g["bbox.pts"][0], to_crop), PIXELS)
    g.check("bbox.rot0.3.M_o2c", replace(mean, angle=0.3).to_crop(crop.PICTURE), PIXELS)
    if image is not None:
        g.check("bbox.img_crop_s8", crop.cut(image, to_crop, crop.PICTURE)[::8, ::8], WARPED)


def pasting(g: Golden, nets: Networks, folder: Path) -> None:
    """The published way back into the frame."""
    y, x = np.mgrid[:512, :512]
    face = np.stack([x // 2 % 256, y // 2 % 256, (x ^ y) // 2 % 256], axis=2).astype(np.uint8)
    image = g.picture("image_png")
    for case in g.names(".M_c2o"):
        to_frame, size = g[f"{case}.M_c2o"], (image.shape[1], image.shape[0])
        mask = np.repeat(mask_in_frame(to_frame, size)[..., None], 3, axis=2)
        g.check(f"{case}.mask", mask, WARPED / 255)
        g.add(f"{case}.result_png", _levels(pasted(face, image, to_frame), g.picture(f"{case}.result_png")), WARPED)


def landmarks203(g: Golden, nets: Networks, folder: Path) -> None:
    """What goes into the 203 landmarks' network and what is made of its output."""
    image, raw = g.picture("image_png"), g["lm203.raw_third_output"]
    for prior in ("prior106", "prior203"):
        blob, to_frame = landmarks.network_input(image, g[f"lm203.{prior}"])
        g.check(f"lm203.blob_from_{prior}", blob, WARPED / 255)
        g.check(f"lm203.points_from_{prior}", landmarks.network_output(raw, to_frame), PIXELS)
    _, to_frame = landmarks.network_input(image, None)
    g.check("lm203.points_no_prior", landmarks.network_output(raw, to_frame), PIXELS)


def chain(g: Golden, nets: Networks, folder: Path) -> None:
    """A still and a film's frames, from pixels to the pasted picture."""
    mode, heads = mode_of(g.index("config_json")), ArrayHeads(nets)
    image = g.picture("source_png")
    to_crop = crop.square_around(g["source_lmk106"]).to_crop(crop.PICTURE)
    g.check("M_c2o", crop.inverse(to_crop), PIXELS)
    g.check("source_crop_256", crop.reduced(crop.cut(image, to_crop, crop.PICTURE)), WARPED)
    frames = [crop.reduced(f, driver=True) for f in g["driver_frames"]]
    _check_template(g, "driver_template", nets, frames, g["driver_lmk203"], SEEN)
    seen = pixels(g["source_crop_256"][None])
    volume = nets.appearance(seen)
    g.check("f_s", array(volume), F_)
    points = g["source_lmk203"][None]
    source = still(vars(nets.motion(seen)), {"eyes": eye_ratios(points), "lips": lip_ratios(points)})
    made = modes.animate(source, template(g, "driver_template"), mode, heads)
    g.check("x_s", made.source[:1], M_)
    g.check("x_d_before_stitching", made.raw, M_)
    g.check("x_d", made.driving, M_)
    for i in range(len(made.driving)):
        warped = nets.warp(volume, tensor(made.source[:1]), tensor(made.driving[i : i + 1]))
        g.add(f"occlusion_map[{i}]", float(np.abs(array(warped.occlusion) - g["occlusion_map"][i]).max()), W_)
        picture = array(nets.generate(warped.feature))
        g.check(f"image{i}", picture, G_)
        face = to_image(picture[0])
        for name, ours, limit in (("512", face, TRUNCATED), ("pasteback", pasted(face, image, g["M_c2o"]), WARPED)):
            path = folder / f"chain_frame{i}_{name}.png"
            if path.is_file():
                g.add(path.name, _levels(ours, decoded(np.frombuffer(path.read_bytes(), np.uint8))), limit)


def _levels(ours: NDArray[np.uint8], golden: NDArray[np.uint8]) -> float:
    if ours.shape != golden.shape:
        return float("inf")
    return float(np.abs(ours.astype(np.int16) - golden).max())


def _sure(folder: Path, name: str) -> Golden:
    if (g := Golden.open(folder, name)) is None:
        raise LpEditorError(f"{folder}: needs {name}.npz too")
    return g


def _first_image(folder: Path) -> torch.Tensor:
    return pixels(_sure(folder, "appearance_feature_extractor")["images_u8"][:1])


CASES: Mapping[str, Callable[[Golden, Networks, Path], None]] = {
    "appearance_feature_extractor": appearance, "motion_extractor": motion, "warping_module": warping,
    "spade_generator": generator, "stitching_retargeting": stitching, "math": mathematics, "smoothing": smoothing,
    "motion_modes": animation, "expression_sliders": portrait, "animals": animals, "crop": cropping,
    "paste_back": pasting, "face_detect_decode": landmarks203, "chain": chain,
}  # fmt: skip
"""What is done with each golden file."""


def run(folder: Path, nets: Networks) -> list[Result]:
    """Every case of every golden file of a folder. Raises `LpEditorError` where there is none."""
    results: list[Result] = []
    for name, compare in CASES.items():
        if (g := Golden.open(folder, name)) is not None:
            compare(g, nets, folder)
            results += g.results
    if not results:
        raise LpEditorError(f"{folder}: no golden files there ({', '.join(f'{name}.npz' for name in CASES)})")
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison; 1 when a case fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--golden", type=Path, required=True, metavar="DIR")
    parser.add_argument("--weights", type=Path, required=True, metavar="DIR")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args(arguments)
    try:
        results = run(asked.golden, load_networks(asked.weights, asked.device))
    except LpEditorError as error:
        print(f"parity: {error}", file=sys.stderr)
        return 2
    for r in results:
        print(f"{'ok  ' if r.ok else 'FAIL'}  {r.case:<72} {r.error:10.2e} of {r.limit:.0e}")
    for case, why in NOT_PORTED:
        print(f"not ported  {case}: {why}")
    failed = sum(not r.ok for r in results)
    print(f"{len(results)} cases, {failed} failed")
    if asked.json:
        listed = [{"case": r.case, "error": r.error, "limit": r.limit, "ok": r.ok} for r in results]
        stored = {"cases": listed, "not_ported": [{"case": c, "why": w} for c, w in NOT_PORTED]}
        write_bytes(asked.json, json.dumps(stored, indent=1).encode())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
